use std::collections::HashMap;

use crate::config::report::Report;

/// Path segments next to the instances' that are something else.
const RESERVED: &[&str] =
    &["interceptions", "sessions", "models", "clients", "providers", "mcp", "proxy", "healthz", "readyz", "metrics"];

/// The names taken so far, each with the option that took it.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashMap<String, Taken>,
}

#[derive(Debug)]
struct Taken {
    option: String,
    legacy: bool,
}

impl Names {
    /// Takes the name of an instance without index, which is its type, for `option`.
    pub(super) fn take_legacy(&mut self, name: &str, option: &str) {
        self.taken.insert(name.to_owned(), Taken { option: option.to_owned(), legacy: true });
    }

    /// Takes `name` for the instance whose `NAME` is, or would be, spelt `option`. `default` says that it is the type.
    pub(super) fn take(&mut self, name: &str, option: &str, default: bool, report: &mut Report) {
        if !default {
            if !is_name(name) {
                report.error(
                    option,
                    format!("`{name}` is not a name; use lower-case letters, digits and single hyphens between them"),
                );
            } else if RESERVED.contains(&name) {
                report.error(option, format!("`{name}` is reserved; choose another name"));
            }
        }
        let origin = if default { " (the default, its type)" } else { "" };
        match self.taken.get(name) {
            None => {
                self.taken.insert(name.to_owned(), Taken { option: option.to_owned(), legacy: false });
            }
            Some(taken) if taken.legacy => report.error(
                format!("{} and {option}", taken.option),
                format!("both make an instance named `{name}`{origin}; remove one, or set {option} to another name"),
            ),
            Some(taken) => report.error(
                format!("{} and {option}", taken.option),
                format!("two instances are named `{name}`{origin}; set {option} to another name"),
            ),
        }
    }
}

/// Lower-case letters, digits, and single hyphens between them.
fn is_name(name: &str) -> bool {
    name.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}
