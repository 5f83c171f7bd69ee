//! MCP servers on loopback, made of rmcp's own server, that do as tests tell them and say what happened to them.

#![expect(unreachable_pub, reason = "the end-to-end tests use it too")]

pub mod sse;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use rmcp::{
    ErrorData, Peer, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult, PaginatedRequestParams,
        ProtocolVersion, Resource, ResourceContents, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext, SubscriptionSink},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use url::Url;

/// What a request was, as far as tests care: `POST tools/call`, `GET`, `DELETE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub what: String,
    pub token: Option<String>,
    pub session: Option<String>,
}

/// A server that runs until the test ends.
#[derive(Clone)]
pub struct Fake {
    pub url: Url,
    pub inner: Arc<Inner>,
}

pub struct Inner {
    pub legacy: bool,
    pub seen: watch::Sender<Vec<Seen>>,
    /// What happened inside of tools.
    pub events: watch::Sender<Vec<String>>,
    /// Tools by name, given in this order and in pages of `page` tools.
    pub tools: Mutex<Vec<String>>,
    pub page: Mutex<usize>,
    /// Tools that are listed, before the others, for who has this token.
    pub own: Mutex<HashMap<String, Vec<String>>>,
    /// The tokens that are accepted; none: no token is asked for.
    pub tokens: Mutex<Option<HashSet<String>>>,
    /// Whether a 401 says what it wants.
    pub challenge: Mutex<bool>,
    /// Sessions that are forgotten.
    pub forgotten: Mutex<HashSet<String>>,
    /// Whether requests of forgotten sessions are answered as those of the TypeScript SDK's examples are, instead of 404.
    pub forgets_with_400: Mutex<bool>,
    /// Answers to requests of an MCP method or `*` instead of the server's: a status, or nothing at all. After a method may
    /// come ` of ` and the token it is for.
    pub instead: Mutex<HashMap<String, Instead>>,
    peers: Mutex<Vec<Peer<RoleServer>>>,
    subscriptions: Mutex<Vec<SubscriptionSink>>,
    /// What waits goes on when this is open.
    pub gate: watch::Sender<bool>,
}

#[derive(Clone)]
pub enum Instead {
    Status(u16),
    /// For the path `/mcp`.
    Redirect(u16, String),
    /// JSON of about that many bytes.
    Large(usize),
    /// An error of the protocol that quotes the request: its token and its arguments.
    Quote,
    /// An error that does not say of which request.
    Error(i32, &'static str),
    /// Events, and then the end.
    Events(&'static str),
    /// Until the gate is open; then the server answers.
    Wait,
    Hang,
}

impl Fake {
    /// A server of the protocol from before 2026-07-28, which has sessions.
    pub async fn legacy(tools: &[&str]) -> Fake {
        Fake::start(tools, true).await
    }

    /// A server of all protocols.
    pub async fn modern(tools: &[&str]) -> Fake {
        Fake::start(tools, false).await
    }

    async fn start(tools: &[&str], legacy: bool) -> Fake {
        let inner = Arc::new(Inner {
            legacy,
            seen: watch::Sender::default(),
            events: watch::Sender::default(),
            tools: Mutex::new(tools.iter().map(ToString::to_string).collect()),
            page: Mutex::new(usize::MAX),
            own: Mutex::default(),
            tokens: Mutex::default(),
            challenge: Mutex::new(true),
            forgotten: Mutex::default(),
            forgets_with_400: Mutex::default(),
            instead: Mutex::default(),
            peers: Mutex::default(),
            subscriptions: Mutex::default(),
            gate: watch::Sender::new(true),
        });
        let handler = Handler(inner.clone());
        let service: StreamableHttpService<Handler, LocalSessionManager> = StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::default(),
            StreamableHttpServerConfig::default(),
        );
        let app = Router::new().fallback_service(service).layer(from_fn_with_state(inner.clone(), guard));
        let url = serve(app).await.join("mcp").unwrap();
        Fake { url, inner }
    }

    pub fn accept_only(&self, tokens: &[&str]) {
        *self.inner.tokens.lock().unwrap() = Some(tokens.iter().map(ToString::to_string).collect());
    }

    pub fn set_tools(&self, tools: &[&str]) {
        *self.inner.tools.lock().unwrap() = tools.iter().map(ToString::to_string).collect();
    }

    pub fn instead(&self, method: &str, instead: Instead) {
        self.inner.instead.lock().unwrap().insert(method.to_owned(), instead);
    }

    pub fn as_ever(&self) {
        self.inner.instead.lock().unwrap().clear();
    }

    pub fn forget_sessions(&self) {
        let known = self.seen().into_iter().filter_map(|seen| seen.session);
        self.inner.forgotten.lock().unwrap().extend(known);
    }

    /// Tells all clients that the tools have changed.
    pub async fn say_tools_changed(&self) {
        let peers = self.inner.peers.lock().unwrap().clone();
        for peer in peers {
            let _ = peer.notify_tool_list_changed().await;
        }
        let subscriptions = self.inner.subscriptions.lock().unwrap().clone();
        for subscription in subscriptions {
            let _ = subscription.notify_tool_list_changed().await;
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.borrow().clone()
    }

    pub fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|seen| seen.what == what).count()
    }

