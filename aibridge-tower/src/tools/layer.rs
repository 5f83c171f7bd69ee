use std::{fmt, sync::Arc};

use aibridge_mcp::ToolSource;
use tower_layer::Layer;

use super::{Tools, history::History, metrics::Metrics, rendered::Rendered};

/// Adds [`Tools`].
#[derive(Clone)]
pub struct ToolsLayer {
    settings: Option<Settings>,
}

/// What the services of one layer share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) source: Arc<dyn ToolSource>,
    pub(super) max_rounds: usize,
    pub(super) parallel: usize,
    pub(super) history: History,
    pub(super) rendered: Rendered,
    pub(super) metrics: Metrics,
}

impl ToolsLayer {
    /// Gives the tools of `source`, at most 25 rounds a request and 8 calls at a time.
    pub fn new(source: impl ToolSource) -> ToolsLayer {
        ToolsLayer {
            settings: Some(Settings {
                source: Arc::new(source),
                max_rounds: 25,
                parallel: 8,
                history: History::new(64 << 20),
                rendered: Rendered::default(),
                metrics: Metrics::new(),
            }),
        }
    }

    /// Gives none: requests pass.
    pub fn off() -> ToolsLayer {
        ToolsLayer { settings: None }
    }

    /// Sets in how many rounds of one request tools are run, at least 1. Default: 25. After them the model is told so,
    /// and has one more round for its answer.
    #[must_use]
    pub fn max_rounds(self, rounds: usize) -> ToolsLayer {
        self.set(|settings| settings.max_rounds = rounds.max(1))
    }

    /// Sets how many calls of one reply run at a time, at least 1. Default: 8.
    #[must_use]
    pub fn parallel(self, calls: usize) -> ToolsLayer {
        self.set(|settings| settings.parallel = calls.max(1))
    }

    /// Sets how many bytes of hidden calls and results are kept for clients that return with results of their own.
    /// Default: 64 MiB.
    #[must_use]
    pub fn kept_bytes(self, bytes: u64) -> ToolsLayer {
        self.set(|settings| settings.history = History::new(bytes))
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> ToolsLayer {
        if let Some(settings) = &mut self.settings {
            set(settings);
        }
        self
    }
}

impl<S: Clone> Layer<S> for ToolsLayer {
    type Service = Tools<S>;

    fn layer(&self, inner: S) -> Tools<S> {
        Tools::new(inner, self.settings.clone())
    }
}

impl fmt::Debug for ToolsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.settings {
            Some(settings) => settings.fmt(f),
            None => f.write_str("ToolsLayer(off)"),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools")
            .field("max_rounds", &self.max_rounds)
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}
