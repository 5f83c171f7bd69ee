//! A server of protocol revision 2024-11-05: an event stream, and a URL to post to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use url::Url;

use super::{bearer, in_time, serve};

/// A server, byte by byte, of one tool, `echo`, that wants the token `sesame`.
#[derive(Clone)]
pub struct SseFake {
    pub url: Url,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// What the event stream says the endpoint is, before the session's id.
    endpoint: Mutex<String>,
    streams: Mutex<HashMap<String, mpsc::UnboundedSender<Vec<u8>>>>,
    opened: watch::Sender<usize>,
    events: watch::Sender<Vec<String>>,
}

impl SseFake {
    pub async fn start() -> SseFake {
        let inner = Arc::new(Inner { endpoint: Mutex::new("/messages?session=".into()), ..Inner::default() });
        let app =
            Router::new().route("/sse", get(stream_of)).route("/messages", post(message)).with_state(inner.clone());
        SseFake { url: serve(app).await.join("sse").unwrap(), inner }
    }

    pub fn say_endpoint(&self, endpoint: &str) {
        *self.inner.endpoint.lock().unwrap() = endpoint.to_owned();
    }

    /// Ends all event streams, and forgets their sessions.
    pub fn restart(&self) {
        self.inner.streams.lock().unwrap().clear();
    }

    /// Forgets the sessions, and leaves clients to find out.
    pub fn forget_sessions(&self) {
        let mut streams = self.inner.streams.lock().unwrap();
        let forgotten: Vec<_> =
            streams.drain().enumerate().map(|(n, (_, stream))| (format!("old{n}"), stream)).collect();
        streams.extend(forgotten);
    }

    pub fn opened(&self) -> usize {
        *self.inner.opened.borrow()
    }

    pub async fn happens(&self, event: &str) {
        let mut events = self.inner.events.subscribe();
        in_time(event, events.wait_for(|events| events.iter().any(|it| it == event))).await.unwrap();
    }
}

async fn stream_of(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    if bearer(&headers).as_deref() != Some("sesame") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut session = 0;
    inner.opened.send_modify(|opened| {
        *opened += 1;
        session = *opened;
    });
    let endpoint = inner.endpoint.lock().unwrap().clone();
    sender.send(format!(": hello\n\nevent: endpoint\ndata: {endpoint}{session}\n\n").into_bytes()).unwrap();
    inner.streams.lock().unwrap().insert(session.to_string(), sender);
    let gone = Gone(inner);
    let events = stream::unfold((receiver, gone), async |(mut receiver, gone)| {
        Some((Ok::<_, std::io::Error>(receiver.recv().await?), (receiver, gone)))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

struct Gone(Arc<Inner>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.events.send_modify(|events| events.push("stream closed".into()));
    }
}

async fn message(
    State(inner): State<Arc<Inner>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    Json(message): Json<Value>,
) -> Response {
    if bearer(&headers).as_deref() != Some("sesame") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(stream) = inner.streams.lock().unwrap().get(&query["session"]).cloned() else {
        return (StatusCode::NOT_FOUND, "no such session").into_response();
    };
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": "2024-11-05",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "old", "version": "1"},
        }),
        "tools/list" => json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}),
        "tools/call" if message["params"]["name"] == "hang" => {
            inner.events.send_modify(|events| events.push("hanging".into()));
            return (StatusCode::ACCEPTED, "Accepted").into_response();
        }
        "tools/call" => json!({"content": [{"type": "text", "text": message["params"]["arguments"].to_string()}]}),
        other => {
            inner.events.send_modify(|events| events.push(other.to_owned()));
            return (StatusCode::ACCEPTED, "Accepted").into_response();
        }
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
    for byte in format!("event: message\r\ndata: {answer}\r\n\r\n").into_bytes() {
        let _ = stream.send(vec![byte]);
    }
    (StatusCode::ACCEPTED, "Accepted").into_response()
}
