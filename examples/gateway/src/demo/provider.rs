//! A provider on loopback that speaks all three APIs.

use std::{convert::Infallible, net::Ipv4Addr, net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    KEY,
    replies::{self, Reply},
};

/// Between the words of a stream, as a model would take its time.
const PACE: Duration = Duration::from_millis(30);

pub(super) async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .route("/v1/messages", post(|headers, body| answer(headers, body, replies::messages)))
        .route("/v1/chat/completions", post(|headers, body| answer(headers, body, replies::chat)))
        .route("/v1/responses", post(|headers, body| answer(headers, body, replies::responses)))
        .route("/v1/models", get(models));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the demo's provider stopped");
        }
    });
    Ok(address)
}

async fn answer(headers: HeaderMap, body: Bytes, reply: fn(&Value) -> Reply) -> Response {
    if !authorized(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": {"message": "wrong key"}}))).into_response();
    }
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reply = reply(&request);
    if request["stream"] != Value::Bool(true) {
        return Json(reply.whole).into_response();
    }
    let events = stream::iter(reply.events).then(|event| async move {
        tokio::time::sleep(PACE).await;
        Ok::<_, Infallible>(event)
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

async fn models(headers: HeaderMap) -> Response {
    match authorized(&headers) {
        true => Json(json!({"object": "list", "data": [
            {"id": "claude-demo", "object": "model", "type": "model", "display_name": "Claude Demo"},
            {"id": "gpt-demo", "object": "model", "type": "model", "display_name": "GPT Demo"},
        ]}))
        .into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Only the gateway knows the key.
fn authorized(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("x-api-key") == Some(KEY) || text("authorization").and_then(|it| it.strip_prefix("Bearer ")) == Some(KEY)
}
