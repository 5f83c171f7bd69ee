//! Replies of a provider, and the layer in front of it.

use std::io;

use aibridge_providers::api::Api;
use bytes::Bytes;
use http::{Request, Response, response::Builder};
use tower::ServiceExt;
use tower_layer::Layer;

use super::{RecordLayer, ResponseBody};
use crate::{
    body,
    parse::AiBody,
    testing::{Polled, Script, Step, Told, once, parsed},
};

pub(super) const ASK: &str = r#"{"model":"claude","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
pub(super) const START: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3,"output_tokens":1}}}"#,
    "\n\n",
);
pub(super) const DELTA: &str = concat!(
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"brick"}}"#,
    "\n\n",
);
pub(super) const STOP: &str = concat!(
    "event: message_delta\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
    "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
pub(super) const OVERLOADED: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
pub(super) const DOCUMENT: &str = r#"{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"a"}],"usage":{"input_tokens":3,"output_tokens":9}}"#;

pub(super) type Reply = Response<body::ResponseBody<ResponseBody<Script<io::Error>>>>;

/// The head of an event stream.
pub(super) fn stream() -> Builder {
    Response::builder().header("content-type", "text/event-stream; charset=utf-8")
}

/// The head of a JSON document.
pub(super) fn document() -> Builder {
    Response::builder().header("content-type", "application/json")
}

pub(super) fn steps(texts: &[&'static str]) -> Vec<Step<io::Error>> {
    texts.iter().map(|text| Step::data(text)).collect()
}

pub(super) fn broken() -> Step<io::Error> {
    Step::Fail(io::Error::from(io::ErrorKind::ConnectionReset))
}

/// What comes of `request` when the provider answers it with `head` and `script`.
pub(super) async fn answer(
    layer: RecordLayer,
    request: Request<AiBody>,
    head: Builder,
    script: Script<io::Error>,
) -> Reply {
    layer.layer(once(Ok::<_, io::Error>(head.body(script).unwrap()))).oneshot(request).await.unwrap()
}

/// The same for [`ASK`], recorded by `told`; without the head, whose extensions hold the interception.
pub(super) async fn body(
    told: &Told,
    head: Builder,
    script: Script<io::Error>,
) -> body::ResponseBody<ResponseBody<Script<io::Error>>> {
    answer(RecordLayer::new(told.clone()), parsed(Api::Messages, ASK), head, script).await.into_body()
}

/// The bytes of `frame`.
pub(super) fn data<E: std::fmt::Debug>(frame: Polled<Bytes, E>) -> Option<Bytes> {
    match frame {
        std::task::Poll::Ready(Some(frame)) => Some(frame.unwrap().into_data().unwrap()),
        std::task::Poll::Ready(None) => None,
        std::task::Poll::Pending => panic!("not ready"),
    }
}
