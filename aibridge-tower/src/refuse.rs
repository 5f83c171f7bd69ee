//! Refusals as responses in the format of the API being spoken.

use std::{error::Error, iter};

use aibridge_providers::api::{Format, Reason, Refusal};
use http::{HeaderName, HeaderValue, Response, header};

use crate::{body::ResponseBody, upstream::UpstreamError};

/// Tells the official SDKs and Claude Code not to retry.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The response for `refusal` in `format`. The refusal itself goes into its extensions, for whoever records or logs.
pub fn response<B>(format: Format, refusal: Refusal) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::own(format.body(&refusal)));
    *response.status_mut() = refusal.reason.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = refusal.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    match refusal.reason {
        Reason::Unauthenticated => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        Reason::WebSocket => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
        }
        Reason::ShuttingDown => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response.extensions_mut().insert(refusal);
    response
}

/// The refusal for a fact that a layer further out should have inserted: a wiring mistake of the host's.
pub(crate) fn missing<T>(layer: &'static str) -> Refusal {
    let fact = std::any::type_name::<T>();
    tracing::error!(layer, fact, "a layer that must come before is missing from the pipeline");
    Refusal::new(Reason::Internal, format!("aibridge: {layer} needs {fact}, which no layer before it has inserted"))
}

/// An error and its causes, outermost first.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// What the client is told when a reply breaks off.
pub(crate) const TRUNCATED: &str = "aibridge: the provider's answer broke off before its end; try again";

/// The refusal for a reply that broke off.
pub(crate) fn truncated() -> Refusal {
    Refusal::new(Reason::ProviderTruncated, TRUNCATED)
}

/// What the client is told about an error of this crate's.
pub(crate) fn refusal_of(failure: &(dyn Error + 'static)) -> Refusal {
    match UpstreamError::find(failure) {
        Some(upstream) => upstream.refusal(),
        None => Refusal::new(Reason::Internal, "aibridge: the gateway failed; its log says why"),
    }
}
