//! Clients.

use std::time::Duration;

use aibridge_store::record::Outcome;
use aibridge_tests::Script;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{ASK, DOCUMENT, STREAM, messages};
use crate::{
    fixture::{BEARER, KEY, TOKEN, path},
    line::Line,
};

/// Everything that comes back on a connection of its own, until the gateway closes it.
async fn until_closed(line: &Line, request: &str) -> String {
    let mut stream = TcpStream::connect(line.gateway.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    read.expect("the gateway closes the connection").unwrap();
    String::from_utf8(answer).unwrap()
}

/// A request with these lines behind its first.
fn post(version: &str, lines: &str) -> String {
    let (target, length) = (messages(), ASK.len());
    format!(
        "POST {target} HTTP/{version}\r\nAuthorization: Bearer {TOKEN}\r\n{lines}Content-Length: {length}\r\n\r\n{ASK}"
    )
}

#[tokio::test]
async fn client_that_wants_its_connection_closed_gets_a_whole_reply_first() {
    let line = Line::new().await;
    line.provider.reply(Script::json(200, DOCUMENT));
    let answer = until_closed(&line, &post("1.1", "Host: x\r\nConnection: close\r\n")).await;
    assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with(DOCUMENT), "{answer}");
    line.provider.reply(Script::sse().write(STREAM));
    let answer = until_closed(&line, &post("1.1", "Host: x\r\nConnection: close\r\n")).await;
    assert!(answer.contains(STREAM) && answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    // The provider's connection is not the client's.
    assert_eq!(line.provider.connections(), 1);
}

#[tokio::test]
async fn client_of_http_1_0_gets_what_it_understands() {
    let line = Line::new().await;
    line.provider.reply(Script::sse().write(STREAM));
    let answer = until_closed(&line, &post("1.0", "")).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && !answer.to_ascii_lowercase().contains("chunked"), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{STREAM}")), "{answer}");
    assert_eq!(line.provider.next_request().await.head.start_line(), "POST /v1/messages HTTP/1.1");
    assert_eq!(line.gateway.records.take().await.usage().output_tokens, 9);
}

#[tokio::test]
async fn target_may_be_absolute_and_says_nothing_of_the_provider() {
    let mut line = Line::new().await;
    line.provider.reply(Script::json(200, DOCUMENT));
    line.client.post(&format!("http://elsewhere.example{}", messages()), &[BEARER], ASK).await.unwrap();
    assert_eq!(line.client.response().await.unwrap().1, DOCUMENT);
    let head = line.provider.next_request().await.head;
    assert_eq!((head.target(), head.get("host")), ("/v1/messages", Some(&*line.provider.address().to_string())));
}

#[tokio::test]
async fn client_that_waits_to_be_told_to_continue_is_told() {
    let line = Line::new().await;
    line.provider.reply(Script::json(200, DOCUMENT));
    let request = post("1.1", "Host: x\r\nConnection: close\r\nExpect: 100-continue\r\n");
    let (head, body) = request.split_at(request.len() - ASK.len());
    let mut stream = TcpStream::connect(line.gateway.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(DOCUMENT), "{answer}");
}

#[tokio::test]
async fn client_that_waits_is_refused_before_it_sends_its_body() {
    let line = Line::new().await;
    let target = messages();
    for (fields, status) in [
        ("Content-Length: 9\r\n".to_owned(), "HTTP/1.1 401 "),
        (format!("Authorization: Bearer {TOKEN}\r\nContent-Length: 1000000000\r\n"), "HTTP/1.1 413 "),
    ] {
        let answer =
            until_closed(&line, &format!("POST {target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{fields}\r\n"))
                .await;
        assert!(answer.starts_with(status), "{answer}");
    }
}

#[tokio::test]
async fn credential_cannot_be_named_away_by_the_client() {
    let mut line = Line::new().await;
    for named in ["x-api-key", "X-Once, X-Api-Key"] {
        line.provider.reply(Script::json(200, DOCUMENT));
        let fields = [BEARER, ("Connection", named), ("X-Once", "1"), ("X-Stays", "2")];
        line.client.post(&messages(), &fields, ASK).await.unwrap();
        assert_eq!(line.client.response().await.unwrap().1, DOCUMENT);
        let head = line.provider.next_request().await.head;
        assert_eq!((head.get("x-api-key"), head.get("x-stays")), (Some(KEY), Some("2")));
        assert_eq!(head.get("x-once").is_none(), named.contains("X-Once"));
    }
}

#[tokio::test]
async fn empty_body_of_a_proxied_route_keeps_its_length() {
    let mut line = Line::new().await;
    line.provider.reply(Script::json(200, "{}"));
    line.client.request("POST", &path("openai", "/v1/responses/resp_1/cancel"), &[BEARER], "").await.unwrap();
    assert_eq!(line.client.response().await.unwrap().1, "{}");
    assert_eq!(line.provider.next_request().await.head.get("content-length"), Some("0"));
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_and_nothing_is_recorded() {
    let line = Line::new().await;
    let many: String = (0..200).map(|n| format!("X-H{n}: 1\r\n")).collect();
    for fields in [many, format!("X-Long: {}\r\n", "a".repeat(500_000))] {
        let answer = until_closed(&line, &post("1.1", &format!("Host: x\r\n{fields}"))).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert_eq!(line.gateway.records.len(), 0);
}

#[tokio::test]
async fn methods_without_a_route_are_told_what_there_is() {
    let mut line = Line::new().await;
    for method in ["HEAD", "OPTIONS", "GET", "DELETE"] {
        line.client.request(method, &messages(), &[BEARER], "").await.unwrap();
        let (head, _) = line.client.response().await.unwrap();
        assert_eq!((head.status(), head.get("allow")), (405, Some("POST")), "{method}");
    }
    assert!(line.provider.requests().is_empty());
}

#[tokio::test]
async fn head_of_a_proxied_route_has_a_length_and_no_body() {
    let mut line = Line::new().await;
    line.provider.reply(Script::raw().write("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"));
    let own = [("X-Coder-AI-Governance-Token", TOKEN), ("Authorization", "Bearer gho_own")];
    line.client.request("HEAD", &path("copilot", "/models"), &own, "").await.unwrap();
    let (head, body) = line.client.response().await.unwrap();
    assert_eq!((head.status(), head.get("content-length"), body.len()), (200, Some("77"), 0));
}

#[tokio::test]
async fn requests_may_follow_without_waiting() {
    let mut line = Line::new().await;
    for status in [200, 529] {
        line.provider.reply(Script::json(status, DOCUMENT));
    }
    let request = post("1.1", "Host: x\r\n");
    line.client.send(request.repeat(2)).await.unwrap();
    for status in [200, 529] {
        assert_eq!(line.client.response().await.unwrap().0.status(), status);
    }
    let outcomes: Vec<Outcome> = line.gateway.records.ended(2).await.iter().map(|it| it.outcome()).collect();
    assert_eq!(outcomes, [Outcome::Completed, Outcome::ProviderError]);
}
