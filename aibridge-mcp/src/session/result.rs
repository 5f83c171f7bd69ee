use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, ResourceContents};
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
    match result {
        Ok(result) => {
            let failed = result.is_error == Some(true);
            let content = content(result, max);
            let error = failed.then(|| {
                let text: Vec<String> = content.iter().map(ToString::to_string).collect();
                let text = text.join("\n");
                text[..text.floor_char_boundary(MAX_ERROR)].to_owned()
            });
            Outcome::new(content, error, since.elapsed())
        }
        Err(failure) => {
            let text = format!("The tool call failed: {failure}.");
            Outcome::new(vec![Content::Text(text)], Some(failure.to_string()), since.elapsed())
        }
    }
}

/// The result as text and images, no more than `max` bytes of them.
fn content(result: CallToolResult, max: usize) -> Vec<Content> {
    let mut room = Room { left: max, max, full: false, content: Vec::new() };
    let mut has_text = false;
    for block in result.content {
        if room.full {
            break;
        }
        has_text |= !matches!(block, ContentBlock::Image(_) | ContentBlock::Audio(_));
        match block {
            ContentBlock::Text(text) => room.text(text.text),
            ContentBlock::Image(image) => room.image(image.mime_type, image.data),
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
    // Servers are to repeat it as text; some do not.
    if let (false, Some(structured)) = (has_text, result.structured_content) {
        room.text(structured.to_string());
    }
    if room.content.is_empty() {
        room.text("[the tool returned nothing]".to_owned());
    }
    room.content
}

struct Room {
    left: usize,
    max: usize,
    /// Something has been cut: what comes after it would be misread.
    full: bool,
    content: Vec<Content>,
}

impl Room {
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

    fn image(&mut self, media_type: String, base64: String) {
        let bytes = base64.len();
        if bytes > self.left {
            let note = format!("[image, {media_type}: left out, the result is larger than {} bytes]", self.max);
            self.content.push(Content::Text(note));
            return;
        }
        self.left -= bytes;
        self.content.push(Content::Image { media_type, base64 });
    }

    fn resource(&mut self, resource: ResourceContents) {
        match resource {
            ResourceContents::TextResourceContents { uri, text, .. } => self.text(format!("{uri}\n{text}")),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => match mime_type {
                Some(image) if image.starts_with("image/") => {
                    self.text(uri);
                    self.image(image, blob);
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
