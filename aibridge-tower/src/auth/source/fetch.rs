//! The small HTTP calls that sources make.

use std::{error::Error, time::Duration};

use reqwest::{Client, Response, redirect::Policy};
use url::Url;

use super::SourceError;

/// A client that goes where it is sent and nowhere else: a redirect would carry a token to another host, and a proxy
/// from the environment would see it.
pub(super) fn client(timeout: Duration) -> Result<Client, SourceError> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        // Another crate may have switched reqwest's decompression on. The limits below count bytes on the wire.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .timeout(timeout)
        .build()
        .map_err(SourceError::Client)
}

/// Refuses URLs that the client could only fail on, at start-up rather than at the first request.
pub(super) fn http_url(url: Url, name: &'static str) -> Result<Url, SourceError> {
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(SourceError::Url(name)),
    }
}

/// The body, up to `limit` bytes.
pub(super) async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(describe)? {
        if body.len() + chunk.len() > limit {
            return Err(format!("the answer is longer than {limit} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error and its causes, without the URL, which may carry credentials.
pub(super) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}
