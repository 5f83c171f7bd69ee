//! Providers.

use aibridge_store::record::Outcome;
use aibridge_tests::Script;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{ASK, DOCUMENT, STREAM, messages};
use crate::{
    fixture::{BEARER, Gateway, Recorded},
    line::Line,
};

impl Line {
    /// What the client gets, its head in lower case, and the record.
    async fn asked(&mut self, script: Script) -> (u16, String, String, Recorded) {
        self.provider.reply(script);
        self.client.post(&messages(), &[BEARER], ASK).await.unwrap();
        let (head, body) = self.client.response().await.unwrap();
        let text = format!("{head:?}").to_ascii_lowercase();
        (head.status(), text, String::from_utf8(body.to_vec()).unwrap(), self.gateway.records.take().await)
    }
}

/// Tokens, and how it ended.
fn summary(recorded: &Recorded) -> (Outcome, u64, &'static str) {
    (recorded.outcome(), recorded.usage().output_tokens, recorded.usage().usage_source)
}

#[tokio::test]
async fn interim_responses_are_no_answer() {
    let mut line = Line::new().await;
    let script = Script::raw().write(format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{DOCUMENT}",
        DOCUMENT.len()
    ));
    let (status, head, body, recorded) = line.asked(script).await;
    assert_eq!((status, &*body), (200, DOCUMENT));
    assert!(!head.contains("link"), "{head}");
    assert_eq!(summary(&recorded), (Outcome::Completed, 9, "final"));
}

#[tokio::test]
async fn whatever_is_said_of_a_documents_type_it_is_read() {
    let mut line = Line::new().await;
    for script in [
        Script::whole(200, DOCUMENT),
        Script::text(200, DOCUMENT),
        Script::json(200, DOCUMENT).field("Content-Encoding", "identity"),
        Script::chunked(200).write(DOCUMENT),
    ] {
        let (_, _, body, recorded) = line.asked(script).await;
        assert_eq!(body, DOCUMENT);
        assert_eq!(summary(&recorded), (Outcome::Completed, 9, "final"));
    }
}

#[tokio::test]
async fn event_stream_is_known_in_any_case_and_with_parameters() {
    let mut line = Line::new().await;
    for kind in ["text/event-stream", "Text/Event-Stream;charset=UTF-8", "TEXT/EVENT-STREAM ; x=\"y\""] {
        let stream = |body: &str| Script::chunked(200).field("content-type", kind).write(body.to_owned());
        let (_, head, body, recorded) = line.asked(stream(STREAM)).await;
        assert!(head.contains(&kind.to_ascii_lowercase()), "{head}");
        assert_eq!(body, STREAM);
        assert_eq!(summary(&recorded), (Outcome::Completed, 9, "final"), "{kind}");
        let (_, _, body, recorded) = line.asked(stream(&STREAM[..STREAM.len() - 30])).await;
        assert!(body.contains("event: error\n"), "{body}");
        assert_eq!(summary(&recorded), (Outcome::Truncated, 9, "final"), "{kind}");
    }
    let identity = Script::sse().field("Content-Encoding", "identity").write(&STREAM.as_bytes()[..STREAM.len() - 30]);
    let (_, _, body, _) = line.asked(identity).await;
    assert!(body.contains("event: error\n"), "nothing keeps an event from being added: {body}");
}

#[tokio::test]
async fn provider_of_http_1_0_is_answered_for_in_1_1() {
    let mut line = Line::new().await;
    for (kind, reply) in [("application/json", DOCUMENT), ("text/event-stream", STREAM)] {
        let script = Script::raw().write(format!("HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n{reply}"));
        let (_, head, body, recorded) = line.asked(script).await;
        assert!(head.starts_with("http/1.1 200 ok\r\n") && head.contains("chunked"), "{head}");
        assert_eq!(body, reply);
        assert_eq!(summary(&recorded), (Outcome::Completed, 9, "final"));
    }
}

#[tokio::test]
async fn replies_without_a_body_pass() {
    let mut line = Line::new().await;
    let none = (Outcome::Completed, 0, "none");
    for (script, status, ends) in [
        (Script::raw().write("HTTP/1.1 204 No Content\r\n\r\n"), 204, none),
        (Script::whole(200, ""), 200, none),
        (Script::sse(), 200, (Outcome::Truncated, 0, "none")),
        (
            Script::whole(302, "").field("Location", "https://elsewhere.example/"),
            302,
            (Outcome::ProviderError, 0, "none"),
        ),
    ] {
        let (seen, head, body, recorded) = line.asked(script).await;
        assert_eq!(seen, status);
        assert_eq!(head.contains("location: https://elsewhere.example/"), status == 302, "redirects are the client's");
        assert_eq!(body.is_empty(), ends.0 != Outcome::Truncated, "{body}");
        assert_eq!(summary(&recorded), ends);
        assert!(recorded.end().ttfb.is_none());
        // What was cut off was raw; the next has a connection of its own.
        line.client = line.gateway.client().await;
    }
}

#[tokio::test]
async fn trailers_do_not_harm() {
    let mut line = Line::new().await;
    let script = Script::raw().write(format!(
        "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{DOCUMENT}\r\n0\r\nX-T: 1\r\n\r\n",
        DOCUMENT.len()
    ));
    let (_, head, body, recorded) = line.asked(script).await;
    assert_eq!(body, DOCUMENT);
    assert!(!head.contains("trailer"), "{head}");
    assert_eq!(summary(&recorded), (Outcome::Completed, 9, "final"));
}

#[tokio::test]
async fn answer_that_does_not_wait_for_the_body_passes() {
    const ERROR: &str = r#"{"type":"error","error":{"type":"request_too_large","message":"big"}}"#;
    for stays in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let provider = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 1000]).await.unwrap();
            let head = format!("HTTP/1.1 413 Payload Too Large\r\nContent-Length: {}\r\n\r\n{ERROR}", ERROR.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            if stays {
                std::future::pending::<()>().await;
            }
        });
        let gateway = Gateway::start(&url).await;
        let mut client = gateway.client().await;
        // More than the buffers between take.
        let ask = ASK.replace("Hi", &"Hi".repeat(10 << 20));
        client.post(&messages(), &[BEARER], ask).await.unwrap();
        let (head, body) = client.response().await.unwrap();
        assert_eq!((head.status(), &body[..]), (413, ERROR.as_bytes()));
        let recorded = gateway.records.take().await;
        assert_eq!(recorded.end().error_type.as_deref(), Some("request_too_large"));
        provider.abort();
    }
}
