use base64::{Engine as _, engine::general_purpose::STANDARD};
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;
use tokio::time::Instant;

use crate::{Content, Outcome, failure::Failure};

/// How much of an error the records get, in bytes. The model gets all of it.
const MAX_ERROR: usize = 4 * 1024;

/// What a call came to, for the model and the records.
pub(crate) fn outcome(called: Result<CallToolResponse, Failure>, since: Instant, max: usize) -> Outcome {
    let result = called.and_then(|response| match response {
        CallToolResponse::Complete(result) => Ok(result),
        _ => Err(Failure::InputRequired),
    });
    let (content, error) = match result {
        Ok(result) => {
            let failed = result.is_error == Some(true);
            let content = content(result, max);
            let text = || content.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let error = failed.then(text);
            (content, error)
        }
        Err(failure) => {
            let mut room = Room::new(max);
            room.text(format!("The tool call failed: {failure}."));
            (room.content, Some(failure.to_string()))
        }
    };
    let error = error.map(|mut error| {
        error.truncate(error.floor_char_boundary(MAX_ERROR));
        error
    });
    Outcome::new(content, error, since.elapsed())
}

/// The result as text and images, no more than `max` bytes of them.
fn content(result: CallToolResult, max: usize) -> Vec<Content> {
    let mut room = Room::new(max);
    // Servers should repeat it as text; some do not, or only tell of it.
    let structured = result.structured_content.filter(|it| !it.is_null() && !repeated(&result.content, it));
    for block in result.content {
        if room.full {
            break;
        }
        match block {
            ContentBlock::Text(text) => room.text(text.text),
            ContentBlock::Image(image) => room.image(&image.mime_type, image.data),
            ContentBlock::Audio(audio) => room.text(format!("[audio, {}: cannot be shown]", audio.mime_type)),
            ContentBlock::Resource(embedded) => room.resource(embedded.resource),
            ContentBlock::ResourceLink(link) => {
                let mut text = format!("{}: {}", link.name, link.uri);
                if let Some(description) = link.description {
                    text = format!("{text}\n{description}");
                }
                room.text(text);
            }
            _ => room.text("[content of an unknown type]".to_owned()),
        }
    }
    if let (false, Some(structured)) = (room.full, structured) {
        room.text(structured.to_string());
    }
    if room.content.is_empty() {
        room.text("[the tool returned nothing]".to_owned());
    }
    room.content
}

/// Whether the texts say all that is in the structured content.
///
/// They do if one is its JSON. The Python SDK wraps what is not an object as `{"result": ..}` and has the text of what is
/// wrapped: a string as it is, of a list a text for each item.
fn repeated(content: &[ContentBlock], structured: &Value) -> bool {
    let texts: Vec<&str> = content.iter().filter_map(|block| Some(&*block.as_text()?.text)).collect();
    let says = |text: &str, value: &Value| {
        value.as_str() == Some(text) || serde_json::from_str(text).is_ok_and(|text: Value| text == *value)
    };
    let said = |value: &Value| texts.iter().any(|text| says(text, value));
    let wrapped = structured.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("result"));
    let items = wrapped.and_then(Value::as_array).filter(|items| !items.is_empty() && items.len() == texts.len());
    said(structured)
        || wrapped.is_some_and(said)
        || items.is_some_and(|items| texts.iter().zip(items).all(|(text, item)| says(text, item)))
}

