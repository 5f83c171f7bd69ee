use http::{HeaderName, HeaderValue};

use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    map
}

fn client(headers: &[(&str, &str)]) -> &'static str {
    detect(&map(headers), None).client
}

#[test]
fn agents_are_known_by_their_user_agent_in_any_case() {
    for (user_agent, name) in [
        ("mux/0.4 ai-sdk/5", "Mux"),
        ("xum/1", "Mux"),
        ("claude-cli/2.1.0 (external, cli)", "Claude Code"),
        ("Claude-Code/1", "Claude Code"),
        ("codex_cli_rs/0.169.0 (Debian 13; x86_64)", "Codex"),
        ("codex-tui/0.1", "Codex"),
        ("Zed/0.200.0 (linux; x86_64)", "Zed"),
        ("GitHubCopilotChat/0.30", "GitHub Copilot (VS Code)"),
        ("copilot/1.0.2", "GitHub Copilot (CLI)"),
        ("Kilo-Code/4.0", "Kilo Code"),
        ("Roo-Code/3.2", "Roo Code"),
        ("coder-agents/2.30", "Coder Agents"),
        ("Charm Crush/0.9", "Charm Crush"),
        ("charm-crush/0.9", "Charm Crush"),
        ("opencode/1.18.0", "OpenCode"),
        ("Junie:1", "Junie"),
        ("Cline/3.1", "Cline"),
        ("goose/1.0", "Goose"),
        ("factory-cli/0.1", "Factory"),
        ("Aider/0.80", "Aider"),
        ("GeminiCLI/0.5", "Gemini CLI"),
        ("OpenAI/Python 2.54.0", "Unknown"),
        ("tmux/3.4", "Unknown"),
        ("my-claude", "Unknown"),
        ("zed", "Unknown"),
        ("", "Unknown"),
    ] {
        assert_eq!(client(&[("user-agent", user_agent)]), name, "{user_agent}");
    }
    assert_eq!(client(&[]), "Unknown");
}

#[test]
fn agents_without_a_user_agent_of_their_own_are_known_by_other_headers() {
    assert_eq!(client(&[("originator", "kilo-code"), ("user-agent", "OpenAI/JS 5")]), "Kilo Code");
    assert_eq!(client(&[("originator", " roo-code ")]), "Roo Code");
    assert_eq!(client(&[("originator", "codex_cli_rs")]), "Unknown");
    assert_eq!(client(&[("x-cursor-client-version", "1.7")]), "Cursor");
    assert_eq!(client(&[("x-cursor-client-version", "")]), "Cursor");
}

#[test]
fn the_first_match_wins() {
    assert_eq!(client(&[("user-agent", "claude-cli/2"), ("originator", "roo-code")]), "Claude Code");
    assert_eq!(client(&[("user-agent", "opencode/1"), ("x-cursor-client-version", "1")]), "Cursor");
}

#[test]
fn sessions_are_read_from_the_agents_own_header() {
    for (user_agent, header) in [
        ("mux/1", "X-Mux-Workspace-Id"),
        ("claude-cli/2", "X-Claude-Code-Session-Id"),
        ("codex_cli_rs/0.1", "session-id"),
        ("codex_cli_rs/0.1", "session_id"),
        ("GitHubCopilotChat/1", "x-interaction-id"),
        ("copilot/1", "X-Client-Session-Id"),
        ("kilo-code/1", "X-KILOCODE-TASKID"),
        ("coder-agents/1", "X-Coder-Chat-Id"),
        ("opencode/1", "X-OpenCode-Session"),
        ("opencode/1", "x-session-affinity"),
    ] {
        let caller = detect(&map(&[("user-agent", user_agent), (header, " s1 ")]), None);
        assert_eq!(caller.session_id.as_deref(), Some("s1"), "{user_agent} {header}");
        let blank = detect(&map(&[("user-agent", user_agent), (header, "  ")]), None);
        assert_eq!(blank.session_id, None, "{user_agent} {header}");
        let other = detect(&map(&[("user-agent", "other/1"), (header, "s1")]), None);
        assert_eq!(other.session_id, None, "{header}");
    }
}

