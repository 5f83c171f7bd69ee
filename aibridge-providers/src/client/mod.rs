//! Who is calling: the coding agent, its session, its sub-agents.
//!
//! ```
//! use aibridge_providers::client;
//! use http::{HeaderMap, HeaderValue};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("user-agent", HeaderValue::from_static("claude-cli/2.1.0 (external, cli)"));
//! let caller = client::detect(&headers, Some(r#"{"session_id":"7d0f"}"#));
//! assert_eq!(caller.client, "Claude Code");
//! assert_eq!(caller.session_id.as_deref(), Some("7d0f"));
//! ```

mod table;

use std::borrow::Cow;

use http::{HeaderMap, header};
use serde::Deserialize;

use self::table::{AGENTS, Mark, UNKNOWN};

/// The longest value that is kept, in bytes.
const MAX_BYTES: usize = 256;

/// What headers and body say about the calling agent.
///
/// None of it is authenticated: it is what the client claims, for reports and for grouping requests of one actor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// `Claude Code`, `Codex`, ...; `Unknown` when nothing matched.
    pub client: &'static str,
    /// `User-Agent` as sent, at most 256 bytes.
    pub user_agent: Option<String>,
    /// The agent's own session id, trimmed, at most 256 bytes.
    pub session_id: Option<String>,
    /// The agent within the session; none for the main one.
    pub agent_id: Option<String>,
    /// The agent that started this one.
    pub parent_agent_id: Option<String>,
}

/// Detects the caller from headers first, then from Messages' `metadata.user_id`.
///
/// Blank values count as absent; values longer than 256 bytes are cut at a character.
pub fn detect(headers: &HeaderMap, user_id: Option<&str>) -> Caller {
    let user_agent = headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes().trim_ascii_start());
    let is_there = |mark: &Mark| match mark {
        Mark::UserAgent(start) => starts_with_ignoring_case(user_agent, start),
        Mark::Originator(name) => {
            headers.get("originator").is_some_and(|value| value.as_bytes().trim_ascii() == name.as_bytes())
        }
        Mark::Header(name) => headers.contains_key(*name),
    };
    let agent = AGENTS.iter().find(|agent| agent.marks.iter().any(is_there)).unwrap_or(&UNKNOWN);
    let session_id = agent
        .session
        .iter()
        .find_map(|name| value_of(headers, name))
        .or_else(|| agent.session_in_user_id.then(|| user_id.and_then(session_in_user_id)).flatten());
    let agent_id = agent.agent.and_then(|name| value_of(headers, name));
    Caller {
        client: agent.name,
        user_agent: value_of(headers, header::USER_AGENT.as_str()),
        // Codex names its main thread like the session.
        agent_id: agent_id.filter(|agent_id| session_id.as_ref() != Some(agent_id)),
        parent_agent_id: agent.parent.and_then(|name| value_of(headers, name)),
        session_id,
    }
}

fn starts_with_ignoring_case(text: &[u8], start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

fn value_of(headers: &HeaderMap, name: &str) -> Option<String> {
    bounded(&String::from_utf8_lossy(headers.get(name)?.as_bytes()))
}

/// The session in Claude Code's `metadata.user_id`: JSON with `session_id`, in older releases
/// `user_<hash>_account_<uuid>_session_<uuid>`.
fn session_in_user_id(user_id: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct UserId<'a> {
        #[serde(borrow)]
        session_id: Cow<'a, str>,
    }
    if user_id.trim_start().starts_with('{') {
        return bounded(&serde_json::from_str::<UserId<'_>>(user_id).ok()?.session_id);
    }
    bounded(user_id.split_once("_session_")?.1)
}

fn bounded(text: &str) -> Option<String> {
    let text = text.trim();
    let text = &text[..text.floor_char_boundary(MAX_BYTES)];
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
