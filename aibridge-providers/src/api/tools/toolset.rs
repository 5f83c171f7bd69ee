use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use serde_json::Value;

use super::{
    Definition, Names,
    schema::{self, Unfit},
    written::Written,
};
use crate::api::Api;

/// The longest name that all providers take, in bytes.
const MAX_NAME: usize = 64;

/// Tools to inject, written out for every API once. Cheap to clone.
///
/// The same tools in the same order give the same bytes in every process, so that prompt caches hold.
///
/// A tool that the providers of an API would refuse, and with it the whole request, is left out of that API; see
/// [`Unfit`] for what is refused. What can be completed without changing its meaning is: a missing `type: object`, and
/// for OpenAI's APIs a missing `properties`, and `items` of arrays.
#[derive(Clone, Debug)]
pub struct Toolset(Arc<Forms>);

/// A tool that is left out of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The tool's name.
    pub name: String,
    /// Why the provider would refuse it.
    pub reason: Unfit,
}

#[derive(Debug, Default)]
struct Forms {
    messages: Form,
    chat: Form,
    responses: Form,
}

/// The tools of one API.
#[derive(Debug, Default)]
pub(super) struct Form {
    written: Written,
    tools: Vec<Rendered>,
    names: Names,
    refused: Vec<Refused>,
}

/// A tool, as an element of `tools`.
#[derive(Debug)]
struct Rendered {
    name: String,
    json: String,
}

/// Those tools of a form that a request gets.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) written: Written,
    pub(super) names: Names,
    /// How many did not fit into the limit.
    pub(super) left_out: usize,
}

impl Toolset {
    /// The tools in the order given.
    pub fn new(tools: impl IntoIterator<Item = Definition>) -> Toolset {
        let tools: Vec<_> = tools.into_iter().collect();
        let form = |api| Form::new(api, &tools);
        Toolset(Arc::new(Forms {
            messages: form(Api::Messages),
            chat: form(Api::Chat),
            responses: form(Api::Responses),
        }))
    }

    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        [&self.0.messages, &self.0.chat, &self.0.responses].iter().map(|form| form.size()).sum()
    }

    /// Whether there is none, in any API.
    pub fn is_empty(&self) -> bool {
        [&self.0.messages, &self.0.chat, &self.0.responses].iter().all(|form| form.is_empty())
    }

    /// The tools that are left out of `api`, because the provider would refuse them.
    pub fn refused(&self, api: Api) -> &[Refused] {
        &self.form(api).refused
    }

    pub(super) fn form(&self, api: Api) -> &Form {
        match api {
            Api::Messages => &self.0.messages,
            Api::Chat => &self.0.chat,
            Api::Responses => &self.0.responses,
        }
    }
}

impl Default for Toolset {
    fn default() -> Toolset {
        static EMPTY: LazyLock<Toolset> = LazyLock::new(|| Toolset(Arc::default()));
        EMPTY.clone()
    }
}

