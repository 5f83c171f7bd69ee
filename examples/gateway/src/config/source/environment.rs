use super::{Given, Level};
use crate::config::{names, report::Report};

/// Picks the options out of the environment. A variable that is set to nothing counts as not set, as compose files
/// do that to variables nobody gave a value.
pub(in crate::config) fn read(
    environment: impl IntoIterator<Item = (String, String)>,
    report: &mut Report,
) -> Vec<Given> {
    let mut variables: Vec<(String, String)> =
        environment.into_iter().filter(|(name, _)| name.starts_with("CODER_")).collect();
    // The order of an environment means nothing, that of messages should not change.
    variables.sort_unstable();
    variables
        .into_iter()
        .filter(|(_, text)| !text.trim().is_empty())
        .filter_map(|(spelling, text)| match names::variable(&spelling) {
            Ok(found) => Some(Given { found: found?, level: Level::Environment, spelling, line: None, text }),
            Err(near) => {
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                report.warn(spelling, format!("is not known and has no effect{near}"));
                None
            }
        })
        .collect()
}
