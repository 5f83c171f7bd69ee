//! Who is calling: the coding agent, its session, its sub-agents.

use http::HeaderMap;

/// What headers and body say about the calling agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// `Claude Code`, `Codex`, ...; `Unknown` when nothing matched.
    pub client: &'static str,
    /// `User-Agent` as sent, at most 256 bytes.
    pub user_agent: Option<String>,
    /// The agent's own session id, trimmed, at most 256 bytes.
    pub session_id: Option<String>,
    /// The agent within the session.
    pub agent_id: Option<String>,
    /// The agent that started this one.
    pub parent_agent_id: Option<String>,
}

/// Detects the caller from headers first, then from Messages' `metadata.user_id`.
pub fn detect(headers: &HeaderMap, user_id: Option<&str>) -> Caller {
    todo!("{headers:?} {user_id:?}")
}
