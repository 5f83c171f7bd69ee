mod models;

use std::{borrow::Cow, collections::BTreeSet, ops::Range, sync::LazyLock};

use memchr::memmem::{self, Finder};

use super::{Names, Toolset, toolset::Form, written::Written};
use crate::{
    api::{Api, Facts, tools::has_escapes, turn::has},
    json::{Document, Spliced, Value},
};

/// How many tools OpenAI's APIs take in a request:
/// <https://platform.openai.com/docs/api-reference/chat/create#chat-create-tools>.
const MAX_TOOLS: usize = 128;

/// The type of the input item of a Responses request that carries tools.
const ADDITIONAL_TOOLS: &str = "additional_tools";

/// A request with tools added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Injected {
    /// The request's body.
    pub body: Spliced,
    /// The names of the tools that were added. None, if there was room for none; the body is the client's own then.
    pub names: Names,
    /// How many were left out, because the provider takes only so many: 128 in Chat and Responses, the client's own
    /// included.
    pub left_out: usize,
}

/// Adds `tools` to a request, or says that it is one that gets none.
///
/// In Messages they come before the client's tools, so that its cache breakpoints stay where they are; in Chat and
/// Responses behind them, and in Responses to the tools of an `additional_tools` item, if the client has none but there. A
/// tool of a name that the client has given to one of its own is left out. All other bytes of the request stay.
///
/// None are given to a request whose client has said that it wants no tools (`tools: []`, `tool_choice: none`), to an
/// agent's side request, to those which the provider would refuse with tools (models for search and research, `prediction`
/// of Chat, and newer GPT models there that reason), and to those which the tool loop cannot serve: Messages whose
/// conversation the provider holds (`thread`), several choices (`n`) and the older `functions` of Chat, Responses in the
/// background, and those whose tools are in a `prompt` that the provider holds.
///
/// ```
/// use aibridge_providers::{
///     api::{Api, Facts, tools::{Definition, Toolset, inject}},
///     json::Document,
/// };
///
/// let tools = Toolset::new([Definition::new("bmcp_wiki_search", r#"{"type":"object"}"#)]);
/// let request = Document::parse(r#"{"tools": [{"name":"mine"}], "messages": []}"#.into())?;
/// let facts = Facts::read(Api::Messages, &request);
/// assert_eq!(
///     inject(Api::Messages, &request, &facts, &tools).expect("a request that gets tools").body.document().bytes(),
///     r#"{"tools": [{"name":"bmcp_wiki_search","input_schema":{"type":"object"}},{"name":"mine"}], "messages": []}"#,
/// );
/// # Ok::<(), aibridge_providers::json::JsonError>(())
/// ```
pub fn inject(api: Api, document: &Document, facts: &Facts, tools: &Toolset) -> Option<Injected> {
    let form = tools.form(api);
    if form.is_empty() || facts.side_request || wants_none(api, document, facts) {
        return None;
    }
    let client = Client::of(api, document, form)?;
    let room = if api == Api::Messages { usize::MAX } else { MAX_TOOLS.saturating_sub(client.count) };
    let taken: BTreeSet<_> = client.names.iter().filter(|name| form.has(name)).collect();
    if taken.is_empty() && form.len() <= room {
        let (written, names) = form.whole();
        return Some(Injected { body: client.place.fill(document, written), names: names.clone(), left_out: 0 });
    }
    let selection = form.select(|name| taken.iter().any(|taken| *taken == name), room);
    if selection.names.is_empty() {
        let body = Spliced::new(document);
        return (selection.left_out > 0).then(|| Injected {
            body,
            names: selection.names,
            left_out: selection.left_out,
        });
    }
    let body = client.place.fill(document, &selection.written);
    Some(Injected { body, names: selection.names, left_out: selection.left_out })
}

/// Whether the request is of a kind that gets no tools, whatever its own are.
fn wants_none(api: Api, document: &Document, facts: &Facts) -> bool {
    let given = |key| document.get(key).is_some_and(|value| !value.is_null());
    let choice = document.get("tool_choice");
    let none = choice.is_some_and(|choice| choice.as_str().as_deref() == Some("none") || has(choice, "type", "none"));
    let model = facts.model.as_deref().unwrap_or_default();
    none || match api {
        // A thread that the provider holds would hold our calls too, and be continued without their results.
        Api::Messages => document.get("thread").is_some(),
        _ if models::has_no_functions(model) => true,
        Api::Chat => {
            let several = || document.get("n").and_then(Value::as_u64).is_some_and(|n| n > 1);
            // Outputs are not predicted beside tools: <https://platform.openai.com/docs/guides/predicted-outputs>.
            given("functions")
                || given("prediction")
                || several()
                || models::would_have_to_stop_reasoning(model, document)
        }
        // Nobody waits for the reply; and tools of a request take the place of those that its `prompt` has.
        Api::Responses => facts.background || (given("prompt") && !given("tools")),
    }
}

