use std::sync::Arc;

use aibridge_providers::provider::Registry;
use aibridge_store::sqlite::Sqlite;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

/// What `/readyz` looks at.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) store: Sqlite,
    pub(crate) registry: Arc<Registry>,
}

/// `/healthz` and `/readyz`, and 404 for everything else.
pub(super) fn routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .fallback(not_found)
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    let mut reasons = Vec::new();
    if !health.store.ready() {
        reasons.push("the record store cannot be written");
    }
    if health.registry.all().is_empty() {
        reasons.push("no provider is configured");
    }
    match reasons.is_empty() {
        true => "ok".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "reasons": reasons }))).into_response(),
    }
}

async fn not_found(request: axum::extract::Request) -> Response {
    let message = format!("route not supported: {} {}", request.method(), request.uri().path());
    (StatusCode::NOT_FOUND, Json(json!({ "message": message }))).into_response()
}
