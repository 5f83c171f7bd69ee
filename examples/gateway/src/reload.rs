//! SIGHUP: the configuration is read again, and its providers take the place of those in service.

use std::sync::Arc;

use aibridge_providers::provider::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config, ConfigError, Warning},
    server::{announce, configured},
};

/// Reads the configuration again at each SIGHUP, until `stop`. Requests that run keep their provider. A configuration that
/// is wrong is refused as a whole: the log says why, and the providers stay.
///
/// Flags and environment are those the process was started with; the YAML file and secrets in files are read anew.
/// Everything but the providers takes effect at the next start.
///
/// # Errors
/// When the signal cannot be listened for.
pub(crate) fn on_hangup(options: Vec<String>, registry: Arc<Registry>, stop: CancellationToken) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangup.recv()).await {
            let options = options.clone();
            let loaded = move || Config::load(&options, config::environment(), &config::read_file);
            match tokio::task::spawn_blocking(loaded).await {
                Ok(loaded) => reload(loaded, &registry),
                Err(error) => tracing::error!(%error, "the configuration could not be read; the providers stay"),
            }
        }
    });
    Ok(())
}

fn reload(loaded: Result<(Config, Vec<Warning>), Vec<ConfigError>>, registry: &Registry) {
    match loaded {
        Ok((config, warnings)) => {
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            registry.replace(configured(&config));
            announce(registry);
            tracing::info!("the providers were reloaded");
        }
        Err(errors) => {
            for error in errors {
                tracing::error!("{error}");
            }
            tracing::error!("the configuration is wrong and was not taken over; the providers stay as they were");
        }
    }
}