    /// Waits until that many requests of this kind have been seen.
    pub async fn sees(&self, what: &str, times: usize) {
        let mut seen = self.inner.seen.subscribe();
        let enough = |seen: &Vec<Seen>| seen.iter().filter(|seen| seen.what == what).count() >= times;
        in_time(what, seen.wait_for(enough)).await.unwrap();
    }

    /// Waits until this has happened.
    pub async fn happens(&self, event: &str) {
        let mut events = self.inner.events.subscribe();
        in_time(event, events.wait_for(|events| events.iter().any(|it| it == event))).await.unwrap();
    }
}

/// What the future comes to, which a test shall not wait for without end. No test takes nearly as long.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(output) = timeout(Duration::from_secs(20), future).await else { panic!("waited in vain: {what}") };
    output
}

/// Serves on loopback; the URL of `/`.
pub async fn serve(app: Router) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap();
    Some(value.strip_prefix("Bearer ").unwrap_or(value).to_owned())
}

fn token_of(context: &RequestContext<RoleServer>) -> String {
    let head = context.extensions.get::<axum::http::request::Parts>().unwrap();
    bearer(&head.headers).unwrap_or_default()
}

async fn guard(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    let token = bearer(&head.headers);
    let session = head.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let what = format!("{} {method}", head.method).trim().to_owned();
    inner.seen.send_modify(|seen| seen.push(Seen { what, token: token.clone(), session: session.clone() }));

    let instead = {
        let instead = inner.instead.lock().unwrap();
        let of = format!("{method} of {}", token.as_deref().unwrap_or_default());
        instead.get(&of).or(instead.get(&method)).or(instead.get("*")).cloned()
    };
    match instead {
        Some(Instead::Status(status)) => return StatusCode::from_u16(status).unwrap().into_response(),
        Some(Instead::Redirect(status, to)) if head.uri.path() == "/mcp" => {
            return (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, to)]).into_response();
        }
        Some(Instead::Large(bytes)) => return axum::Json("x".repeat(bytes)).into_response(),
        Some(Instead::Quote) => {
            let quote = format!("what is {} of {}?", message["params"], token.unwrap_or_default());
            let error = json!({"code": -32602, "message": quote});
            return axum::Json(json!({"jsonrpc": "2.0", "id": message["id"], "error": error})).into_response();
        }
        Some(Instead::Error(code, message)) => {
            let error = json!({"code": code, "message": message});
            let body = axum::Json(json!({"jsonrpc": "2.0", "error": error, "id": null}));
            return (StatusCode::INTERNAL_SERVER_ERROR, body).into_response();
        }
        Some(Instead::Events(events)) => {
            return ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response();
        }
        Some(Instead::Wait) => drop(inner.gate.subscribe().wait_for(|open| *open).await),
        Some(Instead::Hang) => std::future::pending().await,
        Some(Instead::Redirect(..)) | None => {}
    }
    if let Some(tokens) = &*inner.tokens.lock().unwrap()
        && !token.as_ref().is_some_and(|token| tokens.contains(token))
    {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return match *inner.challenge.lock().unwrap() {
            true => (StatusCode::UNAUTHORIZED, challenge).into_response(),
            false => (StatusCode::UNAUTHORIZED, "who are you?").into_response(),
        };
    }
    if session.is_some_and(|session| inner.forgotten.lock().unwrap().contains(&session)) {
        if *inner.forgets_with_400.lock().unwrap() {
            let error = json!({"code": -32000, "message": "Bad Request: No valid session ID provided"});
            let body = axum::Json(json!({"jsonrpc": "2.0", "error": error, "id": null}));
            return (StatusCode::BAD_REQUEST, body).into_response();
        }
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(Request::from_parts(head, Body::from(body))).await
}