/// What the image is, of the formats that providers take. They look, too, and refuse what it is not.
fn media_type(image: &[u8]) -> Option<&'static str> {
    match image {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

struct Room {
    left: usize,
    max: usize,
    /// Something has been cut: what comes after it would be misread.
    full: bool,
    content: Vec<Content>,
}

impl Room {
    fn new(max: usize) -> Room {
        Room { left: max, max, full: false, content: Vec::new() }
    }

    fn text(&mut self, mut text: String) {
        let bytes = text.len();
        if bytes > self.left {
            text.truncate(text.floor_char_boundary(self.left));
            text.push_str(&format!("\n[cut: the result is larger than {} bytes]", self.max));
            self.full = true;
        }
        self.left = self.left.saturating_sub(bytes);
        self.content.push(Content::Text(text));
    }

    /// The image, if providers take it: a request with one they refuse would be the end of the user's turn.
    fn image(&mut self, said: &str, base64: String) {
        let bytes = base64.len();
        if bytes > self.left {
            self.text(format!("[image, {said}: left out, the result is larger than {} bytes]", self.max));
            return;
        }
        match STANDARD.decode(&base64) {
            Ok(data) if !data.is_empty() => match media_type(&data) {
                Some(media_type) => {
                    self.left -= bytes;
                    self.content.push(Content::Image { media_type: media_type.to_owned(), base64 });
                }
                None => self.text(format!("[image, {said}: cannot be shown]")),
            },
            _ => self.text(format!("[image, {said}: cannot be shown, its data is not base64]")),
        }
    }

    fn resource(&mut self, resource: ResourceContents) {
        match resource {
            ResourceContents::TextResourceContents { uri, text, .. } => self.text(format!("{uri}\n{text}")),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => match mime_type {
                Some(image) if image.starts_with("image/") => {
                    self.text(uri);
                    self.image(&image, blob);
                }
                other => {
                    let media_type = other.unwrap_or_else(|| "of unknown type".to_owned());
                    self.text(format!(
                        "{uri}\n[resource, {media_type}, {} bytes of base64: cannot be shown]",
                        blob.len()
                    ));
                }
            },
            _ => self.text("[a resource of an unknown kind]".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(result: serde_json::Value, max: usize) -> Outcome {
        outcome(Ok(CallToolResponse::Complete(serde_json::from_value(result).unwrap())), Instant::now(), max)
    }

    fn texts(outcome: &Outcome) -> Vec<String> {
        outcome.content.iter().map(ToString::to_string).collect()
    }

    fn text(text: &str) -> serde_json::Value {
        json!({"type": "text", "text": text})
    }

    #[test]
    fn a_result_is_cut_at_every_limit_within_it_and_at_none_beyond() {
        let (a, b) = ("aé€", "\u{1F9F1}b");
        let whole = a.len() + b.len();
        for max in 0..whole {
            let texts = texts(&of(json!({"content": [text(a), text(b), text("more")]}), max));
            let note = format!("\n[cut: the result is larger than {max} bytes]");
            let kept: String = texts.iter().map(|text| text.strip_suffix(&note).unwrap_or(text)).collect();
            assert!(
                kept.len() <= max && max - kept.len() < 4 && [a, b].concat().starts_with(&kept),
                "{max}: {texts:?}"
            );
            assert_eq!(texts.iter().filter(|text| text.ends_with(&note)).count(), 1);
        }
        assert_eq!(texts(&of(json!({"content": [text(a), text(b)]}), whole)), [a, b]);
    }

    #[test]
    fn structured_content_is_given_unless_a_text_is_the_same() {
        let image = json!({"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo="});
        let link = json!({"type": "resource_link", "uri": "file:///b", "name": "b"});
        let structured = json!({"a": [1], "b": 2});
        let given = r#"{"a":[1],"b":2}"#;
        for (content, texts_of) in [
            (json!([]), vec![given]),
            (json!([image]), vec!["[image/png]", given]),
            (json!([link]), vec!["b: file:///b", given]),
            (json!([text("one a")]), vec!["one a", given]),
            (json!([text(r#"{"a":[1]}"#)]), vec![r#"{"a":[1]}"#, given]),
            (json!([text("see:"), text("{\"b\": 2,\n\"a\": [1]}")]), vec!["see:", "{\"b\": 2,\n\"a\": [1]}"]),
        ] {
            assert_eq!(texts(&of(json!({"content": content, "structuredContent": structured}), 100)), texts_of);
        }
        assert_eq!(texts(&of(json!({"structuredContent": structured}), 100)), [given]);
        // Some servers write what they do not have.
        assert_eq!(texts(&of(json!({"content": [text("a")], "structuredContent": null}), 100)), ["a"]);
        assert_eq!(texts(&of(json!({"content": []}), 100)), ["[the tool returned nothing]"]);
    }

    #[test]
    fn what_the_python_sdk_wraps_is_given_once() {
        for (content, result, repeated) in [
            (json!([text("two\nlines")]), json!("two\nlines"), true),
            (json!([text("7")]), json!(7), true),
            (json!([text("a"), text("{\n  \"b\": 1\n}")]), json!(["a", {"b": 1}]), true),
            (json!([text("[1]")]), json!([1]), true),
            (json!([text("a")]), json!(["a", "b"]), false),
            (json!([text("a"), text("c")]), json!(["a", "b"]), false),
            (json!([text("7 days")]), json!(7), false),
            (json!([]), json!([]), false),
        ] {
            let told = texts(&of(json!({"content": content, "structuredContent": {"result": result}}), 100));
            assert_eq!(told.len(), content.as_array().unwrap().len() + usize::from(!repeated), "{told:?}");
        }
        let more = json!({"content": [text("a")], "structuredContent": {"result": "a", "more": 1}});
        assert_eq!(texts(&of(more, 100)).len(), 2);
    }

    #[test]
    fn structured_content_counts_for_the_limit_and_comes_not_after_a_cut() {
        let note = |max: usize| format!("\n[cut: the result is larger than {max} bytes]");
        let result = json!({"content": [text("12345")], "structuredContent": {"a": 1}});
        assert_eq!(texts(&of(result.clone(), 12)), ["12345", r#"{"a":1}"#]);
        assert_eq!(texts(&of(result.clone(), 11)), ["12345".to_owned(), format!(r#"{{"a":1{}"#, note(11))]);
        assert_eq!(texts(&of(result, 4)), [format!("1234{}", note(4))]);
        // One that is repeated by a text that is cut is not given again.
        let result = json!({"content": [text(r#"{"a":1}"#)], "structuredContent": {"a": 1}});
        assert_eq!(texts(&of(result, 6)), [format!(r#"{{"a":1{}"#, note(6))]);
    }

    #[test]
    fn images_that_providers_would_refuse_are_told_of_in_words() {
        let image = |media_type: &str, data: &str| {
            let result = json!({"content": [{"type": "image", "mimeType": media_type, "data": data}]});
            let [content] = &of(result, 100).content[..] else { panic!("one part") };
            content.clone()
        };
        let gif = "R0lGODlhAQABAA==";
        for wrong in ["", "====", "R0lGODlhAQABAA", "R0lGODlhAQABAB==", " R0lGODlh", "R0lG\nODlh", "R0lGODlh====", "é"]
        {
            let told = "[image, image/gif: cannot be shown, its data is not base64]";
            assert_eq!(image("image/gif", wrong), Content::Text(told.into()), "{wrong:?}");
        }
        // Providers look at the data, and refuse a type that is not what it says.
        for (data, is) in [
            ("iVBORw0KGgo=", "image/png"),
            ("/9j/4A==", "image/jpeg"),
            (gif, "image/gif"),
            ("UklGRgAAAABXRUJQ", "image/webp"),
        ] {
            for said in [is, "image/png", "IMAGE/JPEG", "image/jpg", ""] {
                assert_eq!(image(said, data), Content::Image { media_type: is.into(), base64: data.into() });
            }
        }
        for (said, data) in [("image/svg+xml", "PHN2Zz4="), ("image/png", "iVBO"), ("image/webp", "UklGRgAAAABXQVZF")] {
            assert_eq!(image(said, data), Content::Text(format!("[image, {said}: cannot be shown]")));
        }
        // The same for resources; and a note is not without limit either.
        let svg = json!({"uri": "file:///a", "mimeType": "image/svg+xml", "blob": "PHN2Zz4="});
        let resource = of(json!({"content": [{"type": "resource", "resource": svg}]}), 100);
        assert_eq!(texts(&resource), ["file:///a", "[image, image/svg+xml: cannot be shown]"]);
        let Content::Text(told) = image(&"x".repeat(200), "") else { panic!("no image") };
        assert_eq!(told.strip_suffix("\n[cut: the result is larger than 100 bytes]").map(str::len), Some(100));
    }

    #[test]
    fn the_error_is_the_text_of_the_result_and_no_longer_than_records_take() {
        let failed = of(json!({"content": [text("no"), text("way")], "isError": true}), 100);
        assert_eq!(failed.error.as_deref(), Some("no\nway"));
        assert_eq!(of(json!({"content": [text("no")], "isError": false}), 100).error, None);
        let long = Failure::Rpc { code: -1, message: "é".repeat(10_000).into() };
        let failed = outcome(Err(long), Instant::now(), 100);
        assert_eq!(failed.error.unwrap().len(), MAX_ERROR - 1);
        assert!(failed.content[0].to_string().ends_with("\n[cut: the result is larger than 100 bytes]"));
    }
}
