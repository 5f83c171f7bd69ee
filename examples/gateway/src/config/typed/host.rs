use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tracing_subscriber::EnvFilter;
use url::Url;

use super::cannot_read;
use crate::config::{report::Report, resolve::ReadFile, settings::Settings};

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

impl Host {
    pub(in crate::config) fn new(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Host {
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