#[derive(Clone)]
struct Handler(Arc<Inner>);

impl Handler {
    fn happened(&self, event: impl Into<String>) {
        self.0.events.send_modify(|events| events.push(event.into()));
    }
}

impl ServerHandler for Handler {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        match self.0.legacy {
            true => Cow::Borrowed(&[ProtocolVersion::V_2025_03_26, ProtocolVersion::V_2025_11_25]),
            false => Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
        }
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.0.peers.lock().unwrap().push(context.peer);
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.0.subscriptions.lock().unwrap().push(context.sink().clone());
        self.happened("subscribed");
        context.cancelled().await;
        Ok(())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let own = self.0.own.lock().unwrap().get(&token_of(&context)).cloned().unwrap_or_default();
        let tools = [own, self.0.tools.lock().unwrap().clone()].concat();
        let page = *self.0.page.lock().unwrap();
        let from: usize = request.and_then(|page| page.cursor).map_or(0, |cursor| cursor.parse().unwrap());
        // Without tools at all, there is another page, and another, ...
        let endless = tools.is_empty();
        let names: Vec<String> =
            if endless { vec![format!("tool{from}")] } else { tools.iter().skip(from).take(page).cloned().collect() };
        let next = from + names.len();
        let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
        let listed = names.into_iter().map(|name| {
            let description = format!("does {name}");
            Tool::new(name, description, Arc::new(schema.as_object().unwrap().clone()))
        });
        let mut result = ListToolsResult::with_all_items(listed.collect());
        result.next_cursor = (endless || next < tools.len()).then(|| next.to_string());
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let text = |text: &str| CallToolResult::success(vec![ContentBlock::text(text)]);
        Ok(match &*request.name {
            "echo" => text(&arguments.to_string()),
            "whoami" => text(&token_of(&context)),
            own if self
                .0
                .own
                .lock()
                .unwrap()
                .get(&token_of(&context))
                .is_some_and(|it| it.iter().any(|it| it == own)) =>
            {
                text(&format!("{own} of {}: {arguments}", token_of(&context)))
            }
            "fail" => CallToolResult::error(vec![ContentBlock::text("no such issue")]),
            "many" => CallToolResult::success(vec![
                ContentBlock::text("here:"),
                ContentBlock::image("iVBORw0KGgo=", "image/png"),
                ContentBlock::audio("YXVkaW8=", "audio/wav"),
                ContentBlock::embedded_text("file:///a", "embedded"),
                ContentBlock::resource(ResourceContents::blob("R0lGODlh", "file:///b").with_mime_type("image/gif")),
                ContentBlock::resource(
                    ResourceContents::blob("YmxvYg==", "file:///c").with_mime_type("application/zip"),
                ),
                ContentBlock::resource_link(Resource::new("https://example.com/d", "d").with_description("more")),
            ]),
            "structured" => {
                let mut result = CallToolResult::default();
                result.structured_content = Some(json!({"n": 1}));
                result
            }
            "big" => text(&"é".repeat(40_000)),
            "huge" => text(&"x".repeat(5_000_000)),
            "big_image" => CallToolResult::success(vec![
                ContentBlock::image("A".repeat(40_000), "image/png"),
                ContentBlock::text("small"),
            ]),
            "hang" => {
                self.happened("hanging");
                context.ct.cancelled().await;
                self.happened("cancelled");
                text("too late")
            }
            _ => return Err(ErrorData::invalid_params("unknown tool", None)),
        }
        .into())
    }
}
