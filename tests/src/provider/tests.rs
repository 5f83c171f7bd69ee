use super::*;
use crate::{Endpoint, RawClient};

async fn exchange(provider: &Provider, body: &str) -> RawClient {
    let mut client = RawClient::connect(provider.address()).await.unwrap();
    client.post(Endpoint::Messages.path(), &[("x-Test", "1")], body).await.unwrap();
    client
}

#[tokio::test]
async fn request_is_kept_byte_for_byte() {
    let provider = Provider::start().await.unwrap();
    provider.reply(Script::json(200, "{}"));
    let mut client = RawClient::connect(provider.address()).await.unwrap();
    let wire = "POST /v1/messages?beta=true HTTP/1.1\r\nhOsT: x\r\nTransfer-Encoding: chunked\r\nX-b:  2\r\nX-A: 1\r\n\r\n\
                3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
    client.send(wire).await.unwrap();
    let (head, body) = client.response().await.unwrap();
    assert_eq!((head.status(), &body[..]), (200, &b"{}"[..]));

    let request = provider.next_request().await;
    assert!(wire.as_bytes().starts_with(request.head.raw()));
    assert_eq!(request.head.target(), "/v1/messages?beta=true");
    assert_eq!(request.head.fields()[2..], [("X-b", "2"), ("X-A", "1")]);
    assert_eq!(request.body, r#"{"a":1}"#);
    assert_eq!(request.json()["a"], 1);
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn replies_come_in_order_over_one_connection_then_from_the_choice() {
    let provider = Provider::replying(|request| Script::text(200, request.body.clone())).await.unwrap();
    provider.reply(Script::json(429, "first").field("retry-after", "1"));
    provider.reply(Script::chunked(200).write("se").write("cond"));
    let mut client = exchange(&provider, "a").await;
    let (head, body) = client.response().await.unwrap();
    assert_eq!((head.status(), head.get("Retry-After"), &body[..]), (429, Some("1"), &b"first"[..]));
    client.post("/", &[], "b").await.unwrap();
    assert_eq!(client.response().await.unwrap().1, "second");
    client.post("/", &[], "c").await.unwrap();
    assert_eq!(client.response().await.unwrap().1, "c");
    assert_eq!((provider.connections(), provider.open_connections()), (1, 1));
    let connections: Vec<_> = provider.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn nothing_leaves_before_its_gate_is_passed() {
    let (head, first) = (Gate::new(), Gate::new());
    let provider = Provider::start().await.unwrap();
    provider.reply(Script::sse().hold(&head).wait(&first).write("a").wait(&first).write("b"));
    let mut client = exchange(&provider, "").await;
    let request = provider.next_request().await;
    assert_eq!((request.head.get("x-test"), provider.sent()), (Some("1"), 0));
    head.open();
    assert_eq!(client.head().await.unwrap().get("content-type"), Some("text/event-stream; charset=utf-8"));
    first.pass_one();
    assert_eq!(client.chunk().await.unwrap().unwrap(), "a");
    let early = futures::poll!(std::pin::pin!(client.chunk()));
    assert!(early.is_pending(), "the gate let one through");
    first.open();
    assert_eq!(client.chunk().await.unwrap().unwrap(), "b");
    assert_eq!(client.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn every_end_looks_different_to_the_client() {
    let provider = Provider::start().await.unwrap();
    let ends = [
        (Script::sse().write("a"), None),
        (Script::sse().write("a").cut(), Some(io::ErrorKind::UnexpectedEof)),
        (Script::sse().write("a").reset(), Some(io::ErrorKind::ConnectionReset)),
    ];
    for (script, error) in ends {
        provider.reply(script);
        let mut client = exchange(&provider, "").await;
        client.head().await.unwrap();
        assert_eq!(client.chunk().await.unwrap().unwrap(), "a");
        assert_eq!(client.chunk().await.map_err(|error| error.kind()).err(), error);
    }
    provider.reply(Script::raw().write("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
    let mut client = exchange(&provider, "").await;
    assert_eq!(client.response().await.unwrap().1, "until the end");
    provider.reply(Script::raw());
    let mut client = exchange(&provider, "").await;
    assert_eq!(client.head().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn hang_up_is_seen_at_once_whatever_the_script_is_doing() {
    let provider = Provider::start().await.unwrap();
    let scripts = [
        Script::sse().hold(&Gate::new()),
        Script::sse().write("a").wait(&Gate::new()),
        Script::sse().repeat("tick", Duration::from_millis(1)),
    ];
    for (script, abort) in scripts.into_iter().zip([false, true, false]) {
        provider.reply(script);
        let client = exchange(&provider, "").await;
        let mut request = provider.next_request().await;
        let before = Instant::now();
        if abort {
            client.abort().unwrap()
        } else {
            drop(client)
        }
        assert!(provider.client_closed().await >= before);
        assert!(request.client_closed().await >= before);
    }
    assert_eq!(provider.connections(), 3);
}

#[tokio::test]
async fn close_between_two_requests_is_no_hang_up() {
    let provider = Provider::start().await.unwrap();
    provider.reply(Script::json(200, "{}"));
    let mut client = exchange(&provider, "").await;
    client.response().await.unwrap();
    let mut request = provider.next_request().await;
    drop(client);
    request.client_closed().await;
    assert!(provider.hang_ups.lock().await.try_recv().is_err());
}

#[tokio::test]
async fn unscripted_request_is_refused_aloud() {
    let provider = Provider::start().await.unwrap();
    let (head, body) = exchange(&provider, "").await.response().await.unwrap();
    assert_eq!(head.status(), 500);
    assert_eq!(body, "the test scripted no reply to this request");
}

#[tokio::test]
async fn dropped_provider_closes_port_and_connections() {
    let provider = Provider::start().await.unwrap();
    provider.reply(Script::sse().write("a").wait(&Gate::new()));
    let mut client = exchange(&provider, "").await;
    client.head().await.unwrap();
    client.chunk().await.unwrap();
    let address = provider.address();
    drop(provider);
    assert!(client.chunk().await.is_err());
    assert!(RawClient::connect(address).await.is_err());
}
