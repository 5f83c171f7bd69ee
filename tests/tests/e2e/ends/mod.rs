//! How round trips end, what the client sees of it, and what the records say.

mod cuts;
mod errors;
mod leaving;

use aibridge_store::record::Outcome;
use aibridge_tests::Provider;
use serde_json::{Value, json};

use crate::fixture::Gateway;

/// An end in the words of [`told`].
fn end(outcome: Outcome, status: impl Into<Option<u16>>, error: impl Into<Option<&'static str>>) -> Value {
    json!({"end": {"outcome": outcome.as_str(), "status": status.into(), "error": error.into()}})
}

async fn start() -> (Provider, Gateway) {
    let provider = Provider::start().await.unwrap();
    let gateway = Gateway::start(&provider.url()).await;
    (provider, gateway)
}
