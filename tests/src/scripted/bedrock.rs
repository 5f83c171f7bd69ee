//! Amazon Bedrock, from the transcripts of Messages.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Wire;
use crate::{Reply, Script, aws, exception, frames};

/// What a call of `InvokeModel` asks for.
pub(super) struct Call {
    pub(super) model: String,
    pub(super) streamed: bool,
}

impl Call {
    /// Reads `/model/{id}/invoke` and `/model/{id}/invoke-with-response-stream`.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let (model, operation) = path.strip_prefix("/model/")?.split_once('/')?;
        let streamed = match operation {
            "invoke" => false,
            "invoke-with-response-stream" => true,
            _ => return None,
        };
        Some(Self { model: aws::decoded(model), streamed })
    }

    /// What Bedrock has against this body, which Anthropic itself would have taken.
    pub(super) fn objection(&self, body: &Value) -> Option<String> {
        const REFUSED: [&str; 8] =
            ["betas", "container", "inference_geo", "metadata", "model", "service_tier", "stream", "thread"];
        const FLAGS: [&str; 2] = ["interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"];
        let body = body.as_object()?;
        let old = self.model.contains("-4-5");
        if let Some(extra) = REFUSED.iter().find(|name| body.contains_key(**name)) {
            return Some(format!("{extra}: Extra inputs are not permitted"));
        }
        if !body.get("anthropic_version").is_some_and(Value::is_string) {
            return Some("anthropic_version: Field required".to_owned());
        }
        let mut flags = body.get("anthropic_beta").and_then(Value::as_array).into_iter().flatten();
        if flags.any(|flag| !flag.as_str().is_some_and(|flag| FLAGS.contains(&flag))) {
            return Some("invalid beta flag".to_owned());
        }
        match body.get("thinking").and_then(|thinking| thinking["type"].as_str()) {
            Some("adaptive") if old => Some("adaptive thinking is not supported on this model".to_owned()),
            Some("enabled") if !old => Some("\"thinking.type.enabled\" is not supported for this model".to_owned()),
            _ => None,
        }
    }
}

/// How Bedrock sends what Anthropic sends as events.
pub(super) const WIRE: Wire = Wire { head, event };

fn head(reply: &Reply) -> Script {
    if reply.status != 200 {
        error(reply.status, "refused in the transcript")
    } else if reply.streamed {
        Script::chunked(200)
            .field("Content-Type", "application/vnd.amazon.eventstream")
            .field("x-amzn-RequestId", "amzn-scripted")
    } else {
        Script::json(200, reply.body.clone()).field("x-amzn-RequestId", "amzn-scripted")
    }
}

fn event(event: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(event);
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    match data["error"]["message"].as_str() {
        Some(message) => exception("serviceUnavailableException", message),
        None => frames(event).concat().into(),
    }
}

/// An error as Bedrock words it.
pub(super) fn error(status: u16, message: &str) -> Script {
    let (status, kind) = match status {
        400 => (400, "ValidationException"),
        403 => (403, "AccessDeniedException"),
        404 => (404, "ResourceNotFoundException"),
        429 => (429, "ThrottlingException"),
        503 | 529 => (503, "ServiceUnavailableException"),
        _ => (500, "InternalServerException"),
    };
    let script = Script::json(status, json!({"message": message}).to_string());
    script.field("x-amzn-ErrorType", kind).field("x-amzn-RequestId", "amzn-scripted")
}
