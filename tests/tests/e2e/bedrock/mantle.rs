//! Messages clients on Mantle: nothing changes but the signature.

use aibridge_tests::{Script, Transcript};

use super::World;
use crate::{
    expect::{expected, told},
    fixture::{BEARER, path},
};

#[tokio::test]
async fn body_and_reply_pass_byte_for_byte_under_mantles_signature() {
    let mut world = World::new().await;
    let transcript = Transcript::load("messages-plain").unwrap();
    for (body, reply) in
        [(&transcript.request, &transcript.blocking[0]), (&transcript.streaming_request, &transcript.streams[0])]
    {
        let fields = [BEARER, ("anthropic-version", "2023-06-01"), ("anthropic-beta", "anything-goes")];
        let target = path("mantle", "/v1/messages?beta=true");
        let answer = world.ask(&target, &fields, body, reply.script()).await;
        assert_eq!((answer.head.status(), answer.body), (200, reply.body.clone()));
        let received = world.received().await;
        assert_eq!((&received.body, received.head.target()), (body, "/anthropic/v1/messages?beta=true"));
        assert_eq!(received.head.get("anthropic-beta"), Some("anything-goes"));
        let recorded = world.gateway().records.take().await;
        assert_eq!(told(&recorded), expected(&transcript, reply, true));
        assert_eq!(recorded.start.model, recorded.start.requested_model);
    }
}

#[tokio::test]
async fn proxied_routes_are_signed_too() {
    let mut world = World::new().await;
    let body = r#"{"model": "m", "messages": []}"#;
    for (method, route, body) in [
        ("POST", "/v1/messages/count_tokens", body),
        ("GET", "/v1/models?limit=1000&after_id=a", ""),
        ("GET", "/v1/models/claude-sonnet-4-5", ""),
    ] {
        world.answers.0.lock().unwrap().push_back(Script::json(200, r#"{"ok":true}"#));
        world.line.client.request(method, &path("mantle", route), &[BEARER], body).await.unwrap();
        let (head, answer) = world.line.client.response().await.unwrap();
        assert_eq!((head.status(), &*answer), (200, &br#"{"ok":true}"#[..]), "{route}");
        let received = world.received().await;
        assert_eq!((received.head.target(), &*received.body), (&*format!("/anthropic{route}"), body.as_bytes()));
    }
}
