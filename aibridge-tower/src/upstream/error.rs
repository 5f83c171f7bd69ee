use std::{error::Error, time::Duration};

use aibridge_providers::api::{Reason, Refusal};

use crate::{BoxError, refuse};

/// Why the provider could not be asked, or did not finish its answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// DNS, TCP or TLS failed, or the connection broke before the answer began.
    #[error("the provider could not be reached")]
    Unreachable(#[source] BoxError),
    /// No response headers within this time.
    #[error("the provider answered no headers within {0:?}")]
    Timeout(Duration),
    /// The answer's body broke off.
    #[error("the provider's answer broke off")]
    Body(#[source] hyper::Error),
    /// The client's request body broke off.
    #[error("the request's body broke off")]
    RequestBody(#[source] BoxError),
    /// The request carries no absolute URI: [`Route`](crate::route::Route) is missing before.
    #[error("the request has no absolute uri; a Route layer must come before Upstream")]
    NoRoute,
}

impl UpstreamError {
    /// Whether no connection was made, so that the provider has seen nothing of the request.
    pub fn is_connect(&self) -> bool {
        let UpstreamError::Unreachable(source) = self else { return false };
        let source: &(dyn Error + 'static) = source.as_ref();
        refuse::chain(source)
            .find_map(<dyn Error>::downcast_ref::<hyper_util::client::legacy::Error>)
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
    }

    /// The one in `error`'s chain of causes.
    pub(crate) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a UpstreamError> {
        refuse::chain(error).find_map(<dyn Error>::downcast_ref::<UpstreamError>)
    }

    /// What the client is told.
    pub fn refusal(&self) -> Refusal {
        match self {
            UpstreamError::Timeout(after) => Refusal::new(
                Reason::ProviderTimeout,
                format!("aibridge: the provider did not begin to answer within {} s; try again", after.as_secs()),
            ),
            UpstreamError::NoRoute => Refusal::new(Reason::Internal, format!("aibridge: {self}")),
            UpstreamError::RequestBody(_) => {
                Refusal::new(Reason::InvalidRequest, "aibridge: the request's body broke off")
            }
            UpstreamError::Unreachable(_) | UpstreamError::Body(_) => Refusal::new(
                Reason::ProviderUnreachable,
                "aibridge: the gateway could not reach the provider; try again, and tell its administrator if it lasts",
            ),
        }
    }
}
