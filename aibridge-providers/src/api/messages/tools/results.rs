//! The messages that a round adds to the conversation.

use serde_json::{Value, json};

use super::{block::Block, drafts::array};
use crate::{
    api::tools::{Answer, Part},
    json,
};

/// The media types that the API takes, after <https://docs.claude.com/en/docs/build-with-claude/vision>.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The reply as a message.
pub(super) fn assistant(blocks: &[Block]) -> Vec<u8> {
    // A model may begin a text and write none, which comes back from it but must not be sent to it.
    let content: Vec<_> = blocks.iter().filter(|block| !block.is_blank()).map(|block| &block.json).collect();
    message("assistant", &content)
}

/// A message with `content`, an array of blocks.
pub(super) fn message<T: AsRef<[u8]>>(role: &str, content: &[T]) -> Vec<u8> {
    [format!("{{\"role\":\"{role}\",\"content\":").as_bytes(), &array(content), b"}"].concat()
}

/// Whether the reply can be part of a request: arrays and objects may be nested no deeper than a [`Document`] allows.
///
/// [`Document`]: crate::json::Document
pub(super) fn can_be_sent(blocks: &[Block]) -> bool {
    json::Value::of(&[b"[[", &*assistant(blocks), b"]]"].concat()).is_some()
}

/// The results of the injected tools that `blocks` call, in the order of the calls. There is one for each call: the
/// provider refuses a request without.
pub(super) fn results(blocks: &[Block], answers: &[Answer]) -> Vec<String> {
    let calls = blocks.iter().filter_map(Block::call);
    calls.map(|call| result(&call.id, answers.iter().find(|answer| answer.call_id == call.id))).collect()
}

fn result(id: &str, answer: Option<&Answer>) -> String {
    let is_error = answer.is_none_or(|answer| answer.is_error);
    let mut content: Vec<Value> =
        answer.into_iter().flat_map(|answer| &answer.parts).filter_map(|it| part(it, is_error)).collect();
    if is_error && content.is_empty() {
        // An error must not be empty.
        content.push(json!({"type": "text", "text": "The tool gave no result."}));
    }
    let mut result = json!({"type": "tool_result", "tool_use_id": id});
    if !content.is_empty() {
        result["content"] = content.into();
    }
    if is_error {
        result["is_error"] = true.into();
    }
    result.to_string()
}

/// A part of a result, as content. That of an error may only be text.
fn part(part: &Part, is_error: bool) -> Option<Value> {
    match part {
        // Empty text is refused.
        Part::Text(text) if text.trim_ascii().is_empty() => None,
        Part::Text(text) => Some(json!({"type": "text", "text": text})),
        Part::Image { media_type, base64 } if !is_error && IMAGES.contains(&media_type.as_str()) => {
            Some(json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": base64}}))
        }
        Part::Image { media_type, .. } => Some(
            json!({"type": "text", "text": format!("[an image of type {media_type}, which cannot be shown here]")}),
        ),
    }
}
