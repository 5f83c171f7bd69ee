//! What of a request tells which conversation it goes on with, and whether that matters.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
    sync::LazyLock,
};

use memchr::memmem::Finder;

use super::Api;
use crate::json::{Document, Value};

/// The id of the stored response that a Responses request goes on from.
pub fn previous_response(document: &Document) -> Option<Cow<'_, str>> {
    document.get("previous_response_id").and_then(Value::as_str).filter(|id| !id.is_empty())
}

/// Whether a request carries back what its provider may understand only for the account that it was made for: a stored
/// response's id, encrypted reasoning, signed thinking.
///
/// A search for the members' names, so that it may be wrong about a request that only talks about them.
pub fn is_bound(document: &Document) -> bool {
    static NAMES: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
        [r#""previous_response_id""#, r#""encrypted_content""#, r#""signature""#, r#""redacted_thinking""#]
            .map(Finder::new)
    });
    NAMES.iter().any(|name| name.find(document.bytes()).is_some())
}

/// Feeds `hasher` with the text that opened the conversation, its first user message, which all its requests repeat.
/// Returns whether there is one. What clients change from request to request, such as cache marks, is left out.
pub fn opening(api: Api, document: &Document, hasher: &mut impl Hasher) -> bool {
    let is_user = |message: &Value<'_>| message.get("role").and_then(Value::as_str).is_some_and(|role| role == "user");
    let list = match api {
        Api::Messages | Api::Chat => document.get("messages"),
        Api::Responses => document.get("input"),
    };
    let Some(list) = list else { return false };
    let first = match list.is_string() {
        true => Some(list),
        false => list.elements().find(is_user).and_then(|message| message.get("content")),
    };
    let Some(content) = first else { return false };
    match content.as_str() {
        Some(text) => text.hash(hasher),
        None => content.elements().filter_map(|part| part.get("text")?.as_str()).for_each(|text| text.hash(hasher)),
    }
    true
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use bytes::Bytes;

    use super::*;

    fn document(json: &'static str) -> Document {
        Document::parse(Bytes::from_static(json.as_bytes())).unwrap()
    }

    fn digest(api: Api, json: &'static str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        opening(api, &document(json), &mut hasher).then(|| hasher.finish())
    }

    #[test]
    fn all_requests_of_a_conversation_open_alike() {
        for (api, alike, other) in [
            (
                Api::Messages,
                &[
                    r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}]}"#,
                    r#"{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":"x"}]}"#,
                    r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"H\u0069"}]}]}"#,
                ][..],
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Ho"}]}]}"#,
            ),
            (
                Api::Chat,
                &[
                    r#"{"messages":[{"role":"developer","content":"a"},{"role":"user","content":"Hi"}]}"#,
                    r#"{"messages":[{"role":"system","content":"b"},{"role":"user","content":"Hi"},{"role":"user","content":"Ho"}]}"#,
                ],
                r#"{"messages":[{"role":"user","content":"Ho"},{"role":"user","content":"Hi"}]}"#,
            ),
            (
                Api::Responses,
                &[
                    r#"{"input":"Hi"}"#,
                    r#"{"input":[{"type":"message","role":"user","content":"Hi"},{"type":"reasoning","encrypted_content":"x"}]}"#,
                    r#"{"input":[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"input_text","text":"Hi"}]}]}"#,
                ],
                r#"{"input":"Ho"}"#,
            ),
        ] {
            let digests: Vec<_> = alike.iter().map(|json| digest(api, json).unwrap()).collect();
            assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{api:?}");
            assert_ne!(digest(api, other), Some(digests[0]), "{api:?}");
        }
        for json in [r#"{}"#, r#"{"messages":[]}"#, r#"{"messages":[{"role":"assistant","content":"x"}]}"#] {
            assert_eq!(digest(Api::Messages, json), None);
        }
    }

    #[test]
    fn what_may_be_bound_to_an_account_is_found() {
        for (json, bound) in [
            (r#"{"previous_response_id":"resp_1","input":"Hi"}"#, true),
            (r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}]}"#, true),
            (
                r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"Eq"}]}]}"#,
                true,
            ),
            (r#"{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"Eq"}]}]}"#, true),
            (r#"{"messages":[{"role":"user","content":"what is a \"signature\"?"}]}"#, false),
            (r#"{"input":"Hi","store":true}"#, false),
        ] {
            assert_eq!(is_bound(&document(json)), bound, "{json}");
        }
    }

    #[test]
    fn a_previous_response_is_named_by_a_string() {
        assert_eq!(previous_response(&document(r#"{"previous_response_id":"resp_1"}"#)).as_deref(), Some("resp_1"));
        for json in [r#"{"previous_response_id":null}"#, r#"{"previous_response_id":""}"#, r#"{}"#] {
            assert_eq!(previous_response(&document(json)), None);
        }
    }
}
