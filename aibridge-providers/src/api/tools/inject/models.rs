//! Models that refuse requests with functions.

use crate::json::{Document, Value};

/// What the names of those have in them that search by themselves.
const SEARCHING: [&str; 3] = ["deep-research", "-search-preview", "-search-api"];

/// Whether a model of OpenAI's never takes functions.
pub(super) fn has_no_functions(model: &str) -> bool {
    // The names of all others are looked at once, and are too short for anything that has to be set up.
    model.as_bytes().windows(6).any(|part| part == b"search") && SEARCHING.iter().any(|part| model.contains(part))
}

/// Whether a model of OpenAI's would refuse a Chat request, if functions came into it, for its reasoning: those from GPT-5.4 on
/// do when the request asks for some, and newer ones, which reason unless they are told not to, also when it says nothing. See
/// <https://developers.openai.com/api/docs/guides/responses-vs-chat-completions>. A client that has tools of its own has
/// seen to it.
pub(super) fn would_have_to_stop_reasoning(model: &str, document: &Document) -> bool {
    let given = |key| document.get(key).filter(|value| !value.is_null());
    let Some(version) = version(model).filter(|version| *version >= (5, 4)) else { return false };
    if given("tools").is_some() {
        return false;
    }
    match given("reasoning_effort").and_then(Value::as_str) {
        Some(effort) => effort != "none",
        None => version >= (5, 5),
    }
}

/// The version of a GPT.
fn version(model: &str) -> Option<(u8, u8)> {
    let name = model.rsplit('/').next()?.strip_prefix("gpt-")?;
    let version = name.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    // Azure has a `gpt-35-turbo`.
    let major = major.parse().ok().filter(|major| *major < 10)?;
    Some((major, minor.parse().ok()?))
}
