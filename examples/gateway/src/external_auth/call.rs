//! The calls to providers, all of them small.

use std::{collections::HashMap, error::Error, time::Duration};

use http::{
    HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use oauth2::{HttpRequest, HttpResponse};
use reqwest::{Client, Response, redirect::Policy};
use url::form_urlencoded;

/// How long a provider may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may be, in bytes. Tokens that are JWTs take a few KiB.
const MAX_ANSWER: usize = 256 * 1024;

/// A client that goes where it is sent and nowhere else: a redirect would carry secrets to another host, and a proxy from
/// the environment would see them.
pub(super) fn client() -> reqwest::Result<Client> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        // GitHub answers nobody without one.
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A provider could not be asked. Its URL, which may have a query, is not named.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CallError(pub(super) String);

/// Asks a token endpoint. With `bearer` that is shown instead of what the request carries.
pub(super) async fn call(
    client: Client,
    mut request: HttpRequest,
    bearer: Option<HeaderValue>,
) -> Result<HttpResponse, CallError> {
    if let Some(bearer) = bearer {
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    let request = reqwest::Request::try_from(request).map_err(described)?;
    let answer = client.execute(request).await.map_err(described)?;
    let (status, media_type) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let mut body = body(answer).await?;
    if media_type.is_some_and(|media_type| media_type.as_bytes().starts_with(b"application/x-www-form-urlencoded")) {
        let fields: HashMap<_, _> = form_urlencoded::parse(&body).collect();
        body = serde_json::to_vec(&fields).map_err(|_| CallError("the answer is not a form".to_owned()))?;
    }
    if status == StatusCode::UNAUTHORIZED && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        // What 401 means here, said by those that leave out the body: RFC 6749, section 5.2.
        body = br#"{"error":"invalid_client"}"#.to_vec();
    }
    // With 200 for any success, and without the media type: what is JSON is taken, whatever it is called.
    let mut response = HttpResponse::new(body);
    if !status.is_success() {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// The body of an answer.
pub(super) async fn body(mut answer: Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(described)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(CallError(format!("the answer is longer than {MAX_ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error and its causes.
pub(super) fn described(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    CallError(message)
}
