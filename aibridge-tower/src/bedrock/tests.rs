use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_providers::{
    api::{Api, Facts, Refusal},
    bedrock::{KeyPair, NativeCall, Protocol, Settings, exception_frame},
    client,
    json::Document,
    provider::{BaseUrl, Endpoint, Instance, Kind, Secret},
};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue as Value, Message};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use super::{BedrockLayer, Credentials, ProxiedLayer};
use crate::{
    Byok, Credential, ProviderRoute,
    context::{Added, Signed},
    parse::AiBody,
    passthrough::RequestBody,
    record::RecordLayer,
    testing::{Script, Step, Told, bytes, instance, json, parsed},
};

pub(super) const ASK: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":9,"stream":true,"messages":[]}"#;

fn settings(protocol: Protocol) -> Settings {
    let pair = |id: &str| KeyPair { id: Secret::new(id), secret: Secret::new("secret") };
    Settings {
        protocol,
        region: "us-east-1".to_owned(),
        model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0".to_owned(),
        small_fast_model: "small".to_owned(),
        credentials: vec![pair("AKIA0"), pair("AKIA1")],
        role_arn: None,
        external_id: None,
    }
}

fn route(protocol: Protocol) -> ProviderRoute {
    let base = BaseUrl::parse("https://bedrock.example:8443/proxy").unwrap();
    let instance = Instance::builder(Kind::Bedrock, base).bedrock(settings(protocol)).build();
    ProviderRoute::new(Arc::new(instance), Endpoint::Intercepted(Api::Messages), "/v1/messages")
}

/// A request as it leaves Keys.
pub(super) fn asking(route: ProviderRoute, json: &str) -> Request<AiBody> {
    let mut request = parsed(Api::Messages, json);
    request.extensions_mut().insert(route);
    request
}

/// What a service below is sent, and what it answers.
#[derive(Clone)]
struct Below {
    sent: Arc<Mutex<Option<(Parts, Bytes)>>>,
    answer: Arc<Mutex<Option<Response<Script<io::Error>>>>>,
}

impl Below {
    fn answering(answer: Response<Script<io::Error>>) -> Below {
        Below { sent: Arc::default(), answer: Arc::new(Mutex::new(Some(answer))) }
    }

    fn service(
        &self,
    ) -> impl Service<Request<AiBody>, Response = Response<Script<io::Error>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + use<> {
        let Below { sent, answer } = self.clone();
        service_fn(move |request: Request<AiBody>| {
            let (head, body) = request.into_parts();
            *sent.lock().unwrap() = Some((head, body.bytes().clone()));
            let answer = answer.lock().unwrap().take().expect("called once");
            async move { Ok(answer) }
        })
    }

    fn sent(&self) -> (Parts, Bytes) {
        self.sent.lock().unwrap().take().expect("a request")
    }
}

fn layer() -> BedrockLayer {
    BedrockLayer::new(Credentials::new())
}

fn ok() -> Response<Script<io::Error>> {
    Response::new(Script::new([Step::data("{}")]))
}

async fn sent(request: Request<AiBody>) -> (Parts, Bytes) {
    let below = Below::answering(ok());
    let response = layer().layer(below.service()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    below.sent()
}

pub(super) fn frame(event: &str) -> Bytes {
    let header = |name: &'static str, value: &'static str| Header::new(name, Value::String(value.into()));
    let message = Message::new(format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(event)))
        .add_header(header(":event-type", "chunk"))
        .add_header(header(":message-type", "event"));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes.into()
}

pub(super) const EVENTS: [&str; 3] = [
    r#"{"type":"message_start","message":{"id":"msg_bdrk_1","usage":{"input_tokens":3}}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"brick"}}"#,
    r#"{"type":"message_stop"}"#,
];

pub(super) fn framed(steps: impl IntoIterator<Item = Step<io::Error>>) -> Response<Script<io::Error>> {
    Response::builder()
        .header("content-type", "application/vnd.amazon.eventstream")
        .header("content-length", "7")
        .header("x-amzn-requestid", "amzn-1")
        .body(Script::new(steps))
        .unwrap()
}

