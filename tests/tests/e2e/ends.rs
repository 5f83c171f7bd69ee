//! How round trips end, and what the records say of it.

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Provider, Transcript};

use crate::fixture::{BEARER, Gateway, path};

fn instance_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Messages => "anthropic",
        _ => "openai",
    }
}

#[tokio::test]
async fn a_whole_stream_is_relayed_and_recorded_as_completed() {
    let provider = Provider::start().await.unwrap();
    for endpoint in Endpoint::ALL {
        let transcript = Transcript::load(&format!("{}-tools", endpoint.name())).unwrap();
        let gateway = Gateway::start(&provider.url()).await;
        provider.reply(transcript.streams[0].script());
        let mut client = gateway.client().await;
        client.post(&path(instance_of(endpoint), endpoint.path()), &[BEARER], &transcript.streaming_request).await.unwrap();
        let (head, body) = client.response().await.unwrap();
        assert_eq!(head.status(), 200);
        assert_eq!(body, transcript.streams[0].body, "{endpoint:?}");
        let recorded = gateway.records.one().await;
        assert_eq!(recorded.outcome(), Outcome::Completed);
        assert_eq!(recorded.usage().usage_source, "final");
    }
}
