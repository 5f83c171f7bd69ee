//! What the gateway itself answers, in the words of every API.

mod asking;
mod serving;

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Head, Provider, RawClient};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    expect::told,
    fixture::{Gateway, Setup, TOKEN},
};

const ID: &str = "x-ai-bridge-interception-id";

/// What a refusal looks like.
#[derive(Clone, Copy)]
struct Looks {
    status: u16,
    /// Its type in Anthropic's format, and in OpenAI's.
    kinds: [&'static str; 2],
    /// Its code in OpenAI's format, and its name in records.
    code: &'static str,
    /// Of the fields that matter to clients, those it has.
    fields: &'static [(&'static str, &'static str)],
    /// How it is recorded, if it is.
    outcome: Option<Outcome>,
}

const INVALID: [&str; 2] = ["invalid_request_error"; 2];
const SERVER: [&str; 2] = ["api_error", "server_error"];

const fn looks(status: u16, kinds: [&'static str; 2], code: &'static str) -> Looks {
    Looks { status, kinds, code, fields: &[], outcome: None }
}

impl Looks {
    const fn with(mut self, fields: &'static [(&'static str, &'static str)]) -> Looks {
        self.fields = fields;
        self
    }

    const fn recorded(mut self, outcome: Outcome) -> Looks {
        self.outcome = Some(outcome);
        self
    }
}

const BAD_TOKEN: Looks = looks(401, ["authentication_error"; 2], "unauthenticated")
    .with(&[("www-authenticate", "Bearer"), ("x-should-retry", "false")]);

/// The fields whose absence counts as much as their presence.
const TELLING: [&str; 7] =
    ["www-authenticate", "x-should-retry", "retry-after", "allow", "upgrade", "connection", "location"];

/// Asserts that this is that refusal, in the format of this API; returns the interception's id.
#[track_caller]
fn assert_refused(context: &str, endpoint: Endpoint, looks: Looks, (head, body): &(Head, Bytes)) -> Option<String> {
    let context = format!("{context}, {endpoint:?}");
    assert_eq!(head.status(), looks.status, "{context}: {body:?}");
    assert_eq!(head.get("content-type"), Some("application/json"), "{context}");
    let body: Value = serde_json::from_slice(body).unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    let ours = message.starts_with("aibridge: ") || message.starts_with("route not supported: ");
    assert!(ours && !message.ends_with('.'), "{context}: {message}");
    assert!(!message.contains(TOKEN), "{context}: {message}");
    let expected = match endpoint {
        Endpoint::Messages => json!({"type": "error", "error": {"type": looks.kinds[0], "message": message}}),
        _ => json!({"error": {"message": message, "type": looks.kinds[1], "param": null, "code": looks.code}}),
    };
    assert_eq!(body, expected, "{context}");
    let mut fields: Vec<_> = TELLING.into_iter().filter_map(|name| Some((name, head.get(name)?))).collect();
    let mut expected = looks.fields.to_vec();
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected, "{context}");
    head.get(ID).map(str::to_owned)
}

/// Asserts that the request is refused like this, and recorded as it should be, if it should be.
async fn assert_refusal(context: &str, gateway: &Gateway, endpoint: Endpoint, looks: Looks, sent: Sent<'_>) {
    let mut client = gateway.client().await;
    let response = sent.send(&mut client).await;
    let id = assert_refused(context, endpoint, looks, &response);
    let Some(outcome) = looks.outcome else {
        assert_eq!(id, None, "{context}, {endpoint:?}: no interception, no id");
        assert_eq!(gateway.records.len(), 0, "{context}, {endpoint:?}");
        return;
    };
    let recorded = gateway.records.take().await;
    assert_eq!(id, Some(recorded.start.id.to_string()), "{context}, {endpoint:?}");
    let end = json!({"end": {"outcome": outcome.as_str(), "status": looks.status, "error": looks.code}});
    let mut expected = vec![json!({"prompt": "Hi"}), end];
    if outcome == Outcome::GatewayError {
        let none = json!({"usage": {"response_id": null, "tokens": [0, 0, 0, 0], "extras": {}, "source": "none"}});
        expected.insert(1, none);
    }
    assert_eq!(told(&recorded), expected, "{context}, {endpoint:?}");
    let message = serde_json::from_slice::<Value>(&response.1).unwrap()["error"]["message"].clone();
    assert_eq!(json!(recorded.end().error_message), message, "{context}, {endpoint:?}");
    assert_eq!(recorded.end().response_bytes, 0);
}

/// A request.
#[derive(Clone, Copy)]
struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    fields: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Sent<'_> {
    async fn send(self, client: &mut RawClient) -> (Head, Bytes) {
        client.request(self.method, self.path, self.fields, self.body).await.unwrap();
        client.response().await.unwrap()
    }
}

/// A gateway whose provider must not be asked anything.
async fn unasked(setup: Setup) -> (Provider, Gateway) {
    let provider = Provider::start().await.unwrap();
    let gateway = Gateway::with(&provider.url(), setup).await;
    (provider, gateway)
}
