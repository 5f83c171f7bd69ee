//! The next round's request.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::list;
use crate::{
    api::tools::{Answer, Call, Part},
    json::{Document, Edits, Value},
};

/// The media types that the API takes, after <https://platform.openai.com/docs/guides/images-vision>.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// `sent` with the reply's items and the results of the calls. A conversation that the provider holds has the items
/// already.
pub(super) fn next(sent: &Document, items: Vec<Bytes>, outputs: &[String]) -> Bytes {
    let mut edits = Edits::new(sent);
    let outputs = outputs.iter().map(|output| Bytes::copy_from_slice(output.as_bytes()));
    if sent.get("conversation").is_some_and(|conversation| !conversation.is_null()) {
        edits.set(sent.root(), "input", list::array(outputs));
        return edits.apply();
    }
    let added = items.into_iter().chain(outputs);
    match sent.get("input") {
        Some(input) if input.is_array() => added.for_each(|item| edits.append(input, item)),
        input => {
            let prompt = input.filter(|input| input.is_string()).map(|text| message(text).into());
            edits.set(sent.root(), "input", list::array(prompt.into_iter().chain(added)));
        }
    }
    edits.apply()
}

/// The message as which the API takes an input that is a string.
pub(super) fn message(text: Value<'_>) -> Vec<u8> {
    [br#"{"role":"user","content":"#, text.text(), b"}"].concat()
}

/// The items that answer the calls, in their order.
pub(super) fn outputs(calls: &[Call], answers: &[Answer]) -> Vec<String> {
    let answer = |call: &Call| answers.iter().find(|answer| answer.call_id == call.id);
    calls
        .iter()
        .map(|call| {
            json!({"type": "function_call_output", "call_id": call.id, "output": output(answer(call))}).to_string()
        })
        .collect()
}

/// A text, or a list of parts if there are images. The API has no flag for an error, so it is said.
fn output(answer: Option<&Answer>) -> Json {
    // Every call has to be answered.
    let Some(answer) = answer else { return "Error: the tool gave no result".into() };
    let texts: Vec<_> = answer.parts.iter().map(|part| if let Part::Text(text) = part { text } else { "" }).collect();
    let says_so = texts.iter().any(|text| text.to_ascii_lowercase().contains("error"));
    let error = if answer.is_error && !says_so { "Error: " } else { "" };
    if answer.parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return match texts.join("\n") {
            text if !text.is_empty() => format!("{error}{text}").into(),
            _ if answer.is_error => "Error: the tool failed".into(),
            _ => "(no output)".into(),
        };
    }
    let error = (!error.is_empty()).then(|| json!({"type": "input_text", "text": "Error:"}));
    let parts = answer.parts.iter().map(|part| match part {
        Part::Text(text) => json!({"type": "input_text", "text": text}),
        // The API refuses a request with any other.
        Part::Image { media_type, .. } if !IMAGES.contains(&media_type.as_str()) => {
            json!({"type": "input_text", "text": format!("[an image of type {media_type}, which cannot be shown here]")})
        }
        Part::Image { media_type, base64 } => {
            json!({"type": "input_image", "image_url": format!("data:{media_type};base64,{base64}")})
        }
    });
    error.into_iter().chain(parts).collect()
}
