use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use aibridge_mcp::Limits;
use aibridge_tower::{actor_headers::ActorHeadersLayer, breaker::Policy};

use crate::config::{actor_headers as names, report::Report, settings::Settings};

/// How the gateway behaves.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    /// False: provider routes answer 503, everything else is served.
    pub(crate) enabled: bool,
    /// How long records are kept; `None` is for ever.
    pub(crate) retention: Option<Duration>,
    /// Whether each record is also a line in the log.
    pub(crate) structured_logging: bool,
    /// Whether prompts, tool inputs and thoughts are left out of the records.
    pub(crate) disable_content_recording: bool,
    /// What happens to requests that cannot be recorded.
    pub(crate) recording_policy: RecordingPolicy,
    /// Whether users may bring their own provider credential.
    pub(crate) allow_byok: bool,
    /// Whether and under which names the provider is told who is asking.
    pub(crate) actor_headers: ActorHeadersLayer,
    /// When a provider that keeps failing is left alone; `None` is never.
    pub(crate) breaker: Option<Policy>,
    /// Attempts after a failed one.
    pub(crate) max_retries: u32,
    /// Requests in flight, at most.
    pub(crate) max_concurrency: Option<NonZeroUsize>,
    /// Requests per second and actor, at most.
    pub(crate) rate_limit: Option<NonZeroU32>,
    /// Rounds of injected tool calls in a request, at most.
    pub(crate) tool_max_rounds: usize,
    /// How MCP servers are bounded.
    pub(crate) tool_limits: Limits,
    /// Where requests and replies are dumped.
    pub(crate) dump_dir: Option<PathBuf>,
    /// Largest request body in bytes, decoded.
    pub(crate) max_request_bytes: usize,
    /// How long a provider may take to answer its headers; `None` is without limit.
    pub(crate) upstream_header_timeout: Option<Duration>,
}

/// What happens to requests that cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordingPolicy {
    /// They are refused.
    Require,
    /// They are served, and the loss is counted.
    BestEffort,
}

impl Gateway {
    pub(in crate::config) fn new(settings: &Settings, report: &mut Report) -> Gateway {
        names::check(settings, report);
        Gateway {
            enabled: settings.switch("ENABLED"),
            retention: non_zero(settings.duration("RETENTION")),
            structured_logging: settings.switch("STRUCTURED_LOGGING"),
            disable_content_recording: settings.switch("DISABLE_CONTENT_RECORDING"),
            recording_policy: match settings.text("RECORDING_POLICY") {
                Some("best-effort") => RecordingPolicy::BestEffort,
                _ => RecordingPolicy::Require,
            },
            allow_byok: settings.switch("ALLOW_BYOK"),
            actor_headers: actor_headers(settings),
            breaker: settings.switch("CIRCUIT_BREAKER_ENABLED").then(|| Policy {
                failures: count(settings, "CIRCUIT_BREAKER_FAILURE_THRESHOLD"),
                interval: settings.duration("CIRCUIT_BREAKER_INTERVAL"),
                open: settings.duration("CIRCUIT_BREAKER_TIMEOUT"),
                probes: count(settings, "CIRCUIT_BREAKER_MAX_REQUESTS"),
            }),
            max_retries: count(settings, "MAX_RETRIES"),
            max_concurrency: usize::try_from(settings.number("MAX_CONCURRENCY")).ok().and_then(NonZeroUsize::new),
            rate_limit: u32::try_from(settings.number("RATE_LIMIT")).ok().and_then(NonZeroU32::new),
            tool_max_rounds: usize::try_from(settings.number("TOOL_MAX_ROUNDS")).unwrap_or(usize::MAX),
            tool_limits: tool_limits(settings),
            dump_dir: settings.path("DUMP_DIR").map(PathBuf::from),
            max_request_bytes: usize::try_from(settings.number("MAX_REQUEST_BYTES")).unwrap_or(usize::MAX),
            upstream_header_timeout: non_zero(settings.duration("UPSTREAM_HEADER_TIMEOUT")),
        }
    }
}

fn count(settings: &Settings, name: &str) -> u32 {
    u32::try_from(settings.number(name)).unwrap_or(u32::MAX)
}

/// Clients do not speak under these names, whether the gateway does or not.
fn actor_headers(settings: &Settings) -> ActorHeadersLayer {
    let layer = ActorHeadersLayer::new(names::names(settings));
    if settings.switch("SEND_ACTOR_HEADERS") { layer } else { layer.withheld() }
}

/// Without a limit, a day is one: no client waits for longer.
fn tool_limits(settings: &Settings) -> Limits {
    let mut limits = Limits::default();
    let day = Duration::from_secs(24 * 3600);
    limits.call = non_zero(settings.duration("TOOL_CALL_TIMEOUT")).unwrap_or(day);
    limits.cold_start = non_zero(settings.duration("TOOL_CONNECT_TIMEOUT")).unwrap_or(day);
    limits.max_result = usize::try_from(settings.number("TOOL_MAX_RESULT_BYTES")).unwrap_or(usize::MAX);
    limits
}

fn non_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}
