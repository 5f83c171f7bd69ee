//! What a token endpoint answers.

use std::time::Duration;

use aibridge_store::external_auth::Tokens;
use chrono::{TimeDelta, Utc};
use oauth2::{
    AccessToken, RefreshToken, RequestTokenError, Scope, TokenResponse,
    basic::{BasicErrorResponse, BasicTokenType},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::call::CallError;

/// New tokens: RFC 6749, section 5.1, and what providers make of it: no `token_type`, or one of their own; `expires_in` as
/// text or with decimals, or 0 for never; an empty `refresh_token`; Slack's `authed_user` around a user's own token.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "Answer")]
pub(super) struct Granted {
    access_token: AccessToken,
    #[serde(skip)]
    token_type: BasicTokenType,
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<AccessToken>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
    authed_user: Option<Value>,
}

impl TryFrom<Answer> for Granted {
    type Error = &'static str;

    fn try_from(answer: Answer) -> Result<Granted, &'static str> {
        let Answer { access_token, expires_in, refresh_token, authed_user } = answer;
        if let Some(access_token) = access_token.filter(|token| !token.secret().is_empty()) {
            return Ok(Granted { access_token, token_type: BasicTokenType::Bearer, expires_in, refresh_token });
        }
        let own = authed_user.and_then(|own| serde_json::from_value::<Answer>(own).ok());
        own.map_or(Err("there is no access token"), Granted::try_from)
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
        _ => return Ok(None),
    };
    let text = text.trim();
    let decimal = || Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let seconds = text.parse().ok().or_else(|| decimal().map(|seconds| seconds.as_secs()));
    Ok(seconds.filter(|&seconds| seconds > 0))
}

impl TokenResponse for Granted {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref().filter(|token| !token.secret().is_empty())
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl Granted {
    pub(super) fn tokens(&self) -> Tokens {
        let lifetime = self.expires_in().and_then(|lifetime| TimeDelta::from_std(lifetime).ok());
        Tokens {
            access: self.access_token.secret().as_str().into(),
            refresh: self.refresh_token().map(|token| token.secret().as_str().into()),
            expires_at: lifetime.and_then(|lifetime| Utc::now().checked_add_signed(lifetime)),
        }
    }
}

/// Why there are no new tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    /// The provider said so, with this code of RFC 6749 or its own.
    #[error("the provider answered {0}")]
    Refused(String),
    /// The provider could not be asked, or not be understood.
    #[error("the provider could not be asked: {0}")]
    Unavailable(String),
}

impl GrantError {
    /// Whether the user has to link again. What providers say of a refresh token that is expired, used or revoked.
    pub(super) fn is_final(&self) -> bool {
        const FINAL: [&str; 4] = ["invalid_grant", "bad_refresh_token", "invalid_refresh_token", "unauthorized_client"];
        matches!(self, GrantError::Refused(code) if FINAL.contains(&code.as_str()))
    }

    /// Whether it is about the application's own secret.
    pub(super) fn is_of_client(&self) -> bool {
        matches!(self, GrantError::Refused(code) if ["invalid_client", "incorrect_client_credentials"].contains(&code.as_str()))
    }
}

impl From<RequestTokenError<CallError, BasicErrorResponse>> for GrantError {
    fn from(error: RequestTokenError<CallError, BasicErrorResponse>) -> GrantError {
        match error {
            RequestTokenError::ServerResponse(error) => GrantError::Refused(code(error.error().as_ref())),
            RequestTokenError::Request(error) => GrantError::Unavailable(error.to_string()),
            RequestTokenError::Parse(_, body) => no_token(&body),
            RequestTokenError::Other(_) => GrantError::Unavailable("its answer is empty, or not JSON".to_owned()),
        }
    }
}

/// Why an answer holds no token. GitHub and Slack answer errors with 200. What else the body may hold is not for the log.
fn no_token(body: &[u8]) -> GrantError {
    match serde_json::from_slice::<BasicErrorResponse>(body) {
        Ok(error) => GrantError::Refused(code(error.error().as_ref())),
        Err(_) => GrantError::Unavailable("its answer holds no token".to_owned()),
    }
}