impl Form {
    fn new(api: Api, tools: &[Definition]) -> Form {
        let mut form = Form::default();
        let mut names = BTreeSet::new();
        for tool in tools {
            let json = match render(api, tool) {
                Ok(_) if names.contains(&tool.name) => Err(Unfit::Repeated),
                rendered => rendered,
            };
            match json {
                Ok(json) => {
                    form.tools.push(Rendered { name: tool.name.clone(), json });
                    names.insert(tool.name.clone());
                }
                Err(reason) => form.refused.push(Refused { name: tool.name.clone(), reason }),
            }
        }
        form.written = write(&form.tools);
        form.names = names.into_iter().collect();
        form
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    fn size(&self) -> usize {
        let tools: usize = self.tools.iter().map(|tool| tool.json.len() + 2 * tool.name.len()).sum();
        self.written.size() + tools
    }

    /// All tools, and their names.
    pub(super) fn whole(&self) -> (&Written, &Names) {
        (&self.written, &self.names)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether a tool has that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The first `limit` tools whose names are not `taken`.
    pub(super) fn select(&self, taken: impl Fn(&str) -> bool, limit: usize) -> Selection {
        let free: Vec<_> = self.tools.iter().filter(|tool| !taken(&tool.name)).collect();
        let fitting = &free[..free.len().min(limit)];
        Selection {
            written: write(fitting.iter().copied()),
            names: fitting.iter().map(|tool| tool.name.clone()).collect(),
            left_out: free.len() - fitting.len(),
        }
    }
}

fn write<'r>(tools: impl IntoIterator<Item = &'r Rendered>) -> Written {
    Written::new(&tools.into_iter().map(|tool| tool.json.as_str()).collect::<Vec<_>>().join(","))
}

/// The tool as an element of `tools`.
///
/// Responses makes the schema of a function strict unless told otherwise, which would make every optional argument a
/// required one: <https://platform.openai.com/docs/guides/function-calling#strict-mode>. Chat does so only when asked.
fn render(api: Api, tool: &Definition) -> Result<String, Unfit> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    if tool.name.is_empty() || tool.name.len() > MAX_NAME || !tool.name.bytes().all(fits) {
        return Err(Unfit::Name);
    }
    let schema = schema::fit(api, &tool.schema)?;
    let name = &tool.name;
    let description = match &tool.description {
        Some(text) => format!(r#","description":{}"#, Value::from(text.as_str())),
        None => String::new(),
    };
    Ok(match api {
        Api::Messages => format!(r#"{{"name":"{name}"{description},"input_schema":{schema}}}"#),
        Api::Chat => {
            format!(r#"{{"type":"function","function":{{"name":"{name}"{description},"parameters":{schema}}}}}"#)
        }
        Api::Responses => {
            format!(r#"{{"type":"function","name":"{name}"{description},"parameters":{schema},"strict":false}}"#)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","properties":{"b":{"type":"string"},"a":{}},"required":["b"]}"#;

    fn text(api: Api, tools: impl IntoIterator<Item = Definition>) -> String {
        let array = Toolset::new(tools).form(api).written.array();
        String::from_utf8(array[1..array.len() - 1].to_vec()).unwrap()
    }

    #[test]
    fn a_tool_is_written_in_the_form_of_each_api() {
        let tool = || [Definition::new("bmcp_x_t", SCHEMA).description("Says \"hi\"\n")];
        let fields = r#""name":"bmcp_x_t","description":"Says \"hi\"\n""#;
        assert_eq!(text(Api::Messages, tool()), format!(r#"{{{fields},"input_schema":{SCHEMA}}}"#));
        assert_eq!(
            text(Api::Chat, tool()),
            format!(r#"{{"type":"function","function":{{{fields},"parameters":{SCHEMA}}}}}"#),
        );
        assert_eq!(
            text(Api::Responses, tool()),
            format!(r#"{{"type":"function",{fields},"parameters":{SCHEMA},"strict":false}}"#),
        );
        assert_eq!(
            text(Api::Messages, [Definition::new("a", SCHEMA), Definition::new("b", SCHEMA)]),
            format!(r#"{{"name":"a","input_schema":{SCHEMA}}},{{"name":"b","input_schema":{SCHEMA}}}"#),
        );
    }

    #[test]
    fn a_refused_tool_is_missing_from_its_api_alone_and_is_named() {
        let tools = Toolset::new([
            Definition::new("enumerated", r#"{"type":"object","enum":[{}]}"#),
            Definition::new("good", SCHEMA),
            Definition::new("bad", "7"),
            Definition::new("good", SCHEMA),
            Definition::new("no dots.please", SCHEMA),
            Definition::new("", SCHEMA),
            Definition::new("n".repeat(65), SCHEMA),
        ]);
        let names = |api| tools.form(api).names.all().iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(Api::Messages), "enumerated good");
        assert_eq!((names(Api::Chat), names(Api::Responses)), ("good".to_owned(), "good".to_owned()));
        let refused: Vec<_> = tools.refused(Api::Chat).iter().map(|it| (it.name.as_str(), it.reason.clone())).collect();
        let long = "n".repeat(65);
        let expected = [
            ("enumerated", Unfit::TopLevel("enum")),
            ("bad", Unfit::NotAnObject),
            ("good", Unfit::Repeated),
            ("no dots.please", Unfit::Name),
            ("", Unfit::Name),
            (&long, Unfit::Name),
        ];
        assert_eq!(refused, expected);
        assert_eq!(tools.refused(Api::Messages).len(), 5);
        assert!(!tools.is_empty());
        assert!(Toolset::default().is_empty() && Toolset::new([Definition::new("bad", "7")]).is_empty());
    }
}
