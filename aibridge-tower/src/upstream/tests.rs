use std::{net::Ipv4Addr, time::Duration};

use aibridge_providers::api::Api;
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_test::{assert_pending, task};
use tower::ServiceExt;
use tower_service::Service;

use super::{Upstream, UpstreamError};
use crate::testing::{Script, Step, bytes, parsed};

type Body = Full<Bytes>;

fn upstream() -> Upstream<Body> {
    Upstream::<()>::builder().build().unwrap()
}

/// A provider that reads one request, up to what ends it, and gives one answer.
async fn provider(until: &'static str, answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(until.as_bytes()) {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(read).unwrap()
    });
    (url, serving)
}

#[tokio::test]
async fn a_request_goes_out_as_it_is_and_its_answer_comes_in() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: r1\r\nset-cookie: a=b\r\n\r\nhi";
    let (url, seen) = provider("asked", answer).await;
    let request = Request::post(format!("{url}/v1/embeddings?a=b"))
        .version(Version::HTTP_2)
        .header("x-stainless-os", "Linux")
        .header("cookie", "session=1")
        .header("content-length", "5")
        .body(Body::from("asked"))
        .unwrap();
    let response = upstream().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "r1");
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(bytes(response.into_body()).await, "hi");
    let seen = seen.await.unwrap();
    assert!(seen.starts_with("POST /v1/embeddings?a=b HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-stainless-os: Linux\r\n") && seen.ends_with("\r\n\r\nasked"), "{seen}");
    assert_eq!(seen.matches("content-length: 5\r\n").count(), 1, "{seen}");
    assert!(!seen.contains("cookie"), "{seen}");
}

#[tokio::test]
async fn an_empty_body_has_a_length_where_a_body_is_expected() {
    for (method, length) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false)] {
        let (url, seen) = provider("\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n").await;
        let request = Request::builder().method(method).uri(format!("{url}/v1/responses/r/cancel"));
        let request = request.header("content-length", "0").body(Body::default()).unwrap();
        assert_eq!(upstream().oneshot(request).await.unwrap().status(), 204);
        assert_eq!(seen.await.unwrap().contains("content-length: 0\r\n"), length, "{method}");
    }
}

#[tokio::test]
async fn the_providers_http_version_is_not_the_clients() {
    let (url, _seen) = provider("\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nhi").await;
    let response = upstream().oneshot(Request::get(url).body(Body::default()).unwrap()).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(bytes(response.into_body()).await, "hi");
}

#[tokio::test]
async fn a_parsed_body_is_sent_with_its_length() {
    let (url, seen) = provider("}", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut request = parsed(Api::Chat, r#"{"model":"gpt"}"#);
    *request.uri_mut() = format!("{url}/v1/chat/completions").parse().unwrap();
    assert_eq!(upstream().parsed().oneshot(request).await.unwrap().status(), 204);
    let seen = seen.await.unwrap();
    assert!(seen.contains("content-length: 15\r\n") && seen.ends_with("\r\n\r\n{\"model\":\"gpt\"}"), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_answers_no_headers_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/v1/models", listener.local_addr().unwrap());
    let begun = tokio::time::Instant::now();
    let mut upstream = Upstream::<()>::builder().header_timeout(Duration::from_secs(30)).build::<Body>().unwrap();
    let mut call = task::spawn(upstream.call(Request::get(url).body(Body::default()).unwrap()));
    assert_pending!(call.poll());
    let error = call.await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout(after) if after == Duration::from_secs(30)), "{error:?}");
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(error.refusal().reason.as_str(), "provider_timeout");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = upstream().oneshot(Request::get(url).body(Body::default()).unwrap()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unreachable(_)), "{error:?}");
    assert_eq!(error.refusal().reason.as_str(), "provider_unreachable");
}

#[tokio::test]
async fn an_answer_that_breaks_off_fails_its_body() {
    let (url, _) = provider("\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi").await;
    let response = upstream().oneshot(Request::get(url).body(Body::default()).unwrap()).await.unwrap();
    let error = http_body_util::BodyExt::collect(response.into_body()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Body(_)), "{error:?}");
}

#[tokio::test]
async fn a_clients_body_that_breaks_off_is_not_the_providers_fault() {
    let (url, _) = provider("never", "").await;
    let script = Script::new([Step::data("a"), Step::Yield, Step::Fail(std::io::Error::other("the client left"))]);
    let upstream = Upstream::<()>::builder().build::<Script<std::io::Error>>().unwrap();
    let error = upstream.oneshot(Request::post(url).body(script).unwrap()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::RequestBody(_)), "{error:?}");
    assert_eq!(error.refusal().reason.as_str(), "invalid_request");
}

#[tokio::test]
async fn a_request_without_a_route_is_a_mistake_of_the_hosts() {
    let error = upstream().oneshot(Request::get("/v1/models").body(Body::default()).unwrap()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::NoRoute), "{error:?}");
}
