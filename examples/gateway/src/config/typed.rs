//! The configuration as the rest of the gateway uses it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use aibridge_providers::provider::Secret;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    actor_headers,
    report::Report,
    resolve::{ReadFile, Settings},
};

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
    /// Requests in flight, at most.
    pub(crate) max_concurrency: Option<NonZeroUsize>,
    /// Requests per second and actor, at most.
    pub(crate) rate_limit: Option<NonZeroU32>,
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

/// How the process serves, stores and logs.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Where to listen.
    pub(crate) http_address: SocketAddr,
    /// Where users reach the gateway.
    pub(crate) access_url: Url,
    /// Certificate and key, if HTTPS is served. Both files could be read when the configuration was.
    pub(crate) tls: Option<Tls>,
    /// The directory of the embedded store. It need not exist yet.
    pub(crate) data_dir: PathBuf,
    /// Where logs go.
    pub(crate) log: Log,
    /// How long requests may take to finish on shutdown.
    pub(crate) shutdown_grace: Duration,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The certificate chain.
    pub(crate) certificate: PathBuf,
    /// The private key.
    pub(crate) key: PathBuf,
}

/// Where logs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// In text form.
    pub(crate) human: Option<LogSink>,
    /// As JSON.
    pub(crate) json: Option<LogSink>,
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it. It does.
    pub(crate) filter: String,
}

/// A place for logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogSink {
    /// `/dev/stderr`
    Stderr,
    /// `/dev/stdout`
    Stdout,
    /// Any other path.
    File(PathBuf),
}

/// Where identities come from, besides the gateway's own keys, which always count.
#[derive(Clone, Debug)]
pub(crate) struct Authentication {
    /// A Coder deployment.
    pub(crate) coder_url: Option<Url>,
    /// An issuer of JWTs.
    pub(crate) oidc: Option<Oidc>,
}

/// An issuer of JWTs. At least one of the three kinds of key is there.
#[derive(Clone, Debug)]
pub(crate) struct Oidc {
    /// `iss`, byte for byte.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// Where the issuer's keys are.
    pub(crate) jwks_url: Option<Url>,
    /// The issuer's public key.
    pub(crate) public_key_pem: Option<String>,
    /// A shared secret.
    pub(crate) hmac_secret: Option<Secret>,
    /// The claim with the user's name.
    pub(crate) username_field: String,
    /// The claim with the user's e-mail address.
    pub(crate) email_field: String,
}

impl Gateway {
    pub(super) fn new(settings: &Settings, report: &mut Report) -> Gateway {
        actor_headers::check(settings, report);
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
            max_concurrency: usize::try_from(settings.number("MAX_CONCURRENCY")).ok().and_then(NonZeroUsize::new),
            rate_limit: u32::try_from(settings.number("RATE_LIMIT")).ok().and_then(NonZeroU32::new),
            max_request_bytes: usize::try_from(settings.number("MAX_REQUEST_BYTES")).unwrap_or(usize::MAX),
            upstream_header_timeout: non_zero(settings.duration("UPSTREAM_HEADER_TIMEOUT")),
        }
    }
}

