//! The places where options are given: the command line, the environment, the YAML file.

mod environment;
mod flags;
mod yaml;

use super::names::Found;

pub(super) use environment::read as environment;
pub(super) use flags::{Token, read as flags, tokens};
pub(super) use yaml::read as yaml;

/// Where an option was given; the first one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In the YAML file.
    Yaml,
}

/// One option, given once. It may hold a secret, and so has no `Debug`.
pub(super) struct Given {
    /// What it sets.
    pub(super) found: Found,
    /// Where it was given.
    pub(super) level: Level,
    /// How it was spelt.
    pub(super) spelling: String,
    /// For YAML: the line.
    pub(super) line: Option<u64>,
    /// Its value.
    pub(super) text: String,
}

impl Given {
    /// How it was spelt, and for YAML in which line: what errors call it.
    pub(super) fn name(&self) -> String {
        at_line(&self.spelling, self.line)
    }
}

/// `name`, and the line it is in.
pub(super) fn at_line(name: &str, line: Option<u64>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name} (line {line})"))
}