#[test]
fn of_two_session_headers_the_first_that_is_not_blank_counts() {
    let session = |headers: &[(&str, &str)]| detect(&map(headers), None).session_id;
    let agent = ("user-agent", "codex/1");
    assert_eq!(session(&[agent, ("session_id", "b"), ("session-id", "a")]).as_deref(), Some("a"));
    assert_eq!(session(&[agent, ("session_id", "b"), ("session-id", " ")]).as_deref(), Some("b"));
}

#[test]
fn sub_agents_are_told_from_the_main_one() {
    let caller = detect(
        &map(&[
            ("user-agent", "claude-cli/2"),
            ("x-claude-code-session-id", "s"),
            ("x-claude-code-agent-id", "child"),
            ("x-claude-code-parent-agent-id", "parent"),
        ]),
        None,
    );
    assert_eq!(caller.agent_id.as_deref(), Some("child"));
    assert_eq!(caller.parent_agent_id.as_deref(), Some("parent"));

    let codex =
        |thread| detect(&map(&[("user-agent", "codex/1"), ("session-id", "s"), ("thread-id", thread)]), None).agent_id;
    assert_eq!(codex("t").as_deref(), Some("t"));
    assert_eq!(codex("s"), None);
}

#[test]
fn claude_code_may_put_its_session_into_the_body() {
    let claude = [("user-agent", "claude-cli/2")];
    for (user_id, session) in [
        (r#"{"device_id":"d","account_uuid":"","session_id":"5f1e"}"#, Some("5f1e")),
        (r#" {"session_id":" 5f1e "}"#, Some("5f1e")),
        (r#"{"session_id":"\u0061b"}"#, Some("ab")),
        (r#"{"session_id":""}"#, None),
        (r#"{"session_id":7,"x":"_session_y"}"#, None),
        (r#"{"device_id":"a_session_b"}"#, None),
        (r#"{"session_id":"#, None),
        ("user_0a_account_1b_session_5f1e", Some("5f1e")),
        ("user_0a_account__session_5f1e", Some("5f1e")),
        ("user_0a_account__session_ ", None),
        ("somebody", None),
        ("", None),
    ] {
        assert_eq!(detect(&map(&claude), Some(user_id)).session_id.as_deref(), session, "{user_id}");
    }
    let both = map(&[claude[0], ("x-claude-code-session-id", "header")]);
    assert_eq!(detect(&both, Some(r#"{"session_id":"body"}"#)).session_id.as_deref(), Some("header"));
    let other = map(&[("user-agent", "opencode/1")]);
    assert_eq!(detect(&other, Some(r#"{"session_id":"body"}"#)).session_id, None);
}

#[test]
fn long_values_are_cut_at_a_character() {
    let long = format!("codex{}", "\u{20ac}".repeat(200));
    let caller = detect(&map(&[("user-agent", &long), ("session-id", &"x".repeat(1000))]), None);
    assert_eq!(caller.client, "Codex");
    assert_eq!(caller.session_id.expect("a session"), "x".repeat(256));
    let user_agent = caller.user_agent.expect("a user agent");
    assert_eq!(user_agent.len(), 5 + 83 * 3);
    assert!(long.starts_with(&user_agent));
}

#[test]
fn values_that_are_not_utf8_do_no_harm() {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_bytes(b"claude\xff\xfe").expect("a value"));
    headers.insert("x-claude-code-session-id", HeaderValue::from_bytes(b"\xe4").expect("a value"));
    let caller = detect(&headers, None);
    assert_eq!(caller.client, "Claude Code");
    assert_eq!(caller.user_agent.as_deref(), Some("claude\u{fffd}\u{fffd}"));
    assert_eq!(caller.session_id.as_deref(), Some("\u{fffd}"));
}