/// The tools of the client's own.
struct Client<'d> {
    /// Of those among which one of ours may be.
    names: Vec<Cow<'d, str>>,
    /// How many there are, where a provider takes only so many.
    count: usize,
    place: Place,
}

impl<'d> Client<'d> {
    /// `None` if the request is to get no tools.
    fn of(api: Api, document: &'d Document, form: &Form) -> Option<Client<'d>> {
        let top = document.get("tools");
        let mut client = Client { names: Vec::new(), count: 0, place: Place::Absent };
        if api != Api::Messages && top.is_some() {
            client.count = document.count("tools");
        }
        let additional = if api == Api::Responses && client.count == 0 { additional(document) } else { Vec::new() };
        for tools in &additional {
            client.count += tools.elements().count();
        }
        // Whether a name in them may be written with escapes comes last.
        let top_and = top.map(|tools| (tools, document.may_number("tools")));
        for (tools, may_escape) in top_and.into_iter().chain(additional.iter().map(|tools| (*tools, true))) {
            // The tools of an agent are a good part of its request: they are looked at one by one only where it matters.
            let ours = &form.whole().1;
            let named_alike = ours.find(tools.text()).is_some() || (may_escape && has_escapes(tools.text()));
            let may_nest = api == Api::Responses
                && (!additional.is_empty() || document.may_nest("tools"))
                && memmem::find(tools.text(), br#""tools""#).is_some();
            if !named_alike && !may_nest {
                continue;
            }
            for tool in tools.elements() {
                if named_alike {
                    client.names.extend(name(api, tool).and_then(Value::as_str));
                }
                if may_nest && let Some(inner) = tool.get("tools").filter(|inner| inner.is_array()) {
                    // A namespace counts for what is in it.
                    client.count = client.count + inner.elements().count() - 1;
                }
            }
        }
        if let Some(tools) = top.filter(|tools| !tools.is_null()) {
            // No tools at all is what the client asks for; what is no array has no elements either.
            tools.elements().next()?;
        }
        client.place = match additional.first().copied().or(top) {
            None => Place::Absent,
            Some(null) if null.is_null() => Place::Instead(document.span(null)),
            Some(tools) => {
                tools.elements().next()?;
                let span = document.span(tools);
                if api == Api::Messages { Place::Before(span) } else { Place::Behind(span) }
            }
        };
        Some(client)
    }
}

/// The tools of `additional_tools` items, in which agents give tools to models that take none at the top. A request that
/// has some at the top is of no such model.
fn additional(document: &Document) -> Vec<Value<'_>> {
    // Most requests have no such item: no need to look at each.
    static NAMED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(ADDITIONAL_TOOLS));
    if NAMED.find(document.bytes()).is_none() {
        return Vec::new();
    }
    let items = document.get("input").into_iter().flat_map(Value::elements);
    let tools = items.filter(|item| has(*item, "type", ADDITIONAL_TOOLS)).filter_map(|item| item.get("tools"));
    tools.filter(|tools| tools.is_array()).collect()
}

fn name(api: Api, tool: Value<'_>) -> Option<Value<'_>> {
    match api {
        Api::Messages | Api::Responses => tool.get("name"),
        Api::Chat => tool.get("function").or_else(|| tool.get("custom"))?.get("name"),
    }
}

/// Where the tools go.
enum Place {
    /// Before the elements of this array, which has some.
    Before(Range<usize>),
    /// Behind the elements of this array, which has some.
    Behind(Range<usize>),
    /// Into the place of this value.
    Instead(Range<usize>),
    /// Into a new member `tools` of the request.
    Absent,
}

impl Place {
    /// The document with `tools` in this place.
    fn fill(&self, document: &Document, tools: &Written) -> Spliced {
        let body = Spliced::new(document);
        match self {
            Place::Before(array) => {
                let at = document.inside(array).start;
                body.with_value_changed(at..at, tools.before())
            }
            Place::Behind(array) => {
                let at = document.inside(array).end;
                body.with_value_changed(at..at, tools.behind())
            }
            Place::Instead(value) => body.with_value_changed(value.clone(), tools.array()),
            Place::Absent => body.with_member(tools.member()),
        }
    }
}

#[cfg(test)]
mod tests;
