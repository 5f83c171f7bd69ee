use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

/// What every name begins with that is given to the model.
pub const PREFIX: &str = "bmcp_";

/// The longest name that providers take.
pub const MAX_NAME: usize = 64;

/// A tool, by its server's id and the server's own name for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Tool {
    /// The server's id.
    pub server: String,
    /// The tool's own name.
    pub name: String,
}

impl Tool {
    /// The tool `name` of `server`.
    pub fn new(server: impl Into<String>, name: impl Into<String>) -> Tool {
        Tool { server: server.into(), name: name.into() }
    }

    /// The name to try for the `attempt`th time.
    ///
    /// At first `bmcp_<server>_<tool>`, with `_` for every character that providers do not take, and with a hash for its
    /// end if it is too long; after that with a hash in any case, another one each time.
    fn candidate(&self, attempt: u32) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let plain = [&self.server, "_", &self.name].concat();
        let mut name = PREFIX.to_owned();
        name.extend(plain.chars().map(|c| if fits(c) { c } else { '_' }));
        if attempt > 0 || name.len() > MAX_NAME {
            let hash = self.hash(attempt);
            name.truncate(MAX_NAME - 1 - hash.len());
            name.push('_');
            name.push_str(&hash);
        }
        name
    }

    /// 8 hexadecimal digits of what the tool is called before anything is replaced.
    fn hash(&self, attempt: u32) -> String {
        let mut digest = Sha256::new();
        digest.update(attempt.to_be_bytes());
        // The length tells `a` and `bc` from `ab` and `c`.
        digest.update((self.server.len() as u64).to_be_bytes());
        digest.update(&self.server);
        digest.update(&self.name);
        digest.finalize()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The names under which tools are given to the model, and the way back.
///
/// A name is `bmcp_<server>_<tool>`. Characters outside `[A-Za-z0-9_-]` become `_`; what is longer than [`MAX_NAME`] is
/// cut, and ends with a hash. Tools whose names would be the same all get a hash. So names depend on which tools there
/// are, but not on the order they come in: every replica gives the model the same list, and the provider's prompt cache
/// holds.
///
/// ```
/// use aibridge_mcp::{Tool, ToolNames};
///
/// let names = ToolNames::new([Tool::new("wiki", "search.pages"), Tool::new("git", "log")]);
/// let given: Vec<&str> = names.iter().map(|(name, _)| name).collect();
/// assert_eq!(given, ["bmcp_git_log", "bmcp_wiki_search_pages"]);
/// assert_eq!(names.tool("bmcp_wiki_search_pages").map(|tool| &*tool.name), Some("search.pages"));
/// assert_eq!(names.tool("bmcp_wiki_search.pages"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolNames {
    by_name: BTreeMap<String, Tool>,
}

impl ToolNames {
    /// Names `tools`. One that comes twice is one.
    pub fn new(tools: impl IntoIterator<Item = Tool>) -> ToolNames {
        let tools: BTreeSet<Tool> = tools.into_iter().collect();
        let mut attempts: Vec<(Tool, u32)> = tools.into_iter().map(|tool| (tool, 0)).collect();
        loop {
            let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (at, (tool, attempt)) in attempts.iter().enumerate() {
                by_name.entry(tool.candidate(*attempt)).or_default().push(at);
            }
            let shared: Vec<usize> = by_name.into_values().filter(|tools| tools.len() > 1).flatten().collect();
            if shared.is_empty() {
                let named = attempts.into_iter().map(|(tool, attempt)| (tool.candidate(attempt), tool));
                return ToolNames { by_name: named.collect() };
            }
            // All of them, so that nobody's name depends on who came first.
            for at in shared {
                attempts[at].1 += 1;
            }
        }
    }

