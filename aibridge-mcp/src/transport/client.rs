use std::time::Duration;

use http::StatusCode;
use reqwest::{Client, redirect::Policy};

/// To be connected, TLS included. A server that takes longer is taken for dead.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection without requests is closed after this.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// How often a connection that is silent is asked whether it lives: event streams are silent for minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// In a row.
const MAX_REDIRECTS: usize = 5;

/// The HTTP client for all servers: pooled, without proxies, decompression or redirects to elsewhere.
pub(crate) fn client() -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("aibridge/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_keepalive(KEEP_ALIVE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .redirect(same_origin())
        // The URLs are the operator's, and so would be a proxy: the environment has no say in where tokens go.
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .build()
}

/// Follows 307 and 308 within the origin. Another origin would be given the token, and 301 to 303 lose the message.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let keeps_message = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let same_origin = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
        if keeps_message && same_origin && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}
