//! Events that repeat which tools a response was given.

use bytes::Bytes;

use super::{event::Piece, item::Item, list, round};
use crate::{
    api::tools::Names,
    json::{Edits, Value},
    sse,
};

/// What the client gets of events that name injected tools, as long as they only repeat which tools the response was given;
/// `None` if one may be called in them.
pub(in crate::api) fn forget_given(events: &Bytes, names: &Names) -> Option<Bytes> {
    let mut shown = Vec::with_capacity(events.len());
    for raw in sse::split_events(events) {
        if !names.may_occur(raw) {
            shown.extend_from_slice(raw);
        } else if let Some((before, after)) = without_known(raw, names) {
            shown.extend_from_slice(before);
            shown.extend_from_slice(after);
        } else {
            shown.extend_from_slice(&without(&events.slice_ref(raw), names)?);
        }
    }
    Some(shown.into())
}

/// What stands around the definitions, if they are written as in an earlier event: most providers write them so each time.
///
/// They cannot be a part of a string, in which their quotes would be escaped.
fn without_known<'e>(raw: &'e [u8], names: &Names) -> Option<(&'e [u8], &'e [u8])> {
    let definitions = names.repeated()?;
    let start = names.find(raw)?.checked_sub(names.find(definitions)?)?;
    let (before, rest) = raw.split_at_checked(start)?;
    let after = rest.strip_prefix(definitions)?;
    // One comma goes with them.
    let (before, after) = match (before, after) {
        ([before @ .., b','], [b',' | b']', ..]) => (before, after),
        ([.., b'['], [b',', after @ ..]) => (before, after),
        ([.., b'['], [b']', ..]) => (before, after),
        _ => return None,
    };
    (!names.may_occur(before) && !names.may_occur(after)).then_some((before, after))
}

/// The event without the definitions.
fn without(raw: &Bytes, names: &Names) -> Option<Bytes> {
    let Piece::Event(event) = Piece::read(raw) else { return None };
    let response = round::response(&event).filter(|_| event.get("item").is_none())?;
    // In one pass, because a response is long.
    let (mut tools, mut output) = (None, None);
    for (key, value) in response.members() {
        match &*key {
            "tools" => tools = Some(value),
            "output" => output = Some(value),
            _ => {}
        }
    }
    let is_ours = |item: &Value<'_>| names.may_occur(item.text()) && Item::of(*item).is_ours(names.all());
    if output.into_iter().flat_map(Value::elements).any(|item| is_ours(&item)) {
        return None;
    }
    let mut edits = Edits::new(&event.document);
    if let Some(tools) = tools
        && let Some(own) = list::without(tools, |tool| is_ours(&tool))
    {
        let mut ours = tools.elements().skip_while(|tool| !is_ours(tool)).take_while(is_ours);
        if let Some(first) = ours.next() {
            let last = ours.last().unwrap_or(first);
            names.repeat(&tools.text()[list::span(tools, first).start..list::span(tools, last).end]);
        }
        edits.replace(tools, own);
    }
    Some(event.with(&edits.apply()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        ["bmcp_a", "bmcp_b"].map(str::to_owned).into_iter().collect()
    }

    fn event(tools: &str, output: &str) -> String {
        let response = format!(r#"{{"id":"r","tools":{tools},"output":[{output}]}}"#);
        format!("event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{response}}}\n\n")
    }

    fn tool(name: &str) -> String {
        format!(r#"{{"type":"function","name":"{name}","parameters":{{}}}}"#)
    }

    #[test]
    fn the_definitions_go_wherever_they_stand_and_however_often_they_have_come() {
        let ours = [tool("bmcp_a"), tool("bmcp_b")].join(",");
        let (spaced, mine) = ([tool("bmcp_a"), tool("bmcp_b")].join(" , "), tool("mine"));
        let cases = [
            (format!("[{ours}]"), "[]".to_owned()),
            (format!("[{mine},{ours}]"), format!("[{mine}]")),
            (format!("[{ours},{mine}]"), format!("[{mine}]")),
            (format!("[{mine},{ours},{mine}]"), format!("[{mine},{mine}]")),
            (format!("[{mine}, {ours} ]"), format!("[{mine} ]")),
            (format!("[ {spaced} ]"), "[]".to_owned()),
            (format!("[{},{mine},{}]", tool("bmcp_b"), tool("bmcp_a")), format!("[{mine}]")),
            (format!("[{},{ours}]", tool("bmcp_a")), "[]".to_owned()),
        ];
        // What is known comes from another case each time.
        for (known, _) in &cases {
            let names = names();
            assert!(names.repeated().is_none());
            forget_given(&event(known, "").into(), &names).expect("no call");
            assert!(names.repeated().is_some());
            for (tools, expected) in &cases {
                let text = r#"{"type":"message","content":"x"}"#;
                let shown = forget_given(&event(tools, text).into(), &names).expect("no call");
                assert_eq!(shown, event(expected, text), "{tools} when {known} is known");
                let call = r#"{"type":"function_call","name":"bmcp_a","call_id":"c","arguments":"{}"}"#;
                assert!(forget_given(&event(tools, call).into(), &names).is_none(), "a call behind {tools}");
            }
        }
    }

    #[test]
    fn what_is_no_response_is_to_be_read() {
        for data in [
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"bmcp_a"}}"#,
            r#"{"type":"response.output_item.added","response":{},"item":{"name":"bmcp_a"}}"#,
            r#"{"type":"response.output_text.done","text":"bmcp_a"}"#,
            "bmcp_a",
        ] {
            assert!(forget_given(&format!("data: {data}\n\n").into(), &names()).is_none(), "{data}");
        }
    }
}
