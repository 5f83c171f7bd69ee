//! What is read and checked, and not acted on yet. Each line goes when its feature comes.

use super::{report::Report, settings::Settings};

/// Something this version does not do yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Later {
    /// An option: warns when it is given and is not the default.
    Option(&'static str),
    /// An option that must not be ignored: refused when it is given.
    Refused(&'static str, &'static str),
}

/// All of it.
pub(super) const LATER: &[Later] = &[
    Later::Refused("PG_CONNECTION_URL", "this version stores in SQLite only; unset it, and see DATA_DIR"),
    Later::Option("PROMETHEUS_ENABLE"),
    Later::Option("TRACE_ENABLE"),
];

/// Says so.
pub(super) const NOT_YET: &str = "is understood, but this version does not act on it yet";

/// Warns of, or refuses, the options that are to come.
pub(super) fn report(settings: &Settings, report: &mut Report) {
    for later in LATER {
        match *later {
            Later::Option(name) => {
                let setting = settings.option(name);
                if let (true, Some(origin)) = (setting.differs(), &setting.origin) {
                    report.warn(&origin.name, NOT_YET);
                }
            }
            Later::Refused(name, why) => {
                if let Some(origin) = settings.given(name) {
                    report.error(&origin.name, why);
                }
            }
        }
    }
}
