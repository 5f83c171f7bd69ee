//! Hidden calls back into a conversation whose client never saw them.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{
    item::{self, Item, filled},
    list, request,
};
use crate::{
    api::tools::Kept,
    json::{Document, Edits, Value},
};

/// Puts back what was kept, in either way of going on.
///
/// * A client that sends its history gets the hidden items between those that it sends; it is the provider that holds
///   them otherwise.
/// * A client that names the response it was shown goes on from the last round's, and so does one whose conversation the
///   provider holds. The results that the provider still waits for come before the client's own.
pub(in crate::api) fn restore(document: &Document, find: &mut dyn FnMut(&str) -> Option<Arc<Kept>>) -> Option<Bytes> {
    let mut edits = Edits::new(document);
    let input = document.get("input");
    let items: Vec<Item<'_>> = input.into_iter().flat_map(Value::elements).map(Item::of).collect();
    let mut added: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut put: Vec<Arc<Kept>> = Vec::new();

    if let Some(previous) = document.get("previous_response_id")
        && let Some(kept) = previous.as_str().and_then(|id| find(&id))
        && let Some(turn) = read(&kept)
        && let Some(last) = turn.get("last").filter(|last| last.is_string())
    {
        edits.replace(previous, last.text());
        let first = items.iter().position(Item::is_output).unwrap_or(0);
        added.extend(outputs(&turn).map(|output| (first, output)));
        put.push(kept);
    }

    let mut places = HashMap::new();
    for (place, item) in items.iter().enumerate().filter(|(_, item)| !item.is_output()) {
        places.extend(item.names().map(|name| (name, place)));
    }
    for (place, item) in items.iter().enumerate() {
        for name in item.names() {
            let Some(kept) = find(&name).filter(|kept| !put.iter().any(|other| Arc::ptr_eq(kept, other))) else {
                continue;
            };
            if let Some(turn) = read(&kept) {
                match Alignment::of(&turn, &items, &places) {
                    Some(alignment) => added.extend(alignment.hidden()),
                    // The call is not here, only its output.
                    None => added.extend(outputs(&turn).map(|output| (place, output))),
                }
            }
            put.push(kept);
        }
    }

    if !added.is_empty() {
        added.sort_by_key(|(place, _)| *place);
        match input.filter(|input| input.is_array()) {
            Some(array) => edits.replace(array, list::with(array, &added)),
            None => {
                let prompt = input.filter(|input| input.is_string()).map(request::message);
                let all = added.into_iter().map(|(_, json)| json).chain(prompt);
                edits.set(document.root(), "input", list::array(all));
            }
        }
    }
    (!edits.is_empty()).then(|| edits.apply())
}

fn read(kept: &Kept) -> Option<Document> {
    Document::parse(kept.hidden.clone()).ok()
}

/// The results that the provider waits for besides the client's.
fn outputs(turn: &Document) -> impl Iterator<Item = Vec<u8>> {
    turn.get("outputs").into_iter().flat_map(Value::elements).map(|output| output.text().to_vec())
}

/// A turn as it was, beside the items in which the client sends it.
struct Alignment<'a> {
    items: &'a [Item<'a>],
    /// The turn's items, and where those are that the client sent.
    turn: Vec<(Value<'a>, Option<usize>)>,
}

impl<'a> Alignment<'a> {
    /// `None` if nothing of the turn is there.
    fn of(turn: &'a Document, items: &'a [Item<'a>], places: &HashMap<String, usize>) -> Option<Alignment<'a>> {
        let mut last = None;
        let mut turn: Vec<_> = turn
            .get("turn")?
            .elements()
            .map(|entry| {
                let names = entry.get("names").into_iter().flat_map(Value::elements).filter_map(Value::as_str);
                // An item that the client has moved is as good as gone.
                let place = names.filter_map(|name| places.get(&*name).copied()).find(|place| last < Some(*place));
                last = place.or(last);
                (entry, place)
            })
            .collect();
        last?;
        // Messages without an id are known by what they say, if they stand where they should.
        for at in 0..turn.len() {
            let (entry, None) = turn[at] else { continue };
            let Some(said) = filled(entry.get("said")) else { continue };
            let before = turn[..at].iter().rev().find_map(|(_, place)| *place);
            let behind = turn[at..].iter().find_map(|(_, place)| *place);
            let says = |place: &usize| items[*place].said().is_some_and(|other| other == *said);
            turn[at].1 = match (before, behind) {
                (Some(before), _) => {
                    (before + 1..behind.unwrap_or(items.len())).take_while(|place| items[*place].is_models()).find(says)
                }
                (None, Some(behind)) => (0..behind).rev().take_while(|place| items[*place].is_models()).find(says),
                (None, None) => None,
            };
        }
        Some(Alignment { items, turn })
    }

    /// The hidden items, and before which of the client's each belongs.
    fn hidden(&self) -> Vec<(usize, Vec<u8>)> {
        let mut added = Vec::new();
        // The reasoning that led to a call is missing, or has no id.
        let mut bare = false;
        for (at, (entry, place)) in self.turn.iter().enumerate() {
            let Some(hidden) = entry.get("item") else {
                if Item::of(*entry).kind() == "reasoning" {
                    bare = place.is_none_or(|place| self.items[place].id().is_none());
                }
                continue;
            };
            let before = self.turn[..at].iter().rev().find_map(|(_, place)| *place);
            let behind = self.turn[at..].iter().find_map(|(_, place)| *place);
            let Some(place) = behind.or(before.map(|before| before + 1)) else { continue };
            let is_output = Item::of(hidden).is_output();
            let text = Bytes::copy_from_slice(hidden.text());
            let json = match Document::parse(text) {
                // The API refuses an id whose reasoning it is not given.
                Ok(call) if bare && !is_output => item::anonymous(&call),
                _ => hidden.text().to_vec(),
            };
            bare &= !is_output;
            added.push((place, json));
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_left_alone() {
        let request = json!({"previous_response_id": "resp_1", "input": [{"type": "function_call", "call_id": "c"}]});
        let document = Document::parse(request.to_string().into()).unwrap();
        let mut asked = Vec::new();
        assert_eq!(
            restore(&document, &mut |id| {
                asked.push(id.to_owned());
                None
            }),
            None
        );
        assert_eq!(asked, ["resp_1", "c"]);
        let broken = Kept { keys: vec![], hidden: Bytes::from_static(b"?") };
        assert_eq!(restore(&document, &mut |_| Some(Arc::new(broken.clone()))), None);
    }
}
