use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use rmcp::{
    ClientHandler, RoleClient,
    model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion},
    service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RunningService},
    transport::{
        StreamableHttpClientTransport, common::client_side_sse::ExponentialBackoff,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Session, keeper, listing};
use crate::{
    Token, Transport,
    failure::Failure,
    mcp::{Context, Keeping, KnownServer},
    transport::{SseTransport, StreamableClient},
};

/// How long a server may think about `server/discover`. Old ones have been seen to never answer what they do not know.
const DISCOVER: Duration = Duration::from_secs(10);
/// How many calls of an actor may wait for their answers. rmcp's 16 would have a few that hang block the others.
const MAX_CALLS: usize = 64;
/// How often at least a lost event stream is asked for again.
const RECONNECT: Duration = Duration::from_secs(60);

type Service = RunningService<RoleClient, Client>;

/// Opens a session and lists the server's tools. To be called on the runtime that sessions live on.
pub(crate) async fn open(
    context: &Arc<Context>,
    server: &Arc<KnownServer>,
    token: Option<&Token>,
    keeping: Keeping,
) -> Result<Arc<Session>, Failure> {
    let changed = Arc::new(Notify::new());
    let service = match server.config.transport {
        Transport::StreamableHttp => streamable(context, server, token, &changed).await?,
        Transport::Sse => sse(context, server, token, &changed).await?,
    };
    let peer = service.peer().clone();
    // Listings are kept here, and only once.
    peer.set_response_cache_config(rmcp::service::ClientCacheConfig::disabled()).await;
    let listing =
        listing::list(&peer, &server.config.id, &server.config.rules, &context.limits, &server.listings).await?;
    let closing = CancellationToken::new();
    let session = Arc::new(Session {
        credential: token.map(Token::digest).unwrap_or_default(),
        peer,
        listing: ArcSwap::new(listing),
        retired: AtomicBool::default(),
        closing: closing.clone(),
        _close: closing.clone().drop_guard(),
    });
    keeper::spawn(context, server, service, &session, changed, keeping);
    Ok(session)
}

/// Tries the protocol of 2026-07-28 and then that of before, unless the server is known to want the latter.
///
/// This is rmcp's `Auto`, but with a connection for each: its fallback shares one, and so waits behind a
/// `server/discover` that is never answered, and does not come to pass after a 5xx.
async fn streamable(
    context: &Context,
    server: &KnownServer,
    token: Option<&Token>,
    changed: &Arc<Notify>,
) -> Result<Service, Failure> {
    let connect = |lifecycle| {
        let http = StreamableClient::new(context.http.clone());
        let transport = StreamableHttpClientTransport::with_client(http, config(context, server, token));
        Client(changed.clone()).serve_with_lifecycle(transport, lifecycle)
    };
    if !server.speaks_legacy.load(Ordering::Relaxed) {
        let discover = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let limit = DISCOVER.min(context.limits.cold_start / 4);
        match timeout(limit, connect(discover)).await.map(settle) {
            Ok(Ok(service)) => return Ok(service),
            Ok(Err(failure @ (Failure::Unauthorized | Failure::Forbidden | Failure::Unreachable))) => {
                return Err(failure);
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
    let service = connect(ClientLifecycleMode::Initialize).await;
    server.speaks_legacy.store(service.is_ok(), Ordering::Relaxed);
    settle(service)
}

async fn sse(
    context: &Context,
    server: &KnownServer,
    token: Option<&Token>,
    changed: &Arc<Notify>,
) -> Result<Service, Failure> {
    let headers = server.config.headers.clone();
    let max_event = context.limits.max_event();
    let transport =
        SseTransport::connect(context.http.clone(), &server.config.url, headers, token.cloned(), max_event).await;
    let transport = transport.map_err(|error| error.failure())?;
    settle(Client(changed.clone()).serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await)
}

fn settle(connected: Result<Service, ClientInitializeError>) -> Result<Service, Failure> {
    connected.map_err(Failure::from)
}

fn config(context: &Context, server: &KnownServer, token: Option<&Token>) -> StreamableHttpClientTransportConfig {
    let headers = server.config.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    let mut config = StreamableHttpClientTransportConfig::with_uri(server.config.url.as_str())
        .custom_headers(headers.collect::<HashMap<_, _>>())
        .max_concurrent_requests(MAX_CALLS)
        // Whoever calls opens another, once, for all transports.
        .reinit_on_expired_session(false)
        .max_sse_event_size(context.limits.max_event());
    config.auth_header = token.map(|token| token.expose().to_owned());
    let mut retry = ExponentialBackoff::default();
    retry.max_delay = Some(RECONNECT);
    config.retry_config = Arc::new(retry);
    config
}

/// What the client says of itself, and what it does with what servers say unasked.
pub(super) struct Client(Arc<Notify>);

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("aibridge", env!("CARGO_PKG_VERSION")))
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.notify_one();
    }
}
