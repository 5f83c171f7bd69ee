//! The messages of a round, for the next round's request.

use serde_json::{Value as Tree, json};

use super::calls::Calls;
use crate::{
    api::{
        tools::{Answer, Part},
        wire::Budget,
    },
    json::Value,
};

/// The members of a reply, beside content and calls, that belong into the conversation: providers that reason between tool
/// calls want their reasoning back.
const MEMBERS: [&str; 8] = [
    "refusal",
    // DeepSeek, Qwen, vLLM
    "reasoning_content",
    // OpenRouter, Groq, vLLM
    "reasoning",
    "reasoning_details",
    // GitHub Copilot
    "reasoning_text",
    "reasoning_opaque",
    // Gemini: signatures
    "extra_content",
    // LiteLLM: Claude's thinking, with its signatures
    "thinking_blocks",
];

/// What a model said, put together from deltas or messages. Strings are joined as they are spelled.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    content: Vec<Piece>,
    members: Vec<(&'static str, Member)>,
}

#[derive(Clone, Debug)]
enum Piece {
    /// The text between the quotes of a JSON string.
    Text(Vec<u8>),
    /// An element of a content array.
    Part(Vec<u8>),
}

#[derive(Clone, Debug)]
enum Member {
    /// The text between the quotes of a JSON string.
    Text(Vec<u8>),
    Elements(Vec<Vec<u8>>),
    Other(Vec<u8>),
}

impl Said {
    /// Takes a delta, or a whole message.
    pub(super) fn add(&mut self, message: Value<'_>, budget: &mut Budget) {
        for (key, value) in message.members() {
            let known = MEMBERS.iter().find(|known| **known == key);
            if (key == "content" || known.is_some()) && !value.is_null() && budget.take(value.text().len()) {
                match known {
                    Some(key) => self.member(key, value),
                    None => self.content(value),
                }
            }
        }
    }

    pub(super) fn has_content(&self) -> bool {
        !self.content.is_empty()
    }

    /// The content as JSON: a string, or an array if some of it came in parts.
    pub(super) fn write_content(&self) -> Vec<u8> {
        match self.content.as_slice() {
            [] => b"null".to_vec(),
            [Piece::Text(text)] => quoted(text),
            pieces => {
                let parts: Vec<_> = pieces.iter().map(Piece::write).collect();
                [b"[".as_slice(), &parts.join(&b','), b"]"].concat()
            }
        }
    }

    /// The further members, as JSON.
    pub(super) fn write_members(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        self.members.iter().map(|(key, member)| {
            let json = match member {
                Member::Text(text) => quoted(text),
                Member::Elements(elements) => [b"[".as_slice(), &blocks(elements).join(&b','), b"]"].concat(),
                Member::Other(json) => json.clone(),
            };
            (*key, json)
        })
    }

    fn content(&mut self, content: Value<'_>) {
        match content.text() {
            b"\"\"" => {}
            [b'"', text @ .., b'"'] => match self.content.last_mut() {
                Some(Piece::Text(known)) => known.extend_from_slice(text),
                _ => self.content.push(Piece::Text(text.to_vec())),
            },
            _ => self.content.extend(content.elements().map(|part| Piece::Part(part.text().to_vec()))),
        }
    }

    fn member(&mut self, key: &'static str, value: Value<'_>) {
        let at = self.members.iter().position(|(known, _)| *known == key);
        let known = at.map(|at| &mut self.members[at].1);
        let elements = || value.elements().map(|element| element.text().to_vec());
        match (value.text(), known) {
            ([b'"', text @ .., b'"'], Some(Member::Text(known))) => known.extend_from_slice(text),
            ([b'[', ..], Some(Member::Elements(known))) => known.extend(elements()),
            (json, known) => {
                let member = match json {
                    [b'"', text @ .., b'"'] => Member::Text(text.to_vec()),
                    [b'[', ..] => Member::Elements(elements().collect()),
                    json => Member::Other(json.to_vec()),
                };
                match known {
                    Some(known) => *known = member,
                    None => self.members.push((key, member)),
                }
            }
        }
    }
}

impl Piece {
    fn write(&self) -> Vec<u8> {
        match self {
            Piece::Text(text) => [br#"{"type":"text","text":"#.as_slice(), &quoted(text), b"}"].concat(),
            Piece::Part(part) => part.clone(),
        }
    }
}

/// Blocks of reasoning from the pieces in which a stream brings them: pieces of one block have its type and index, and what
/// comes last is its signature.
fn blocks(pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut blocks: Vec<(Tree, Vec<u8>)> = Vec::new();
    for piece in pieces {
        let Some(tree) = Value::of(piece).map(Value::to_value) else { continue };
        let signed = |block: &Tree| block["signature"].as_str().is_some_and(|text| !text.is_empty());
        match blocks.last_mut() {
            Some((block, json))
                if tree.is_object()
                    && !signed(block)
                    && block["type"] == tree["type"]
                    && block["index"] == tree["index"] =>
            {
                join(block, &tree);
                *json = block.to_string().into_bytes();
            }
            _ => blocks.push((tree, piece.clone())),
        }
    }
    blocks.into_iter().map(|(_, json)| json).collect()
}

/// Continues a block.
fn join(block: &mut Tree, piece: &Tree) {
    let (Some(block), Some(piece)) = (block.as_object_mut(), piece.as_object()) else { return };
    for (key, value) in piece {
        match (key.as_str(), block.get_mut(key), value) {
            (_, Some(_), Tree::Null) => {}
            ("text" | "summary" | "thinking" | "data", Some(Tree::String(known)), Tree::String(text)) => {
                known.push_str(text);
            }
            (_, Some(known), value) => *known = value.clone(),
            (_, None, value) => drop(block.insert(key.clone(), value.clone())),
        }
    }
}

/// The message of a model that said this and called these.
pub(super) fn assistant(said: &Said, calls: &Calls) -> Vec<u8> {
    let mut json = [br#"{"role":"assistant","content":"#.as_slice(), &said.write_content()].concat();
    for (key, value) in said.write_members() {
        json.extend_from_slice(format!(r#","{key}":"#).as_bytes());
        json.extend_from_slice(&value);
    }
    json.extend_from_slice(br#","tool_calls":["#);
    json.extend_from_slice(&calls.elements().join(&b','));
    json.extend_from_slice(b"]}");
    json
}

/// The message with the result of a call. Results are text in this API.
pub(super) fn result(call_id: &str, answer: Option<&Answer>) -> Vec<u8> {
    let text = match answer {
        Some(answer) => text(answer),
        // Every call has to be answered.
        None => "Error: the tool gave no result".to_owned(),
    };
    json!({"role": "tool", "tool_call_id": call_id, "content": text}).to_string().into_bytes()
}

fn text(answer: &Answer) -> String {
    let parts: Vec<_> = answer
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Image { media_type, .. } => {
                format!("[an image ({media_type}), which cannot be shown in a tool result]")
            }
        })
        .collect();
    let text = parts.join("\n");
    match text.as_str() {
        "" if answer.is_error => "Error: the tool failed".to_owned(),
        "" => "(no output)".to_owned(),
        // The API has no flag for it.
        text if answer.is_error && !text.to_ascii_lowercase().contains("error") => format!("Error: {text}"),
        _ => text,
    }
}

fn quoted(text: &[u8]) -> Vec<u8> {
    [b"\"", text, b"\""].concat()
}
