//! One gateway in front of one provider, and one connection to it: for exchanges one after another.

use aibridge_tests::{Provider, RawClient};

use crate::fixture::{Gateway, Setup};

pub(crate) struct Line {
    pub(crate) provider: Provider,
    pub(crate) gateway: Gateway,
    pub(crate) client: RawClient,
}

impl Line {
    /// With the usual settings; the provider waits for scripts.
    pub(crate) async fn new() -> Line {
        Line::with(Setup::default()).await
    }

    /// With these settings.
    pub(crate) async fn with(setup: Setup) -> Line {
        Line::to(Provider::start().await.unwrap(), setup).await
    }

    /// To this provider.
    pub(crate) async fn to(provider: Provider, setup: Setup) -> Line {
        let gateway = Gateway::with(&provider.url(), setup).await;
        let client = gateway.client().await;
        Line { provider, gateway, client }
    }
}
