use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::Utc;
use http::Extensions;
use tower_layer::Layer;
use uuid::Uuid;

use super::{
    Dump, DumpProxied,
    writer::{Name, Pair, Writer, check},
};
use crate::{ProviderRoute, context::Round};

/// The longest name of a folder that comes from a request, in bytes.
const MAX_NAME: usize = 100;

/// Adds [`Dump`].
#[derive(Clone, Debug)]
pub struct DumpLayer {
    pub(super) target: Option<Target>,
}

/// Where dumps go.
#[derive(Clone)]
pub(super) struct Target {
    directory: Arc<Path>,
    writer: Writer,
}

impl DumpLayer {
    /// Dumps nothing.
    pub fn off() -> DumpLayer {
        DumpLayer { target: None }
    }

    /// Dumps into `directory`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When no file can be written there, or no thread started.
    pub fn new(directory: &Path) -> io::Result<DumpLayer> {
        check(directory)?;
        let target = Target { directory: directory.into(), writer: Writer::start()? };
        Ok(DumpLayer { target: Some(target) })
    }

    /// The same for requests that are only passed through.
    pub fn proxied(&self) -> DumpProxiedLayer {
        DumpProxiedLayer { target: self.target.clone() }
    }

    /// Waits until everything is written; nothing is dumped afterwards. Blocks the thread.
    pub fn finish(&self) {
        if let Some(target) = &self.target {
            target.writer.finish();
        }
    }
}

impl<S> Layer<S> for DumpLayer {
    type Service = Dump<S>;

    fn layer(&self, inner: S) -> Dump<S> {
        Dump::new(inner, self.target.clone())
    }
}

/// Adds [`DumpProxied`].
#[derive(Clone, Debug)]
pub struct DumpProxiedLayer {
    target: Option<Target>,
}

impl<S> Layer<S> for DumpProxiedLayer {
    type Service = DumpProxied<S>;

    fn layer(&self, inner: S) -> DumpProxied<S> {
        DumpProxied::new(inner, self.target.clone())
    }
}

impl Target {
    /// A pair of files for a request with these facts; `model` is `None` for what is only passed through.
    pub(super) fn begin(&self, extensions: &Extensions, model: Option<&str>) -> Pair {
        let instance = extensions.get::<ProviderRoute>().map_or("unknown", |route| &route.instance.name);
        let (id, round) = match extensions.get::<Round>() {
            Some(round) => (round.interception, round.number),
            None => (Uuid::now_v7(), 1),
        };
        let folder: PathBuf = self.directory.join(safe(instance)).join(model.map_or("passthrough".to_owned(), safe));
        self.writer.begin(Name { folder, unix_ms: Utc::now().timestamp_millis(), id, round })
    }
}

/// A name that stays in its folder, whatever a request says.
fn safe(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut safe: String = name.chars().take(MAX_NAME).map(|c| if fits(c) { c } else { '_' }).collect();
    if safe.starts_with('.') {
        safe.replace_range(..1, "_");
    }
    if safe.is_empty() { "unknown".to_owned() } else { safe }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("directory", &self.directory).finish_non_exhaustive()
    }
}
