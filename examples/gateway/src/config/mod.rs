//! The gateway's configuration: flags, environment and a YAML file, read into one typed [`Config`].
//!
//! [`table`] holds every option as data; its spellings, `--help` and `check` come from there. [`source`] picks what was
//! given out of the three places, [`resolve`] decides which of it counts, [`typed`] and [`provider`] make it usable.
//! All mistakes are reported at once. Nothing here looks at the process: arguments, environment and files are passed in.

mod actor_headers;
pub(crate) mod check;
pub(crate) mod cli;
mod definition;
mod help;
mod later;
mod names;
mod nearest;
mod provider;
mod report;
mod resolve;
mod settings;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod typed;
mod value;

use std::path::Path;

pub(crate) use help::{help, version};
pub(crate) use provider::ProviderConfig;
pub(crate) use report::{ConfigError, Warning};
pub(crate) use resolve::ReadFile;
pub(crate) use typed::{
    Application, Authentication, CODER, ClientAuth, Gateway, Host, Log, LogSink, Mcp, RecordingPolicy, Revocation,
    Transport,
};

use report::Report;
use resolve::choose;
use settings::Settings;
use source::Given;
use value::Value;

/// The whole configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// How the gateway behaves.
    pub(crate) gateway: Gateway,
    /// How the process serves, stores and logs.
    pub(crate) host: Host,
    /// Where identities come from.
    pub(crate) authentication: Authentication,
    /// Where injected tools come from.
    pub(crate) mcp: Mcp,
    /// The provider instances: first those without an index, then the others by index.
    pub(crate) providers: Vec<ProviderConfig>,
    /// Every option with its origin, for [`check`].
    settings: Settings,
}

impl Config {
    /// Reads the configuration. `arguments` are the flags alone, as [`cli::split`] leaves them. Of `environment` only
    /// names that begin with `CODER_` are looked at. Files are read through `read_file`: the YAML file, secrets that
    /// were given as files, and those that must be readable later.
    ///
    /// # Errors
    /// Everything that is wrong, each with the option's name as the user spelt it and with what to do.
    pub(crate) fn load(
        arguments: &[String],
        environment: impl IntoIterator<Item = (String, String)>,
        read_file: ReadFile<'_>,
    ) -> Result<(Config, Vec<Warning>), Vec<ConfigError>> {
        let mut report = Report::default();
        let mut given = source::flags(arguments, &mut report);
        given.extend(source::environment(environment, &mut report));
        let in_file = file(&given, read_file, &mut report);
        given.extend(in_file);
        let settings = resolve::resolve(&given, read_file, &mut report);
        later::report(&settings, &mut report);
        let config = Config {
            gateway: Gateway::new(&settings, &mut report),
            host: Host::new(&settings, read_file, &mut report),
            authentication: Authentication::new(&settings, read_file, &mut report),
            mcp: Mcp::new(&settings, &mut report),
            providers: provider::read(&settings, &mut report),
            settings,
        };
        if report.errors.is_empty() { Ok((config, report.warnings)) } else { Err(report.errors) }
    }
}

/// What is given in the YAML file, if one is named.
fn file(given: &[Given], read_file: ReadFile<'_>, report: &mut Report) -> Vec<Given> {
    let named = given.iter().filter(|given| given.found.slot.definition.name == "CONFIG_PATH");
    // A conflict between two names is reported when all options are resolved.
    let Some((Some(Value::Path(path)), origin)) = choose(named, read_file, &mut Report::default()) else {
        return Vec::new();
    };
    match read_file(&path) {
        Ok(text) => source::yaml(&path.display().to_string(), &text, report),
        Err(why) => {
            report.error(origin.name, typed::cannot_read(&path, &why));
            Vec::new()
        }
    }
}

/// The process's environment, as [`Config::load`] takes it. What is not UTF-8 is replaced.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

/// The process's files, as [`Config::load`] takes them.
pub(crate) fn read_file(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}
