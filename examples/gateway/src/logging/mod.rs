//! The log: human or JSON, to as many sinks as are configured.

mod sink;

use std::fs::OpenOptions;

use anyhow::Context;
use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogSink};
use sink::Sink;

/// Flushes what the sinks still hold when it is dropped.
#[derive(Debug)]
pub(crate) struct Logging {
    sinks: Vec<Sink>,
}

/// Starts the log.
pub(crate) fn start(log: &Log) -> anyhow::Result<Logging> {
    let filter = EnvFilter::try_new(&log.filter);
    let filter = filter.with_context(|| format!("CODER_LOG_FILTER: {:?}", log.filter))?;
    // Whatever the filter names of them. Without the level, all would be looked at.
    let level = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let heard = move |metadata: &Metadata<'_>| {
        *metadata.level() <= level && !UNHEARD.iter().any(|name| is_of(metadata.target(), name))
    };
    let filter = filter.and(filter_fn(heard).with_max_level_hint(level));
    let mut sinks = Vec::new();
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if let Some(place) = &log.human {
        let sink = open(place, "CODER_LOGGING_HUMAN")?;
        layers.push(fmt::layer().with_ansi(false).with_writer(sink.clone()).boxed());
        sinks.push(sink);
    }
    if let Some(place) = &log.json {
        let sink = open(place, "CODER_LOGGING_JSON")?;
        layers.push(fmt::layer().json().flatten_event(true).with_writer(sink.clone()).boxed());
        sinks.push(sink);
    }
    tracing_subscriber::registry().with(layers.with_filter(filter)).init();
    Ok(Logging { sinks })
}

/// Libraries that log what nobody may read. `aws_sigv4` says how every signature comes about, with the id of the access key.
/// `rmcp` says what tools are called with and what they return, and quotes refusals, in which servers may repeat their
/// credential; what matters of it `aibridge_mcp` says.
const UNHEARD: [&str; 2] = ["aws_sigv4", "rmcp"];

fn is_of(target: &str, name: &str) -> bool {
    target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn open(place: &LogSink, option: &str) -> anyhow::Result<Sink> {
    match place {
        // Not opened by their paths: they may be sockets, which cannot be.
        LogSink::Stderr => Sink::new(std::io::stderr()),
        LogSink::Stdout => Sink::new(std::io::stdout()),
        LogSink::File(path) => OpenOptions::new().append(true).create(true).open(path).and_then(Sink::new),
    }
    .with_context(|| format!("{option}: the log cannot be written to {place:?}"))
}

impl Drop for Logging {
    fn drop(&mut self) {
        for sink in &self.sinks {
            sink.flush();
        }
    }
}
