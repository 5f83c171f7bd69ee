use aibridge_providers::api::Format;
use http::HeaderValue;

use super::Interception;
use crate::BoxError;

/// An intercepted request that failed before the provider answered. Names the interception, so that
/// [`Shape`](crate::shape::Shape) can tell the client.
#[derive(Debug, thiserror::Error)]
#[error("interception {} failed", interception.id())]
pub struct InterceptionFailed {
    interception: Interception,
    format: Format,
    source: BoxError,
}

impl InterceptionFailed {
    pub(super) fn new(interception: Interception, format: Format, source: BoxError) -> InterceptionFailed {
        InterceptionFailed { interception, format, source }
    }

    pub(crate) fn id(&self) -> HeaderValue {
        self.interception.header()
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }
}
