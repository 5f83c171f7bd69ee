//! Blocking replies.

use bytes::Bytes;

use super::{
    Rounds,
    calls::Calls,
    chunk::Choice,
    edit::{array, total},
};
use crate::{
    api::tools::{Finish, Next, Step},
    json::{Document, Edits, Value},
};

impl Rounds {
    /// Takes a round's reply.
    pub(super) fn blocking(&mut self, body: Bytes) -> Step {
        let as_it_is = |bytes| Step { calls: Vec::new(), next: Next::End(Finish { bytes, kept: None }) };
        let Ok(document) = Document::parse(body.clone()) else { return as_it_is(body) };
        let Some(choice) = Choice::of(&document, "message").filter(|choice| choice.message.is_some()) else {
            return as_it_is(body);
        };
        let round = &mut self.round;
        let mut ours = false;
        for call in choice.calls().into_iter().flat_map(Value::elements) {
            ours |= round.calls.whole(call, &self.names, &mut round.budget);
        }
        if !ours && self.over == 0 {
            return as_it_is(body);
        }
        round.id = document.get("id").and_then(Value::as_str).map(|id| id.into_owned());
        round.finish = choice.finish().and_then(Value::as_str).map(|reason| reason.into_owned());
        round.usage = document.get("usage").filter(|usage| usage.is_object()).map(Value::to_value);
        round.done = true;
        if self.client.id.is_none() {
            self.client.id = document.get("id").map(|id| id.text().to_vec());
        }
        round.document = Some(document);
        self.step(|rounds| rounds.merged(None))
    }

    /// The round's reply with what the rounds before said and took, without our calls, and with another reason to finish.
    pub(super) fn merged(&mut self, finish: Option<&str>) -> Bytes {
        let Some(document) = &self.round.document else { return Bytes::new() };
        let choice = Choice::of(document, "message");
        let Some((choice, message)) = choice.and_then(|choice| Some((choice, choice.message?))) else {
            return document.bytes().clone();
        };
        let mut edits = Edits::new(document);
        if let (Some(id), Some(known)) = (document.get("id"), &self.client.id) {
            edits.replace(id, known.as_slice());
        }
        let mut said = self.said.clone();
        said.add(message, &mut self.round.budget);
        if self.said.has_content() {
            edits.set(message, "content", said.write_content());
        }
        for (key, _) in self.said.write_members() {
            if let Some((_, json)) = said.write_members().find(|(known, _)| *known == key) {
                edits.set(message, key, json);
            }
        }
        if let Some(calls) = choice.calls() {
            let clients: Vec<_> = calls.elements().zip(self.round.calls.whole_ours()).collect();
            let kept: Vec<_> = clients.iter().filter(|(_, ours)| !ours).map(|(call, _)| call.text().to_vec()).collect();
            if kept.is_empty() {
                edits.remove(message, "tool_calls");
            } else if kept.len() < clients.len() {
                edits.replace(calls, array(&kept));
            }
        }
        if let (Some(figures), Some(before)) = (document.get("usage").filter(|usage| usage.is_object()), &self.usage) {
            edits.replace(figures, total(before, figures));
        }
        if let (Some(reason), Some(other)) = (choice.finish(), finish) {
            edits.replace(reason, format!(r#""{other}""#));
        }
        edits.apply()
    }
}

/// The message of a completion.
pub(super) fn message_of(document: &Document) -> Option<Value<'_>> {
    Choice::of(document, "message")?.message
}

/// The message as an element of the next round's `messages`.
pub(super) fn message(document: &Document, calls: &Calls) -> Vec<u8> {
    let Some(message) = message_of(document) else { return b"null".to_vec() };
    let mut members = Vec::new();
    let mut put = |key: &str, value: &[u8]| {
        let key = serde_json::Value::from(key).to_string();
        members.push([key.as_bytes(), b":", value].concat());
    };
    if message.get("role").is_none() {
        put("role", br#""assistant""#);
    }
    for (key, value) in message.members() {
        if key == "tool_calls" && value.is_array() {
            put(&key, &array(&calls.write_over(value)));
        // What is missing need not be said, and not every provider lets it be said.
        } else if !value.is_null() || key == "content" {
            put(&key, value.text());
        }
    }
    [b"{".as_slice(), &members.join(&b','), b"}"].concat()
}
