use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api::{self, UsageSource, wire::lenient},
    json::{Spliced, Value},
};

/// `usage` of a chunk or of a whole completion.
#[derive(Deserialize)]
pub(super) struct Usage {
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default, deserialize_with = "lenient")]
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for the cached tokens.
    #[serde(default, deserialize_with = "lenient")]
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct PromptDetails {
    #[serde(default, deserialize_with = "lenient")]
    cached_tokens: Option<u64>,
    /// Reported by providers that bill cache writes.
    #[serde(default, deserialize_with = "lenient")]
    cache_write_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    audio_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct CompletionDetails {
    #[serde(default, deserialize_with = "lenient")]
    reasoning_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    audio_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    accepted_prediction_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    rejected_prediction_tokens: Option<u64>,
}

impl Usage {
    /// Replaces what is known: of several figures the last counts. Figures without tokens are none.
    pub(super) fn apply(self, source: UsageSource, usage: &mut api::Usage) {
        if self.prompt_tokens.is_none() && self.completion_tokens.is_none() {
            return;
        }
        let prompt = self.prompt_tokens_details.unwrap_or_default();
        let completion = self.completion_tokens_details.unwrap_or_default();
        let cache_read = prompt.cached_tokens.or(self.prompt_cache_hit_tokens).unwrap_or(0);
        let cache_write = prompt.cache_write_tokens.unwrap_or(0);
        let input = self.prompt_tokens.unwrap_or(0);
        *usage = api::Usage {
            input: input.saturating_sub(cache_read).saturating_sub(cache_write),
            output: self.completion_tokens.unwrap_or(0),
            cache_read,
            cache_write,
            source,
            ..api::Usage::default()
        };
        usage.extra("prompt_audio", prompt.audio_tokens);
        usage.extra("completion_audio", completion.audio_tokens);
        usage.extra("completion_reasoning", completion.reasoning_tokens);
        usage.extra("completion_accepted_prediction", completion.accepted_prediction_tokens);
        usage.extra("completion_rejected_prediction", completion.rejected_prediction_tokens);
    }
}

/// The request with `stream_options.include_usage` set, without which a stream brings no usage.
///
/// `None` if nothing is to be changed: the request asks for no stream, says itself whether it wants the usage, or has
/// `stream_options` that are neither an object nor `null`. Only the bytes of `stream_options` differ. Changes made before
/// stay; they must not be in `stream` or `stream_options`.
///
/// ```
/// use aibridge_providers::{api::chat, json::{Document, Spliced}};
///
/// let request = Document::parse(r#"{"stream":true, "model":"m"}"#.into())?;
/// let edited = chat::ask_for_usage(Spliced::new(&request)).expect("a stream that brings no usage");
/// assert_eq!(edited.document().bytes(), r#"{"stream":true, "model":"m","stream_options":{"include_usage":true}}"#);
/// # Ok::<(), aibridge_providers::json::JsonError>(())
/// ```
pub fn ask_for_usage(request: Spliced) -> Option<Spliced> {
    let sent = request.before().clone();
    if !sent.get("stream").is_some_and(Value::is_true) {
        return None;
    }
    match sent.get("stream_options") {
        None => Some(request.with_member(&Bytes::from_static(br#","stream_options":{"include_usage":true}"#))),
        Some(null) if null.is_null() => {
            Some(request.with_value_changed(sent.span(null), Bytes::from_static(br#"{"include_usage":true}"#)))
        }
        Some(options) if options.is_object() && options.get("include_usage").is_none() => {
            Some(request.with_member_in(options, r#""include_usage":true"#))
        }
        Some(_) => None,
    }
}

/// Whether an event's data is the chunk that only brings the usage: the one which [`ask_for_usage`] causes, and which
/// is kept from a client that has not asked for it.
pub fn is_usage_chunk(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow, default, deserialize_with = "lenient")]
        choices: Option<Vec<&'a RawValue>>,
        #[serde(borrow, default, deserialize_with = "lenient")]
        usage: Option<&'a RawValue>,
    }

    // Asked of every event: those without figures are not parsed.
    memchr::memmem::find(data, b"prompt_tokens").is_some()
        && serde_json::from_slice::<Chunk<'_>>(data).is_ok_and(|chunk| {
            chunk.choices.is_some_and(|choices| choices.is_empty())
                && chunk.usage.is_some_and(|usage| usage.get().starts_with('{'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn usage_is_asked_for_where_the_client_left_it_open() {
        for (request, edited) in [
            (
                r#"{"stream":true,"stream_options":{"a":1 },"x":1.50}"#,
                Some(r#"{"stream":true,"stream_options":{"a":1,"include_usage":true },"x":1.50}"#),
            ),
            (
                r#"{"stream":true,"stream_options": { } }"#,
                Some(r#"{"stream":true,"stream_options": {"include_usage":true } }"#),
            ),
            (
                r#"{"stream_options":null,"stream":true}"#,
                Some(r#"{"stream_options":{"include_usage":true},"stream":true}"#),
            ),
            (r#"{"stream":true}"#, Some(r#"{"stream":true,"stream_options":{"include_usage":true}}"#)),
            (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, None),
            (r#"{"stream":true,"stream_options":{"include_usage":false}}"#, None),
            (r#"{"stream":true,"stream_options":7}"#, None),
            (r#"{"stream":"true"}"#, None),
            (r#"{"stream":false}"#, None),
            ("{}", None),
        ] {
            let document = Document::parse(request.into()).unwrap();
            let asked = ask_for_usage(Spliced::new(&document));
            let bytes = asked.as_ref().map(|asked| asked.document().bytes());
            assert_eq!(bytes.map(|bytes| &bytes[..]), edited.map(str::as_bytes), "{request}: {asked:?}");
        }
    }

    #[test]
    fn only_the_extra_chunk_is_a_usage_chunk() {
        for (data, expected) in [
            (r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#, true),
            (r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#, false),
            (r#"{"choices":[],"usage":null,"prompt_filter_results":[{"a":"prompt_tokens"}]}"#, false),
            (r#"{"usage":{"prompt_tokens":1}}"#, false),
            ("[DONE]", false),
            ("prompt_tokens", false),
        ] {
            assert_eq!(is_usage_chunk(data.as_bytes()), expected, "{data}");
        }
    }
}
