//! What is wrong with a configuration, all of it at once.

use std::fmt;

/// Why the configuration is refused: one of possibly several reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {problem}")]
pub(crate) struct ConfigError {
    /// The option at fault, as the user spelt it; several are joined by `and`.
    pub(crate) option: String,
    /// What is wrong and what to do. It never quotes a secret.
    pub(crate) problem: String,
}

/// Something that does not keep the gateway from starting, but that its operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    /// The option it is about, as the user spelt it.
    pub(crate) option: String,
    /// What happens instead, and what to do.
    pub(crate) problem: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.problem)
    }
}

/// Collects errors and warnings while the configuration is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<Warning>,
}

impl Report {
    pub(super) fn error(&mut self, option: impl Into<String>, problem: impl Into<String>) {
        self.errors.push(ConfigError { option: option.into(), problem: problem.into() });
    }

    pub(super) fn warn(&mut self, option: impl Into<String>, problem: impl Into<String>) {
        self.warnings.push(Warning { option: option.into(), problem: problem.into() });
    }
}