    /// The tool that the model calls `name`.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name)
    }

    /// All names and their tools, in the order in which the model is given them: that of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tool)> {
        self.by_name.iter().map(|(name, tool)| (name.as_str(), tool))
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(tools: &[(&str, &str)]) -> ToolNames {
        ToolNames::new(tools.iter().map(|(server, name)| Tool::new(*server, *name)))
    }

    fn given(tools: &[(&str, &str)]) -> Vec<String> {
        names(tools).iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn a_name_says_whose_tool_it_is() {
        assert_eq!(given(&[("github", "list_issues")]), ["bmcp_github_list_issues"]);
        assert_eq!(given(&[("Git-Hub", "List2")]), ["bmcp_Git-Hub_List2"]);
        assert_eq!(given(&[("", "")]), ["bmcp__"]);
    }

    #[test]
    fn what_providers_do_not_take_is_replaced_character_by_character() {
        assert_eq!(given(&[("a.b", "c/d é:f\u{1F9F1}")]), ["bmcp_a_b_c_d___f_"]);
    }

    #[test]
    fn a_name_of_64_characters_stays_and_a_longer_one_ends_with_a_hash() {
        let fits = "t".repeat(MAX_NAME - "bmcp_s_".len());
        assert_eq!(given(&[("s", &fits)]), [format!("bmcp_s_{fits}")]);
        let long = format!("{fits}t");
        let [name] = &given(&[("s", &long)])[..] else { panic!("one name") };
        assert_eq!(name.len(), MAX_NAME);
        assert_eq!(name[..55], format!("bmcp_s_{fits}")[..55]);
        assert_eq!(name[55..], *"_ecdc1d8b", "the same in every version, or prompt caches are lost");
    }

    #[test]
    fn long_names_that_begin_alike_are_told_apart() {
        let tools = [("s", format!("{}a", "t".repeat(80))), ("s", format!("{}b", "t".repeat(80)))];
        let tools: Vec<(&str, &str)> = tools.iter().map(|(server, name)| (*server, name.as_str())).collect();
        let names = names(&tools);
        assert_eq!(names.len(), 2);
        for (name, tool) in names.iter() {
            assert_eq!((name.len(), names.tool(name)), (MAX_NAME, Some(tool)));
        }
    }

    #[test]
    fn tools_of_the_same_name_all_get_a_hash_and_others_none() {
        let names = names(&[("a", "b.c"), ("a", "b_c"), ("a_b", "c"), ("a", "d")]);
        let given: Vec<&str> = names.iter().map(|(name, _)| name).collect();
        assert_eq!(given.len(), 4);
        for name in &given[..3] {
            assert!(name.starts_with("bmcp_a_b_c_") && name.len() == "bmcp_a_b_c_".len() + 8, "{name}");
        }
        assert_eq!(given[3], "bmcp_a_d");
        let found: BTreeSet<&Tool> = given.iter().filter_map(|name| names.tool(name)).collect();
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_tool_that_is_called_like_a_hashed_one_is_told_apart_too() {
        let hashed = Tool::new("a", "b.c").candidate(1);
        let imitation = Tool::new("a", hashed.strip_prefix("bmcp_a_").unwrap());
        let tools = [Tool::new("a", "b.c"), Tool::new("a", "b_c"), imitation.clone()];
        let names = ToolNames::new(tools.clone());
        assert_eq!(names.len(), 3);
        assert_ne!(names.tool(&hashed), Some(&imitation));
        assert!(tools.iter().all(|tool| names.iter().any(|(_, named)| named == tool)));
    }

    #[test]
    fn a_tool_that_comes_twice_is_one_and_none_are_none() {
        assert_eq!(given(&[("a", "b"), ("a", "b")]), ["bmcp_a_b"]);
        assert!(names(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn names_are_valid_exact_and_the_same_in_any_order(
            mut tools in prop::collection::vec(("[a._]{0,3}", "([a._é]{0,4}|t{50,70}[.a]?)"), 0..20),
        ) {
            let build = |tools: &[(String, String)]| {
                ToolNames::new(tools.iter().map(|(server, name)| Tool::new(server.as_str(), name.as_str())))
            };
            let names = build(&tools);
            let distinct: BTreeSet<_> = tools.iter().cloned().collect();
            prop_assert_eq!(names.len(), distinct.len());
            for (name, tool) in names.iter() {
                prop_assert!(name.starts_with(PREFIX) && name.len() <= MAX_NAME);
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')));
                prop_assert_eq!(names.tool(name), Some(tool));
            }
            tools.reverse();
            prop_assert_eq!(&build(&tools), &names);
        }
    }
}
