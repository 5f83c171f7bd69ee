//! The known coding agents, as data.

/// A coding agent: how it is recognised, and where it says which session it is in.
#[derive(Debug)]
pub(super) struct Agent {
    /// The name in records.
    pub(super) name: &'static str,
    /// How it is recognised; one is enough.
    pub(super) marks: &'static [Mark],
    /// The headers that may hold the session; the first that is not blank counts.
    pub(super) session: &'static [&'static str],
    /// The header that holds the agent within the session.
    pub(super) agent: Option<&'static str>,
    /// The header that holds the agent which started that one.
    pub(super) parent: Option<&'static str>,
    /// Whether Messages' `metadata.user_id` may hold the session.
    pub(super) session_in_user_id: bool,
}

/// What gives an agent away.
#[derive(Debug)]
pub(super) enum Mark {
    /// How its `User-Agent` starts, in lower case.
    UserAgent(&'static str),
    /// The value of `originator`.
    Originator(&'static str),
    /// A header that only it sends.
    Header(&'static str),
}

use Mark::{Header, Originator, UserAgent};

/// A caller that is none of [`AGENTS`]; also what their rows leave out.
pub(super) const UNKNOWN: Agent =
    Agent { name: "Unknown", marks: &[], session: &[], agent: None, parent: None, session_in_user_id: false };

/// The agents in the order in which they are tried.
pub(super) static AGENTS: &[Agent] = &[
    Agent { name: "Mux", marks: &[UserAgent("mux/"), UserAgent("xum/")], session: &["x-mux-workspace-id"], ..UNKNOWN },
    Agent {
        name: "Claude Code",
        marks: &[UserAgent("claude")],
        session: &["x-claude-code-session-id"],
        agent: Some("x-claude-code-agent-id"),
        parent: Some("x-claude-code-parent-agent-id"),
        session_in_user_id: true,
    },
    Agent {
        name: "Codex",
        marks: &[UserAgent("codex")],
        session: &["session-id", "session_id"],
        agent: Some("thread-id"),
        ..UNKNOWN
    },
    Agent { name: "Zed", marks: &[UserAgent("zed/")], ..UNKNOWN },
    Agent {
        name: "GitHub Copilot (VS Code)",
        marks: &[UserAgent("githubcopilotchat/")],
        session: &["x-interaction-id"],
        ..UNKNOWN
    },
    Agent {
        name: "GitHub Copilot (CLI)",
        marks: &[UserAgent("copilot/")],
        session: &["x-client-session-id"],
        ..UNKNOWN
    },
    Agent {
        name: "Kilo Code",
        marks: &[UserAgent("kilo-code/"), Originator("kilo-code")],
        session: &["x-kilocode-taskid"],
        ..UNKNOWN
    },
    Agent { name: "Roo Code", marks: &[UserAgent("roo-code/"), Originator("roo-code")], ..UNKNOWN },
    Agent { name: "Coder Agents", marks: &[UserAgent("coder-agents/")], session: &["x-coder-chat-id"], ..UNKNOWN },
    Agent { name: "Charm Crush", marks: &[UserAgent("charm crush/"), UserAgent("charm-crush/")], ..UNKNOWN },
    Agent { name: "Cursor", marks: &[Header("x-cursor-client-version")], ..UNKNOWN },
    Agent {
        name: "OpenCode",
        marks: &[UserAgent("opencode/")],
        session: &["x-opencode-session", "x-session-affinity"],
        ..UNKNOWN
    },
    Agent { name: "Junie", marks: &[UserAgent("junie:")], ..UNKNOWN },
    Agent { name: "Cline", marks: &[UserAgent("cline/")], ..UNKNOWN },
    Agent { name: "Goose", marks: &[UserAgent("goose/")], ..UNKNOWN },
    Agent { name: "Factory", marks: &[UserAgent("factory")], ..UNKNOWN },
    Agent { name: "Aider", marks: &[UserAgent("aider/")], ..UNKNOWN },
    Agent { name: "Gemini CLI", marks: &[UserAgent("geminicli/")], ..UNKNOWN },
];
