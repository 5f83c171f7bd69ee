use regex::Regex;

/// Which tools of a server are given to the model: regular expressions on the tool's own name, unanchored.
///
/// Without rules all are. Deny wins: a tool that both match is not given.
///
/// ```
/// use aibridge_mcp::ToolRules;
///
/// let rules = ToolRules::new().allow("^list_".parse()?).deny("secret".parse()?);
/// assert!(rules.permit("list_issues"));
/// assert!(!rules.permit("list_secrets"));
/// assert!(!rules.permit("merge"));
/// # Ok::<(), regex::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ToolRules {
    allow: Option<Regex>,
    deny: Option<Regex>,
}

impl ToolRules {
    /// All tools.
    pub fn new() -> ToolRules {
        ToolRules::default()
    }

    /// Only tools that match `pattern`.
    #[must_use]
    pub fn allow(mut self, pattern: Regex) -> ToolRules {
        self.allow = Some(pattern);
        self
    }

    /// No tools that match `pattern`.
    #[must_use]
    pub fn deny(mut self, pattern: Regex) -> ToolRules {
        self.deny = Some(pattern);
        self
    }

    /// Whether `tool`, the server's own name for it, is given to the model.
    pub fn permit(&self, tool: &str) -> bool {
        !self.deny.as_ref().is_some_and(|deny| deny.is_match(tool))
            && self.allow.as_ref().is_none_or(|allow| allow.is_match(tool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_wins_and_patterns_are_not_anchored() {
        let rules = |allow: Option<&str>, deny: Option<&str>| {
            let regex = |pattern: &str| Regex::new(pattern).unwrap();
            ToolRules { allow: allow.map(regex), deny: deny.map(regex) }
        };
        for (allow, deny, tool, permitted) in [
            (None, None, "merge", true),
            (None, None, "", true),
            (Some("list"), None, "list_issues", true),
            (Some("list"), None, "re_list", true),
            (Some("^list"), None, "re_list", false),
            (Some("list"), None, "merge", false),
            (None, Some("delete"), "merge", true),
            (None, Some("delete"), "undelete_branch", false),
            (Some("branch"), Some("delete"), "create_branch", true),
            (Some("branch"), Some("delete"), "delete_branch", false),
            (Some("branch"), Some("delete"), "merge", false),
            (Some("List"), None, "list", false),
        ] {
            assert_eq!(rules(allow, deny).permit(tool), permitted, "{allow:?} {deny:?} {tool}");
        }
    }
}
