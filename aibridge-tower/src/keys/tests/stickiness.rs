//! Staying with the key a conversation used.

use std::time::Duration;

use aibridge_providers::client;
use tokio::time::advance;
use uuid::Uuid;

use super::*;
use crate::{auth::Actor, keys::Remember, parse::AiBody, passthrough::RequestBody};

const OPENED: &str = r#"{"input":[{"role":"user","content":"Hi"}]}"#;
const BOUND: &str = r#"{"input":[{"role":"user","content":"Hi"},{"type":"reasoning","encrypted_content":"gAAA"}]}"#;

struct Ground {
    asked: Asked,
    layer: KeysLayer,
    instance: Arc<Instance>,
}

impl Ground {
    fn new() -> Ground {
        Ground { asked: Asked::default(), layer: KeysLayer::new(), instance: pool(THREE) }
    }

    /// For a minute the first key is not to be had.
    fn without_first(&self) {
        self.asked.answers("sk-one", Answer::new(429));
    }

    async fn with_first(&self) {
        self.asked.answers("sk-one", Answer::new(200));
        advance(Duration::from_secs(60)).await;
    }

    async fn slot(&self, request: Request<AiBody>) -> usize {
        self.asked.status(&self.layer, request).await.1.unwrap()
    }

    fn responses(&self, json: &str) -> Request<AiBody> {
        to(&self.instance, Api::Responses, json)
    }
}

fn in_session(mut request: Request<AiBody>, session: &'static str) -> Request<AiBody> {
    request.headers_mut().insert("user-agent", "codex_cli_rs/0.1".parse().unwrap());
    request.headers_mut().insert("session-id", session.parse().unwrap());
    let caller = client::detect(request.headers(), None);
    request.map(|body| {
        AiBody::new(body.api(), body.bytes().clone(), body.document().clone(), body.facts().clone(), caller)
    })
}

#[tokio::test(start_paused = true)]
async fn a_turn_with_bound_data_stays_with_the_key_of_its_conversation() {
    let ground = Ground::new();
    ground.without_first();
    assert_eq!(ground.slot(ground.responses(OPENED)).await, 1);
    ground.with_first().await;
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 1, "the conversation began there");
    assert_eq!(ground.slot(ground.responses(OPENED)).await, 0, "nothing is bound");
    assert_eq!(ground.slot(ground.responses(&BOUND.replace("Hi", "Ho"))).await, 0, "another conversation");
    let mut other = ground.responses(BOUND);
    other.extensions_mut().insert(Actor::new(Uuid::from_u128(8), "eve"));
    assert_eq!(ground.slot(other).await, 0, "another user's");
}

#[tokio::test(start_paused = true)]
async fn a_further_round_stays_with_the_key_that_answered_the_one_before() {
    let ground = Ground::new();
    ground.without_first();
    let response = ground.asked.send(&ground.layer, ground.responses(OPENED)).await.unwrap();
    let answered = response.extensions().get::<Credential>().unwrap().clone();
    ground.with_first().await;
    let further = || {
        let mut request = ground.responses(OPENED);
        request.extensions_mut().insert(answered.clone());
        request
    };
    assert_eq!(ground.slot(further()).await, 1, "whatever the client sent");
    ground.asked.answers("sk-two", Answer::new(401));
    assert_eq!(ground.slot(further()).await, 0);
    assert_eq!(ground.slot(further()).await, 0, "it is not usable");
}

#[tokio::test(start_paused = true)]
async fn the_key_used_last_is_the_one() {
    let ground = Ground::new();
    ground.without_first();
    assert_eq!(ground.slot(ground.responses(OPENED)).await, 1);
    ground.asked.answers("sk-two", Answer::new(401));
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 2, "the sticky key is not usable: the first that is");
    ground.asked.answers("sk-two", Answer::new(200));
    ground.with_first().await;
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 2);
    ground.asked.answers("sk-three", Answer::new(401));
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 0);
    ground.asked.answers("sk-three", Answer::new(200));
    advance(Duration::from_secs(60)).await;
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 0, "the first again");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_an_error_binds_nothing() {
    let ground = Ground::new();
    ground.without_first();
    ground.asked.answers("sk-two", Answer::new(400));
    assert_eq!(ground.slot(ground.responses(OPENED)).await, 1);
    ground.with_first().await;
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_agents_session_is_one_conversation() {
    let ground = Ground::new();
    ground.without_first();
    assert_eq!(ground.slot(in_session(ground.responses(OPENED), "s-1")).await, 1);
    ground.with_first().await;
    let later = BOUND.replace("Hi", "what was compacted");
    assert_eq!(ground.slot(in_session(ground.responses(&later), "s-1")).await, 1);
    assert_eq!(ground.slot(in_session(ground.responses(&later), "s-2")).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stored_response_is_found_by_its_id() {
    let ground = Ground::new();
    ground.without_first();
    let response = ground.asked.send(&ground.layer, ground.responses(OPENED)).await.unwrap();
    response.extensions().get::<Remember>().expect("for who reads the reply").reply("resp_1");
    ground.with_first().await;
    let next = |id: &str| ground.responses(&format!(r#"{{"previous_response_id":"{id}","input":"And?"}}"#));
    assert_eq!(ground.slot(next("resp_1")).await, 1);
    assert_eq!(ground.slot(next("resp_2")).await, 0);
    assert_eq!(ground.slot(in_session(next("resp_2"), "s-1")).await, 0, "it is the response that counts");

    let get = |path: &str| {
        let route = ProviderRoute::new(ground.instance.clone(), Endpoint::Passthrough, "/v1/responses/*");
        let request = Request::get(path).extension(route).extension(testing::actor());
        request.body(RequestBody::new(Full::<Bytes>::default())).unwrap()
    };
    for (path, slot) in [
        ("https://api.example/v1/responses/resp_1", 1),
        ("https://api.example/v1/responses/resp_1/input_items?limit=1", 1),
        ("https://api.example/v1/responses/resp_2", 0),
        ("https://api.example/v1/responses/", 0),
    ] {
        assert_eq!(ground.asked.status(&ground.layer, get(path)).await, (200, Some(slot)), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_finds_its_key_after_a_reload_in_another_place() {
    use aibridge_providers::provider::Registry;
    let instance = |keys: &[&str]| {
        let base = BaseUrl::parse("https://provider.example").unwrap();
        keys.iter().fold(Instance::builder(Kind::OpenAi, base), |it, key| it.key(Secret::new(*key))).build()
    };
    let registry = Registry::new([instance(THREE)]);
    let mut ground = Ground { instance: registry.find("openai").unwrap(), ..Ground::new() };
    ground.without_first();
    assert_eq!(ground.slot(ground.responses(OPENED)).await, 1);
    ground.with_first().await;
    registry.replace([instance(&["sk-one", "sk-new", "sk-two"])]);
    ground.instance = registry.find("openai").unwrap();
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 2);
    registry.replace([instance(&["sk-one", "sk-new"])]);
    ground.instance = registry.find("openai").unwrap();
    assert_eq!(ground.slot(ground.responses(BOUND)).await, 0, "the key is gone");
}
