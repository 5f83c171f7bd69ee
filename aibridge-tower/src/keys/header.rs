use aibridge_providers::{
    api::{Reason, Refusal},
    provider::{Instance, Kind},
};
use http::{HeaderName, HeaderValue, header};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// The header that carries the instance's key at that place, if one does.
pub(super) fn of(instance: &Instance, slot: usize) -> Result<Option<(HeaderName, HeaderValue)>, Refusal> {
    let Some(key) = instance.keys.get(slot).filter(|_| instance.kind != Kind::Bedrock) else { return Ok(None) };
    let (name, value) = match instance.kind {
        Kind::Anthropic => (X_API_KEY, HeaderValue::from_str(key.expose())),
        Kind::Azure => (API_KEY, HeaderValue::from_str(key.expose())),
        _ => (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", key.expose()))),
    };
    let mut value = value.map_err(|_| {
        let message = format!("aibridge: a key of provider {:?} cannot be sent in a header", instance.name);
        Refusal::new(Reason::Internal, message)
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// What a user is told who has not brought the credential that only users have.
pub(super) fn only_own() -> Refusal {
    let message = "aibridge: this provider is used with your own credential; send it in Authorization, and the gateway \
                   token in X-Coder-AI-Governance-Token";
    Refusal::new(Reason::Unauthenticated, message)
}