async fn answered(answer: Response<Script<io::Error>>) -> (http::response::Parts, Result<Bytes, io::Error>) {
    let below = Below::answering(answer);
    let response = layer().layer(below.service()).oneshot(asking(route(Protocol::InvokeModel), ASK)).await.unwrap();
    let (head, body) = response.into_parts();
    (head, body.collect().await.map(|body| body.to_bytes()))
}

#[tokio::test]
async fn requests_to_other_kinds_are_not_touched() {
    let mut request = parsed(Api::Messages, ASK);
    request.headers_mut().insert("x-amz-date", HeaderValue::from_static("kept"));
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let (head, body) = sent(request).await;
    assert_eq!((head.uri, head.headers, &*body), (uri, headers, ASK.as_bytes()));
    assert!(head.extensions.get::<Signed>().is_none());
    let (head, _) = answered_untouched().await;
    assert_eq!(head.headers["content-type"], "application/vnd.amazon.eventstream");
}

async fn answered_untouched() -> (http::response::Parts, Bytes) {
    let below = Below::answering(framed([Step::data("as it is")]));
    let (head, body) = layer().layer(below.service()).oneshot(parsed(Api::Messages, ASK)).await.unwrap().into_parts();
    (head, bytes(body).await)
}

#[tokio::test]
async fn a_request_without_a_route_passes_for_upstream_to_say_what_is_missing() {
    let mut request = parsed(Api::Messages, ASK);
    request.extensions_mut().remove::<ProviderRoute>();
    sent(request).await;
}

#[tokio::test]
async fn an_instance_without_settings_is_a_fault_of_the_wiring() {
    let route = ProviderRoute::new(Arc::new(instance(Kind::Bedrock)), Endpoint::Intercepted(Api::Messages), "/");
    let below = Below::answering(ok());
    let response = layer().layer(below.service()).oneshot(asking(route, ASK)).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.extensions().get::<Refusal>().is_some());
}

#[tokio::test]
async fn the_host_is_signed_as_the_client_will_write_it_and_the_prefix_stays() {
    let (head, body) = sent(asking(route(Protocol::InvokeModel), ASK)).await;
    let path = "/proxy/model/global.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream";
    assert_eq!(head.uri.to_string(), format!("https://bedrock.example:8443{path}"));
    assert_eq!(head.headers["accept"], "application/vnd.amazon.eventstream");
    assert!(!String::from_utf8_lossy(&body).contains("stream"));
    let authorization = &head.headers["authorization"];
    assert!(authorization.is_sensitive());
    let text = authorization.to_str().unwrap();
    assert!(text.starts_with("AWS4-HMAC-SHA256 Credential=AKIA0/") && text.contains("/us-east-1/bedrock/aws4_request"));
    assert!(head.extensions.get::<Signed>().is_some());
}

#[tokio::test]
async fn keys_say_which_credential_signs() {
    let mut request = asking(route(Protocol::Mantle), ASK);
    request.extensions_mut().insert(Credential::new(1, "AKIA...1"));
    let (head, body) = sent(request).await;
    let text = head.headers["authorization"].to_str().unwrap();
    assert!(text.contains("Credential=AKIA1/") && text.contains("/us-east-1/bedrock-mantle/aws4_request"));
    assert_eq!(&*body, ASK.as_bytes());
}

#[tokio::test]
async fn what_the_gateway_adds_is_there_before_the_signature_and_once() {
    let mut request = asking(route(Protocol::Mantle), ASK);
    let actor = [(http::HeaderName::from_static("x-actor"), HeaderValue::from_static("ali"))];
    request.extensions_mut().insert(Added(actor.into()));
    request.headers_mut().insert("x-actor", HeaderValue::from_static("forged"));
    request.headers_mut().insert("x-amz-target", HeaderValue::from_static("forged"));
    request.headers_mut().insert("cookie", HeaderValue::from_static("a=b"));
    request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
    let (head, _) = sent(request).await;
    assert_eq!(head.headers.get("cookie"), None);
    assert_eq!(head.headers.get("x-forwarded-for"), None);
    assert_eq!(head.headers.get("x-amz-target"), None, "what is spelt like AWS's own goes");
    assert_eq!(head.headers.get_all("x-actor").iter().collect::<Vec<_>>(), ["ali"]);
    let again = crate::context::final_headers(head.headers.clone(), &head.extensions);
    assert_eq!(again, head.headers, "Upstream leaves signed headers alone");
}

