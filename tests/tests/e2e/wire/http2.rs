//! Clients that speak HTTP/2.

use aibridge_store::record::Outcome;
use aibridge_tests::{Gate, Script};
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{ASK, DOCUMENT, STREAM, messages};
use crate::{
    fixture::{TOKEN, path},
    line::Line,
};

async fn connect(line: &Line) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(line.gateway.address).await.unwrap();
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn ask() -> Request<Full<Bytes>> {
    Request::post(format!("http://gateway.example{}", messages()))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("te", "trailers")
        .header("cookie", "session=1")
        .header("x-stainless-os", "Linux")
        .body(Full::from(ASK))
        .unwrap()
}

#[tokio::test]
async fn request_is_the_same_as_over_http_1() {
    let line = Line::new().await;
    let mut client = connect(&line).await;
    for (script, reply) in [
        (
            Script::json(200, DOCUMENT).field("Connection", "X-Once").field("X-Once", "1").field("Keep-Alive", "x"),
            DOCUMENT,
        ),
        (Script::sse().write(STREAM), STREAM),
    ] {
        line.provider.reply(script);
        let response = client.send_request(ask()).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
        for gone in ["connection", "keep-alive", "x-once", "transfer-encoding"] {
            assert!(!response.headers().contains_key(gone), "{gone}");
        }
        let recorded = line.gateway.records.one().await;
        assert_eq!(response.headers()["x-ai-bridge-interception-id"], recorded.start.id.to_string());
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), reply);
        let recorded = line.gateway.records.take().await;
        assert_eq!((recorded.outcome(), recorded.usage().output_tokens), (Outcome::Completed, 9));
        let request = line.provider.next_request().await;
        assert_eq!(request.head.start_line(), "POST /v1/messages HTTP/1.1");
        let (provider, length) = (line.provider.address().to_string(), ASK.len().to_string());
        assert_eq!(request.head.all("host"), [provider]);
        assert_eq!(request.head.all("content-length"), [length]);
        assert_eq!(request.head.get("x-stainless-os"), Some("Linux"));
        for gone in ["te", "cookie", "authorization", ":authority"] {
            assert_eq!(request.head.get(gone), None, "{gone}");
        }
        assert_eq!(request.body, ASK);
    }
}

#[tokio::test]
async fn streams_of_one_connection_are_told_apart_and_one_that_is_reset_is_left() {
    let line = Line::new().await;
    let mut client = connect(&line).await;
    let gate = Gate::new();
    line.provider.reply(Script::sse().write(&STREAM.as_bytes()[..STREAM.len() - 30]).wait(&gate));
    let left = client.send_request(ask()).await.unwrap();
    line.provider.reply(Script::json(200, DOCUMENT));
    let whole = client.send_request(ask()).await.unwrap();
    assert_eq!(whole.into_body().collect().await.unwrap().to_bytes(), DOCUMENT);
    drop(left);
    line.provider.client_closed().await;
    let mut outcomes: Vec<&str> = line.gateway.records.ended(2).await.iter().map(|it| it.outcome().as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["client_gone", "completed"]);
}

#[tokio::test]
async fn refusals_and_proxied_routes_are_the_same_too() {
    let line = Line::new().await;
    let mut client = connect(&line).await;
    let mut unknown = ask();
    unknown.headers_mut().remove("authorization");
    let response = client.send_request(unknown).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["www-authenticate"]),
        (401, &http::HeaderValue::from_static("Bearer"))
    );
    line.provider.reply(Script::json(200, "{}"));
    let request = Request::get(format!("http://gateway.example{}", path("openai", "/v1/models?limit=5")));
    let request = request.header("authorization", format!("Bearer {TOKEN}")).body(Full::default()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
    let head = line.provider.next_request().await.head;
    assert_eq!((head.target(), head.get("content-length")), ("/v1/models?limit=5", None));
}
