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

use crate::external_auth::ExternalAuth;

/// What `/readyz` looks at.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) store: Sqlite,
    pub(crate) registry: Arc<Registry>,
}

/// What the host's own routes need.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) health: Health,
    /// The pages where users link applications, if there are any.
    pub(crate) external_auth: Option<Arc<ExternalAuth>>,
}

/// `/healthz`, `/readyz` and `/external-auth`, and 404 for everything else.
pub(super) fn routes(host: Host) -> Router {
    let pages = host.external_auth.map(ExternalAuth::routes).unwrap_or_default();
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(host.health)
        .merge(pages)
        .fallback(not_found)
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
