//! From bytes to an [`AiBody`], or to a refusal.

use aibridge_providers::{
    api::{Api, Facts, Reason, Refusal},
    bedrock::NativeCall,
    client,
    encoding::{self, EncodingError},
    json::Document,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::AiBody;
use crate::collect::CollectError;

/// `native` is the call that the path makes of a body in Bedrock's form, which names no model.
pub(super) fn understand(
    api: Api,
    native: Option<&NativeCall>,
    headers: &HeaderMap,
    body: Bytes,
    limit: usize,
) -> Result<AiBody, Refusal> {
    let decoded = match headers.contains_key(header::CONTENT_ENCODING) {
        true => {
            encoding::decode(&codings(headers)?, body.clone(), limit).map_err(|error| undecodable(&error, limit))?
        }
        false => body.clone(),
    };
    let document = Document::parse(decoded).map_err(|error| {
        let message = format!("aibridge: the request's body must be a json object: {error}");
        Refusal::new(Reason::InvalidRequest, message)
    })?;
    let mut facts = Facts::read(api, &document);
    if let Some(call) = native {
        facts.model = Some(call.model.clone());
        facts.streaming = call.streaming;
    }
    let caller = client::detect(headers, facts.user_id.as_deref());
    Ok(AiBody::new(api, body, document, facts, caller))
}

/// The values of `Content-Encoding` as one list (RFC 9110, section 5.3).
fn codings(headers: &HeaderMap) -> Result<String, Refusal> {
    let values: Result<Vec<&str>, _> =
        headers.get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::to_str).collect();
    match values {
        Ok(values) => Ok(values.join(",")),
        Err(_) => Err(Refusal::new(Reason::UnsupportedEncoding, "aibridge: the content encoding is not readable")),
    }
}

fn undecodable(error: &EncodingError, limit: usize) -> Refusal {
    match error {
        EncodingError::Unknown(_) | EncodingError::TooMany => Refusal::new(
            Reason::UnsupportedEncoding,
            format!("aibridge: {error}; use gzip, deflate, br or zstd, at most two of them"),
        ),
        EncodingError::TooLarge => too_large(limit),
        error => Refusal::new(Reason::InvalidRequest, format!("aibridge: {error}")),
    }
}

/// The whole of `body`, or what the client is told.
#[cfg(feature = "bedrock")]
pub(crate) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<crate::BoxError>,
{
    crate::collect::Collect::new(body, limit).await.map_err(|(_, error)| not_collected(error, limit))
}

fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "aibridge: the request's body is larger than the {limit} bytes this gateway takes (or expands beyond reason); \
         shorten the conversation, or ask the administrator to raise the limit"
    );
    Refusal::new(Reason::TooLarge, message)
}

pub(super) fn not_collected(error: CollectError, limit: usize) -> Refusal {
    match error {
        CollectError::TooLarge => too_large(limit),
        CollectError::Broken(cause) => {
            tracing::debug!(%cause, "a request's body broke off");
            Refusal::new(Reason::InvalidRequest, "aibridge: the request's body broke off")
        }
    }
}
