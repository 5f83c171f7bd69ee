use chrono::DateTime;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::auth::{Actor, AuthError};

/// Claims that may hold the username, the first one first.
const USERNAME: [&str; 4] = ["preferred_username", "email", "name", "sub"];
/// Claims that are kept as metadata.
const METADATA: [&str; 4] = ["email", "name", "groups", "roles"];

/// How verified claims name a user.
#[derive(Default)]
pub(super) struct ClaimNames {
    /// Looked at before [`USERNAME`].
    pub(super) username: Option<String>,
    /// Kept as `email`, in place of the claim of that name.
    pub(super) email: Option<String>,
}

impl ClaimNames {
    /// The actor of verified claims.
    pub(super) fn actor(&self, claims: &Map<String, Value>) -> Result<Actor, AuthError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        let (Some(issuer), Some(subject)) = (text("iss"), text("sub")) else { return Err(AuthError::Unknown) };
        let username = self.username.as_deref().into_iter().chain(USERNAME).find_map(text).unwrap_or(subject);
        let metadata = METADATA
            .into_iter()
            .filter_map(|name| {
                let claim = if name == "email" { self.email.as_deref().unwrap_or(name) } else { name };
                Some((name, claims.get(claim)?))
            })
            .filter(|(_, value)| !value.is_null() && **value != "")
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        let actor = Actor::new(id(issuer, subject), username).metadata(metadata);
        Ok(match claims.get("exp").and_then(seconds).and_then(|exp| DateTime::from_timestamp(exp, 0)) {
            Some(at) => actor.expires_at(at),
            None => actor,
        })
    }
}

/// A subject is unique within its issuer (RFC 7519, section 4.1.2). NUL keeps the two apart: it is in no URL.
fn id(issuer: &str, subject: &str) -> Uuid {
    Uuid::try_parse(subject)
        .unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{issuer}\0{subject}").as_bytes()))
}

/// A `NumericDate`, which may have a fraction (RFC 7519, section 2).
#[expect(clippy::cast_possible_truncation, reason = "truncation is meant, and saturates")]
fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}