#[tokio::test]
async fn a_users_own_credential_is_left_alone_and_nothing_is_signed() {
    let mut request = asking(route(Protocol::InvokeModel), ASK);
    request.extensions_mut().insert(Byok::new("bedr...cdef"));
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer own"));
    let (head, _) = sent(request).await;
    assert_eq!(
        (&head.headers["authorization"], head.headers.get("x-amz-date")),
        (&HeaderValue::from_static("Bearer own"), None)
    );
}

#[tokio::test]
async fn a_native_call_goes_and_comes_back_as_it_is() {
    let call = NativeCall::new("anthropic.claude-opus-4-6-v1:0", true);
    let request = || {
        let mut request = asking(route(Protocol::InvokeModel).native(call.clone()), r#"{"messages": [], "x":1}"#);
        *request.uri_mut() = format!("https://bedrock.example{}?a=b", call.path()).parse().unwrap();
        request.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
        request.headers_mut().insert("x-amzn-bedrock-trace", HeaderValue::from_static("ENABLED"));
        request.headers_mut().insert("authorization", HeaderValue::from_static("AWS4-HMAC-SHA256 the client's"));
        request
    };
    let below = Below::answering(framed([Step::data("no frames at all")]));
    let response = layer().layer(below.service()).oneshot(request()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
    assert_eq!(response.headers().get("request-id"), None);
    assert_eq!(bytes(response.into_body()).await, "no frames at all");
    let (head, body) = below.sent();
    assert_eq!((head.uri.query(), &*body), (Some("a=b"), &br#"{"messages": [], "x":1}"#[..]));
    assert_eq!(head.headers["accept-encoding"], "gzip");
    let authorization = head.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amzn-bedrock-trace"), "{authorization}");
}

#[tokio::test]
async fn split_anywhere_frames_become_the_same_events() {
    let expected: String = EVENTS
        .iter()
        .map(|event| {
            let name = Document::parse(Bytes::copy_from_slice(event.as_bytes())).unwrap();
            let name = name.get("type").unwrap().as_str().unwrap().into_owned();
            format!("event: {name}\ndata: {event}\n\n")
        })
        .collect();
    let all: Bytes = EVENTS.map(frame).concat().into();
    for at in 0..=all.len() {
        let steps = [all.slice(..at), all.slice(at..)].map(Step::Data);
        let (head, body) = answered(framed(steps)).await;
        assert_eq!(body.unwrap(), expected, "split at {at}");
        assert_eq!(head.headers["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(
            (head.headers.get("content-length"), &head.headers["request-id"]),
            (None, &HeaderValue::from_static("amzn-1"))
        );
    }
    let bytewise = all.chunks(1).map(|byte| Step::Data(Bytes::copy_from_slice(byte)));
    assert_eq!(answered(framed(bytewise)).await.1.unwrap(), expected);
}

#[tokio::test]
async fn behind_an_exception_or_damage_nothing_is_read_from_the_provider() {
    let mut damaged = frame(EVENTS[1]).to_vec();
    damaged[30] ^= 1;
    for last in [exception_frame("throttlingException", "slow down"), damaged.into()] {
        let steps = [Step::Data(frame(EVENTS[0])), Step::Data(last), Step::Hang];
        let (_, body) = tokio::time::timeout(Duration::from_secs(5), answered(framed(steps))).await.unwrap();
        let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
        assert_eq!(text.matches("event: ").count(), 2, "{text}");
        assert!(text.contains("event: error\ndata: {\"type\":\"error\""), "{text}");
    }
}

#[tokio::test]
async fn a_body_that_fails_fails_behind_the_events_that_were_whole() {
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    let below = Below::answering(framed([Step::Data(frame(EVENTS[0])), Step::Trailers, Step::Fail(broken())]));
    let request = asking(route(Protocol::InvokeModel), ASK);
    let mut body = layer().layer(below.service()).oneshot(request).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"event: message_start"));
    assert_eq!(body.frame().await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_error_is_told_in_anthropics_form_whatever_its_body_does() {
    let error = |steps: Vec<Step<io::Error>>| {
        Response::builder()
            .status(429)
            .header("x-amzn-errortype", "ThrottlingException")
            .header("content-length", "7")
            .body(Script::new(steps))
            .unwrap()
    };
    let broken = Step::Fail(io::Error::from(io::ErrorKind::ConnectionReset));
    let large = Step::Data(Bytes::from(vec![b'x'; 300_000]));
    for steps in [vec![Step::data(r#"{"message":"slow"}"#)], vec![], vec![broken], vec![large]] {
        let (head, body) = answered(error(steps)).await;
        assert_eq!((head.status, head.headers.get("content-length")), (StatusCode::TOO_MANY_REQUESTS, None));
        let body: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!((&body["type"], &body["error"]["type"]), (&"error".into(), &"rate_limit_error".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_errors_body_is_not_waited_for_for_ever() {
    let answer = Response::builder().status(503).body(Script::new([Step::Hang])).unwrap();
    let (head, body) = answered(answer).await;
    assert_eq!(head.status, 503);
    assert!(String::from_utf8_lossy(&body.unwrap()).contains("overloaded_error"));
}

#[tokio::test]
async fn a_compressed_request_is_translated_and_goes_plain() {
    let document = Document::parse(Bytes::from_static(ASK.as_bytes())).unwrap();
    let facts = Facts::read(Api::Messages, &document);
    let caller = client::detect(&HeaderMap::new(), None);
    let body = AiBody::new(Api::Messages, Bytes::from_static(b"compressed"), document, facts, caller);
    let mut request = asking(route(Protocol::InvokeModel), ASK).map(|_| body);
    request.headers_mut().insert("content-encoding", HeaderValue::from_static("zstd"));
    let (head, body) = sent(request).await;
    assert_eq!(head.headers.get("content-encoding"), None);
    assert!(body.starts_with(b"{") && String::from_utf8_lossy(&body).contains("anthropic_version"));
}

/// What the client gets of these pieces of a native stream, recorded, and what the recorder is told.
async fn native(pieces: Vec<Step<io::Error>>) -> (Result<Bytes, crate::BoxError>, Vec<String>) {
    let told = Told::default();
    let call = NativeCall::new("anthropic.claude-opus-4-6-v1:0", true);
    let below = Below::answering(framed(pieces));
    let service = RecordLayer::new(told.clone()).layer(layer().layer(below.service()));
    let request = asking(route(Protocol::InvokeModel).native(call), r#"{"messages": []}"#);
    let response = service.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.map(|body| body.to_bytes());
    (body, told.calls())
}

#[tokio::test]
async fn split_anywhere_native_frames_pass_as_they_are_and_are_recorded() {
    let all: Bytes = EVENTS.map(frame).concat().into();
    for at in 0..=all.len() {
        let (body, told) = native([all.slice(..at), all.slice(at..)].map(Step::Data).into()).await;
        assert_eq!(body.unwrap(), all, "split at {at}");
        assert_eq!(told[1], "tokens 3+0 cache 0/0 final msg_bdrk_1", "split at {at}: {told:?}");
        assert_eq!(told.last().unwrap(), &format!("end completed 200 {}B -", all.len()), "split at {at}");
    }
}

#[tokio::test]
async fn cut_anywhere_a_native_stream_ends_with_an_exception_behind_its_last_whole_frame() {
    let frames = EVENTS.map(frame);
    let all: Bytes = frames[..2].concat().into();
    let message = "aibridge: the provider's answer broke off before its end; try again";
    let exception = exception_frame("modelStreamErrorException", message);
    for at in 0..all.len() {
        let whole = if at < frames[0].len() { 0 } else { frames[0].len() };
        let (body, told) = native(vec![Step::Data(all.slice(..at))]).await;
        assert_eq!(body.unwrap(), [&all[..whole], &exception].concat(), "cut at {at}");
        assert!(told.last().unwrap().starts_with("end truncated 200"), "{told:?}");
    }
}

#[tokio::test]
async fn a_native_frame_that_passes_in_pieces_and_breaks_off_is_a_reset() {
    let long = frame(&format!(r#"{{"type":"content_block_delta","delta":{{"text":"{}"}}}}"#, "a".repeat(200_000)));
    let pieces = long.slice(..150_000);
    let steps = pieces.chunks(50_000).map(|piece| Step::Data(Bytes::copy_from_slice(piece))).collect();
    let (body, told) = native(steps).await;
    assert!(body.is_err(), "nothing can be added to half a frame");
    assert!(told.last().unwrap().starts_with("end truncated 200"), "{told:?}");
}

/// A request that is only proxied.
fn proxied(protocol: Protocol, body: &'static str) -> Request<RequestBody<Full<Bytes>>> {
    let mut route = route(protocol);
    (route.endpoint, route.pattern) = (Endpoint::Passthrough, "/v1/models/*");
    Request::get("https://bedrock.example/v1/models/m?a=b")
        .extension(route)
        .body(RequestBody::new(Full::from(body)))
        .unwrap()
}

async fn forward(request: Request<RequestBody<Full<Bytes>>>, limit: usize) -> Result<(Parts, Bytes), Response<()>> {
    let echo = service_fn(|request: Request<RequestBody<Full<Bytes>>>| async move {
        let (head, body) = request.into_parts();
        let mut response = Response::new(Full::<Bytes>::default());
        let body = body.collect().await.unwrap().to_bytes();
        response.extensions_mut().insert((head.method, head.uri, head.headers, body));
        Ok::<_, Infallible>(response)
    });
    let layer = ProxiedLayer::new(Credentials::new()).max_bytes(limit);
    let mut response = layer.layer(echo).oneshot(request).await.unwrap();
    type Echo = (http::Method, http::Uri, HeaderMap, Bytes);
    match response.extensions_mut().remove::<Echo>() {
        Some((method, uri, headers, body)) => {
            let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
            *request.headers_mut() = headers;
            Ok((request.into_parts().0, body))
        }
        None => {
            let (head, body) = response.into_parts();
            assert!(json(body).await["error"]["message"].is_string());
            Err(Response::from_parts(head, ()))
        }
    }
}

#[tokio::test]
async fn of_proxied_requests_mantles_are_signed_and_invoke_models_refused() {
    let (head, body) = forward(proxied(Protocol::Mantle, "counted"), 64).await.unwrap();
    assert!(head.headers["authorization"].to_str().unwrap().contains("/bedrock-mantle/"));
    assert_eq!((head.uri.query(), &*body), (Some("a=b"), &b"counted"[..]));
    let refused = forward(proxied(Protocol::InvokeModel, ""), 64).await.unwrap_err();
    assert_eq!(refused.status(), 404);
    let refused = forward(proxied(Protocol::Mantle, "counted"), 6).await.unwrap_err();
    assert_eq!(refused.status(), 413);
}

#[tokio::test]
async fn proxied_requests_of_other_kinds_and_with_a_users_own_credential_pass_as_they_are() {
    let mut other = proxied(Protocol::Mantle, "any length of body");
    let anthropic = ProviderRoute::new(Arc::new(instance(Kind::Anthropic)), Endpoint::Passthrough, "/v1/models/*");
    other.extensions_mut().insert(anthropic);
    let (head, body) = forward(other, 1).await.unwrap();
    assert_eq!((head.headers.len(), &*body), (0, &b"any length of body"[..]));
    let mut own = proxied(Protocol::Mantle, "any length of body");
    own.extensions_mut().insert(Byok::new("own"));
    own.headers_mut().insert("x-api-key", HeaderValue::from_static("own"));
    let (head, _) = forward(own, 1).await.unwrap();
    assert_eq!((head.headers.len(), &head.headers["x-api-key"]), (1, &HeaderValue::from_static("own")));
}
