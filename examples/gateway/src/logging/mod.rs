//! The log: human or JSON, to as many sinks as are configured.

mod sink;

use std::path::Path;

use anyhow::Context;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use sink::Sink;

/// Flushes what the sinks still hold when it is dropped.
#[derive(Debug)]
pub(crate) struct Logging {
    sinks: Vec<Sink>,
}

/// Where the log goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Targets<'a> {
    /// Lines for people, to this path.
    pub(crate) human: Option<&'a Path>,
    /// JSON lines, to this path.
    pub(crate) json: Option<&'a Path>,
    /// Which events, in the syntax of `tracing`'s `EnvFilter`.
    pub(crate) filter: &'a str,
}

/// Starts the log.
pub(crate) fn start(targets: Targets<'_>) -> anyhow::Result<Logging> {
    let filter = EnvFilter::try_new(targets.filter)
        .with_context(|| format!("CODER_LOG_FILTER: {:?} is not a log filter; use e.g. info,aibridge=debug", targets.filter))?;
    let mut sinks = Vec::new();
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if let Some(path) = targets.human {
        let sink = Sink::open(path).with_context(|| format!("CODER_LOGGING_HUMAN: cannot write {}", path.display()))?;
        layers.push(fmt::layer().with_ansi(false).with_writer(sink.clone()).boxed());
        sinks.push(sink);
    }
    if let Some(path) = targets.json {
        let sink = Sink::open(path).with_context(|| format!("CODER_LOGGING_JSON: cannot write {}", path.display()))?;
        layers.push(fmt::layer().json().flatten_event(true).with_writer(sink.clone()).boxed());
        sinks.push(sink);
    }
    tracing_subscriber::registry().with(layers.with_filter(filter)).init();
    Ok(Logging { sinks })
}

impl Drop for Logging {
    fn drop(&mut self) {
        for sink in &self.sinks {
            sink.flush();
        }
    }
}