impl Host {
    pub(super) fn new(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Host {
        let http_address = settings.address("HTTP_ADDRESS");
        let tls = tls(settings, read_file, report);
        let access_url = settings.url("ACCESS_URL").cloned().unwrap_or_else(|| own_url(http_address, tls.is_some()));
        Host {
            http_address,
            access_url,
            tls,
            data_dir: settings.path("DATA_DIR").unwrap_or(Path::new("./data")).to_owned(),
            log: Log {
                human: settings.path("LOGGING_HUMAN").map(LogSink::at),
                json: settings.path("LOGGING_JSON").map(LogSink::at),
                filter: log_filter(settings, report),
            },
            shutdown_grace: settings.duration("SHUTDOWN_GRACE"),
        }
    }
}

impl LogSink {
    fn at(path: &Path) -> LogSink {
        match path.to_str() {
            Some("/dev/stderr") => LogSink::Stderr,
            Some("/dev/stdout") => LogSink::Stdout,
            _ => LogSink::File(path.to_owned()),
        }
    }
}

impl Authentication {
    pub(super) fn new(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Authentication {
        Authentication { coder_url: settings.url("URL").cloned(), oidc: oidc(settings, read_file, report) }
    }
}

fn oidc(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Option<Oidc> {
    let public_key_pem = settings.path("OIDC_PUBLIC_KEY_FILE").and_then(|path| {
        let origin = &settings.given("OIDC_PUBLIC_KEY_FILE")?.name;
        match read_file(path) {
            Ok(text) if text.contains("-----BEGIN ") => return Some(text),
            Ok(_) => report.error(origin, "the file holds no PEM; give the path of a public key in PEM format"),
            Err(why) => report.error(origin, cannot_read(path, &why)),
        }
        None
    });
    let keys = ["OIDC_JWKS_URL", "OIDC_PUBLIC_KEY_FILE", "OIDC_HMAC_SECRET"].map(|name| settings.given(name));
    let named = ["OIDC_ISSUER_URL", "OIDC_CLIENT_ID"].map(|name| settings.given(name));
    let Some(key) = keys.into_iter().flatten().next() else {
        // Deployments of Coder set these two for their own sign-in page.
        if let Some(origin) = named.into_iter().flatten().next() {
            report.warn(
                &origin.name,
                "JWTs are not accepted without the issuer's key; set CODER_OIDC_JWKS_URL, CODER_OIDC_PUBLIC_KEY_FILE \
                 or CODER_OIDC_HMAC_SECRET",
            );
        }
        return None;
    };
    for (name, claim) in [("OIDC_ISSUER_URL", "iss"), ("OIDC_CLIENT_ID", "aud")] {
        if settings.given(name).is_none() {
            report.error(&key.name, format!("needs CODER_{name}: set it to the tokens' `{claim}`"));
        }
    }
    // RFC 7518, 3.2: a key for HS256 has at least 256 bits.
    if let (Some(secret), Some(origin)) = (settings.secret("OIDC_HMAC_SECRET"), settings.given("OIDC_HMAC_SECRET"))
        && secret.expose().len() < 32
    {
        report.warn(&origin.name, "is shorter than 32 bytes and can be guessed; use a longer one");
    }
    Some(Oidc {
        issuer: settings.text("OIDC_ISSUER_URL")?.to_owned(),
        audience: settings.text("OIDC_CLIENT_ID")?.to_owned(),
        jwks_url: settings.url("OIDC_JWKS_URL").cloned(),
        public_key_pem,
        hmac_secret: settings.secret("OIDC_HMAC_SECRET").cloned(),
        username_field: settings.text("OIDC_USERNAME_FIELD").unwrap_or("preferred_username").to_owned(),
        email_field: settings.text("OIDC_EMAIL_FIELD").unwrap_or("email").to_owned(),
    })
}

fn tls(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Option<Tls> {
    let certificate = settings.path("TLS_CERT_FILE").zip(settings.given("TLS_CERT_FILE"));
    let key = settings.path("TLS_KEY_FILE").zip(settings.given("TLS_KEY_FILE"));
    for (path, origin) in [certificate, key].into_iter().flatten() {
        if let Err(why) = read_file(path) {
            report.error(&origin.name, cannot_read(path, &why));
        }
    }
    match (certificate, key) {
        (Some((certificate, _)), Some((key, _))) => {
            Some(Tls { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        (Some((_, origin)), None) => {
            report.error(&origin.name, "needs CODER_TLS_KEY_FILE beside it; set both, or neither for plain HTTP");
            None
        }
        (None, Some((_, origin))) => {
            report.error(&origin.name, "needs CODER_TLS_CERT_FILE beside it; set both, or neither for plain HTTP");
            None
        }
        (None, None) => None,
    }
}

/// The filter, if it is one. Coder takes a regular expression here, of which `.*` (everything) is the usual one: a
/// deployment that sets one starts, with the default.
fn log_filter(settings: &Settings, report: &mut Report) -> String {
    const DEFAULT: &str = "info";
    match (settings.text("LOG_FILTER"), settings.given("LOG_FILTER")) {
        (Some(".*"), Some(_)) => "debug".to_owned(),
        (Some(filter), Some(origin)) if EnvFilter::try_new(filter).is_err() => {
            report
                .warn(&origin.name, format!("is not a filter such as info,aibridge_tower=debug; `{DEFAULT}` is used"));
            DEFAULT.to_owned()
        }
        (filter, _) => filter.unwrap_or(DEFAULT).to_owned(),
    }
}

/// The URL of a gateway that listens on `address`.
fn own_url(mut address: SocketAddr, tls: bool) -> Url {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    let scheme = if tls { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{address}/")).expect("a scheme and a socket address are a URL")
}

fn cannot_read(path: &Path, why: &std::io::Error) -> String {
    format!("{} cannot be read ({}); give the path of a readable file", path.display(), why.kind())
}

fn non_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}
