//! An OAuth2 provider that insists on its rules.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, Uri};
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use url::{Url, form_urlencoded};

pub(super) const CLIENT_ID: &str = "the client";
pub(super) const CLIENT_SECRET: &str = "s3cret:/+&";
/// The user of the Coder deployment.
pub(super) const ADA: uuid::Uuid = uuid::uuid!("497f6eca-6276-4993-bfeb-53cbbbba6f08");
/// `{CLIENT_ID}:{CLIENT_SECRET}`, each encoded as RFC 6749, section 2.3.1, says.
const BASIC: &str = "Basic dGhlK2NsaWVudDpzM2NyZXQlM0ElMkYlMkIlMjY=";

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Behaviour {
    /// As it should.
    #[default]
    Good,
    /// To every grant with this error and status 400.
    Refusing(&'static str),
    /// To every grant with this error and status 200, as GitHub does.
    RefusingAs200(&'static str),
    /// To every grant with 503 and no JSON.
    Down,
    /// With forms in place of JSON, and with 201.
    Forms,
}

#[derive(Default)]
struct Inner {
    behaviour: Behaviour,
    /// Takes the secret in the body only.
    only_body: bool,
    /// `expires_in` of the tokens it issues.
    expires_in: Option<u64>,
    /// Issues refresh tokens.
    refreshing: bool,
    codes: HashMap<String, HashMap<String, String>>,
    refresh: HashSet<String>,
    access: HashSet<String>,
    issued: u32,
    grants: Vec<String>,
    revoked: Vec<(String, String)>,
    authorizations: Vec<String>,
    /// The methods its MCP server was asked for.
    methods: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Provider {
    origin: Url,
    inner: Arc<Mutex<Inner>>,
    /// While it is shut, grants wait.
    gate: watch::Sender<bool>,
    /// How many grants were asked for.
    asked: watch::Sender<usize>,
    /// How many tokens were given back.
    returned: watch::Sender<usize>,
}

impl Provider {
    /// One whose tokens live an hour and can be refreshed.
    pub(super) async fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let origin = Url::parse(&format!("http://{}", listener.local_addr().expect("bound"))).expect("a URL");
        let inner = Inner { expires_in: Some(3600), refreshing: true, ..Inner::default() };
        let provider = Provider {
            origin,
            inner: Arc::new(Mutex::new(inner)),
            gate: watch::Sender::new(true),
            asked: watch::Sender::new(0),
            returned: watch::Sender::new(0),
        };
        let routes = Router::new()
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/validate", get(validate))
            .route(
                "/validate/{status}",
                get(async |Path(status): Path<u16>| StatusCode::from_u16(status).expect("one")),
            )
            .route("/api/v2/users/me", get(me))
            .route("/api/experimental/mcp/http", post(mcp))
            .route("/mcp", post(mcp).delete(|| async { StatusCode::OK }))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    pub(super) fn url(&self, path: &str) -> Url {
        self.origin.join(path).expect("a path")
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.with(|inner| inner.behaviour = behaviour);
    }

    pub(super) fn only_body(&self) {
        self.with(|inner| inner.only_body = true);
    }

    /// What the next tokens are like.
    pub(super) fn issue(&self, expires_in: Option<u64>, refreshing: bool) {
        self.with(|inner| (inner.expires_in, inner.refreshing) = (expires_in, refreshing));
    }

    /// Makes all access tokens so far worthless.
    pub(super) fn forget_access(&self) {
        self.with(|inner| inner.access.clear());
    }

    pub(super) fn shut(&self) {
        self.gate.send_replace(false);
    }

    pub(super) fn open(&self) {
        self.gate.send_replace(true);
    }

    /// Waits until so many grants were asked for.
    pub(super) async fn asked(&self, count: usize) {
        self.asked.subscribe().wait_for(|asked| *asked >= count).await.expect("it lives");
    }

    /// Waits until so many tokens were given back.
    pub(super) async fn returned(&self, count: usize) {
        self.returned.subscribe().wait_for(|returned| *returned >= count).await.expect("it lives");
    }

    /// The `grant_type` of each grant that was asked for.
    pub(super) fn grants(&self) -> Vec<String> {
        self.with(|inner| inner.grants.clone())
    }

    /// `token` and `token_type_hint` of what was given back.
    pub(super) fn revoked(&self) -> Vec<(String, String)> {
        self.with(|inner| inner.revoked.clone())
    }

    /// The queries users came with.
    pub(super) fn authorizations(&self) -> Vec<String> {
        self.with(|inner| inner.authorizations.clone())
    }

    /// The methods its MCP server was asked for, by whoever.
    pub(super) fn methods(&self) -> Vec<String> {
        self.with(|inner| inner.methods.clone())
    }

    /// Whether it accepts this access token.
    pub(super) fn accepts(&self, access: &str) -> bool {
        self.with(|inner| inner.access.contains(access))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().expect("not poisoned"))
    }
}

/// The user says yes at once.
async fn authorize(
    State(provider): State<Provider>,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let has = |name: &str, value: &str| assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    has("response_type", "code");
    has("client_id", CLIENT_ID);
    has("code_challenge_method", "S256");
    has("scope", "read write:all");
    has("audience", "tools");
    has("resource", "r");
    let state = &query["state"];
    assert!(state.len() >= 22 && query["code_challenge"].len() == 43);
    let code = provider.with(|inner| {
        inner.authorizations.push(uri.query().unwrap_or_default().to_owned());
        inner.issued += 1;
        let code = format!("code-{}", inner.issued);
        inner.codes.insert(code.clone(), query.clone());
        code
    });
    let mut back = Url::parse(&query["redirect_uri"]).expect("a URL");
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", state);
    (StatusCode::FOUND, [("location", back.to_string())]).into_response()
}

fn error(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Json(json!({"error": code, "error_description": "canary"}))).into_response()
}

fn form(body: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

async fn token(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> Response {
    let form = form(&body);
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (basic, secret) = (headers.get("authorization"), field("client_secret"));
    let known = match provider.with(|inner| inner.only_body) {
        true => field("client_id") == CLIENT_ID && secret == CLIENT_SECRET && basic.is_none(),
        false => basic.is_some_and(|basic| basic == BASIC) && secret.is_empty(),
    };
    if !known {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    provider.with(|inner| inner.grants.push(field("grant_type")));
    provider.asked.send_modify(|asked| *asked += 1);
    provider.gate.subscribe().wait_for(|open| *open).await.expect("it lives");
    match provider.with(|inner| inner.behaviour) {
        Behaviour::Good | Behaviour::Forms => {}
        Behaviour::Refusing(code) => return error(400, code),
        Behaviour::RefusingAs200(code) => return error(200, code),
        Behaviour::Down => return (StatusCode::SERVICE_UNAVAILABLE, "<html>canary").into_response(),
    }
    assert_eq!(field("resource"), "r");
    let granted = match field("grant_type").as_str() {
        "authorization_code" => provider.with(|inner| {
            // Once, from where the user was sent back to, and by who began.
            inner.codes.remove(&field("code")).is_some_and(|asked| {
                let challenge =
                    PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(field("code_verifier")));
                asked["code_challenge"] == challenge.as_str() && asked["redirect_uri"] == field("redirect_uri")
            })
        }),
        "refresh_token" => provider.with(|inner| inner.refresh.remove(&field("refresh_token"))),
        other => panic!("{other}"),
    };
    let forms = provider.with(|inner| inner.behaviour) == Behaviour::Forms;
    if !granted {
        return error(400, "invalid_grant");
    }
    let tokens = provider.with(|inner| {
        inner.issued += 1;
        let (access, refresh) = (format!("access-{}", inner.issued), format!("refresh-{}", inner.issued));
        let mut tokens = json!({"access_token": access, "token_type": "Bearer", "scope": "read"});
        if let Some(seconds) = inner.expires_in {
            tokens["expires_in"] = seconds.into();
        }
        inner.access.insert(access);
        if inner.refreshing {
            tokens["refresh_token"] = refresh.as_str().into();
            inner.refresh.insert(refresh);
        }
        tokens
    });
    if forms {
        let fields = tokens.as_object().expect("an object").iter();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.map(|(name, value)| (name, text(value))))
            .finish();
        return (StatusCode::CREATED, [("content-type", "application/x-www-form-urlencoded; charset=utf-8")], form)
            .into_response();
    }
    Json::<Value>(tokens).into_response()
}

async fn revoke(State(provider): State<Provider>, body: Bytes) -> Response {
    let form = form(&body);
    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), (CLIENT_ID, CLIENT_SECRET));
    provider.with(|inner| inner.revoked.push((form["token"].clone(), form["token_type_hint"].clone())));
    provider.returned.send_modify(|returned| *returned += 1);
    provider.gate.subscribe().wait_for(|open| *open).await.expect("it lives");
    match provider.with(|inner| inner.behaviour) {
        Behaviour::Good => StatusCode::OK.into_response(),
        // As Slack does.
        Behaviour::RefusingAs200(code) => Json(json!({"ok": false, "error": code})).into_response(),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A Coder deployment's answer to who has a session there.
async fn me(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let token = headers.get("coder-session-token").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let Some(name) = token.strip_prefix("session-of-") else { return StatusCode::UNAUTHORIZED.into_response() };
    let user = json!({"id": ADA, "username": name, "status": "active"});
    provider.with(|inner| inner.access.insert(token));
    Json(user).into_response()
}

/// An MCP server with one tool, for who has a token.
async fn mcp(State(provider): State<Provider>, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    provider.with(|inner| inner.methods.push(method.clone()));
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !provider.accepts(bearer.strip_prefix("Bearer ").unwrap_or_default()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let result = match method.as_str() {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "test", "version": "1"},
        }),
        "tools/list" => json!({"tools": [{"name": "whoami", "inputSchema": {"type": "object"}}]}),
        "tools/call" => json!({"content": [{"type": "text", "text": bearer}]}),
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).into_response()
}

async fn validate(State(provider): State<Provider>, headers: HeaderMap) -> StatusCode {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert!(headers.contains_key("user-agent"));
    if provider.with(|inner| inner.behaviour) == Behaviour::Down {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match provider.accepts(bearer.strip_prefix("Bearer ").unwrap_or_default()) {
        true => StatusCode::OK,
        false => StatusCode::UNAUTHORIZED,
    }
}