/// An error code as it may be shown: RFC 6749 allows printable ASCII.
pub(super) fn code(text: &str) -> String {
    let code: String = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(64).collect();
    if code.trim().is_empty() { "an error".to_owned() } else { code }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn tokens(json: &str) -> Tokens {
        serde_json::from_str::<Granted>(json).expect(json).tokens()
    }

    fn lifetime(json: &str) -> Option<i64> {
        tokens(json).expires_at.map(|at| (at - Utc::now()).num_seconds())
    }

    #[test]
    fn what_providers_make_of_the_standard_is_understood() {
        let plain =
            tokens(r#"{"access_token":"a","token_type":"bearer","expires_in":3600,"refresh_token":"r","scope":""}"#);
        assert_eq!(plain.access.expose_secret(), "a");
        assert_eq!(plain.refresh.as_ref().map(ExposeSecret::expose_secret), Some("r"));
        let bare = tokens(r#"{"access_token":"a","token_type":{"odd":1},"refresh_token":""}"#);
        assert!(bare.refresh.is_none() && bare.expires_at.is_none());
        assert!(
            lifetime(r#"{"access_token":"a","expires_in":3600}"#).is_some_and(|left| (3590..=3600).contains(&left))
        );
        for hour in ["\"3600\"", "3600.0", "3.6e3", "\"3599.9\"", "\" 3600.0 \"", "\"3.6e3\""] {
            let json = format!(r#"{{"access_token":"a","expires_in":{hour}}}"#);
            assert!(lifetime(&json).is_some_and(|left| (3590..=3600).contains(&left)), "{hour}");
        }
        for never in [
            "0",
            "null",
            "\"\"",
            "-1",
            "1e300",
            "18446744073709551615",
            "[]",
            "\"0\"",
            "\"-1\"",
            "\"1e300\"",
            "\"inf\"",
            "\"NaN\"",
            "\"never\"",
        ] {
            assert_eq!(lifetime(&format!(r#"{{"access_token":"a","expires_in":{never}}}"#)), None, "{never}");
        }
    }

    #[test]
    fn the_user_s_own_token_is_taken_where_there_is_no_other() {
        let slack = tokens(
            r#"{"ok":true,"app_id":"A","authed_user":{"id":"U","scope":"chat:write","access_token":"xoxp","token_type":"user",
                "refresh_token":"xoxe","expires_in":43200},"team":{"id":"T"},"enterprise":null}"#,
        );
        assert_eq!(slack.access.expose_secret(), "xoxp");
        assert_eq!(slack.refresh.as_ref().map(ExposeSecret::expose_secret), Some("xoxe"));
        assert!(slack.expires_at.is_some());
        let both = tokens(r#"{"access_token":"xoxb","authed_user":{"access_token":"xoxp","expires_in":1}}"#);
        assert!(both.access.expose_secret() == "xoxb" && both.expires_at.is_none());
        for none in ["{}", r#"{"access_token":""}"#, r#"{"access_token":null}"#, r#"{"authed_user":{"id":"U"}}"#] {
            assert!(serde_json::from_str::<Granted>(none).is_err(), "{none}");
        }
    }

    #[test]
    fn refusals_are_told_from_failures() {
        let error = |body: &str| no_token(body.as_bytes());
        let refused = error(r#"{"error":"bad_refresh_token","error_description":"canary"}"#);
        assert_eq!(refused, GrantError::Refused("bad_refresh_token".to_owned()));
        assert!(refused.is_final() && !refused.is_of_client());
        assert!(error(r#"{"ok":false,"error":"invalid_client"}"#).is_of_client());
        assert!(matches!(error("<html>canary"), GrantError::Unavailable(why) if !why.contains("canary")));
        assert_eq!(code("a\u{7}b\n<\u{e4}"), "ab<");
        assert_eq!(code("\n"), "an error");
        assert_eq!(code(&"x".repeat(1000)).len(), 64);
    }
}
