//! One application, and what its provider is asked.

use std::sync::atomic::{AtomicBool, Ordering};

use aibridge_providers::provider::Secret;
use aibridge_store::external_auth::Tokens;
use http::{HeaderValue, StatusCode};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope, StandardRevocableToken, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::{
    call::{CallError, body, call, described},
    grant::{GrantError, Granted, code},
};
use crate::config::{self, ClientAuth, Revocation};

type OAuth = Client<
    BasicErrorResponse,
    Granted,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// An application.
#[derive(Debug)]
pub(crate) struct Application {
    pub(super) config: config::Application,
    http: reqwest::Client,
    /// Shows the secret with HTTP Basic, which every provider has to take.
    basic: OAuth,
    /// Shows it in the body, which is all that some take.
    body: OAuth,
    /// Whether this provider turned out to be one of those.
    only_body: AtomicBool,
}

/// The way to the provider, and what to remember until the user is back.
pub(super) struct Departure {
    pub(super) url: Url,
    pub(super) state: String,
    pub(super) verifier: PkceCodeVerifier,
}

/// What Slack says of tokens that are void: <https://docs.slack.dev/reference/methods/auth.revoke>.
const VOID: [&str; 3] = ["token_revoked", "token_expired", "account_inactive"];

/// What Slack answers, with 200 in any case.
#[derive(Deserialize)]
struct Said {
    ok: bool,
    #[serde(default)]
    error: String,
}

/// What tokens are asked for with.
enum Grant<'a> {
    Code { code: &'a str, verifier: &'a PkceCodeVerifier },
    Refresh(&'a SecretString),
}

impl Application {
    /// `access_url` is where users reach the gateway.
    pub(super) fn new(config: config::Application, access_url: &Url, http: reqwest::Client) -> Application {
        let redirect = callback(access_url, &config.id);
        let client = |auth| {
            let client = Client::new(ClientId::new(config.client_id.clone()))
                .set_auth_uri(AuthUrl::from_url(config.auth_url.clone()))
                .set_token_uri(TokenUrl::from_url(config.token_url.clone()))
                .set_redirect_uri(RedirectUrl::from_url(redirect.clone()))
                .set_auth_type(auth);
            match &config.client_secret {
                Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
                None => client,
            }
        };
        let (basic, body) = (client(AuthType::BasicAuth), client(AuthType::RequestBody));
        Application { config, http, basic, body, only_body: AtomicBool::new(false) }
    }

    /// Where to send a user who wants to link it: with a fresh `state`, and PKCE (RFC 7636).
    pub(super) fn departure(&self) -> Departure {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = self.basic.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge);
        request = request.add_scopes(self.config.scopes.iter().cloned().map(Scope::new));
        for &(name, value) in self.config.extra {
            request = request.add_extra_param(name, value);
        }
        let (url, state) = request.url();
        Departure { url, state: state.into_secret(), verifier }
    }

    /// Turns the code a user brought back into tokens.
    pub(super) async fn exchange(&self, code: &str, verifier: &PkceCodeVerifier) -> Result<Tokens, GrantError> {
        self.grant(&Grant::Code { code, verifier }).await
    }

    /// Buys new tokens. A provider that sends no new refresh token means the old one to be kept: RFC 6749, section 6.
    pub(super) async fn renew(&self, refresh: &SecretString) -> Result<Tokens, GrantError> {
        let tokens = self.grant(&Grant::Refresh(refresh)).await?;
        Ok(Tokens { refresh: tokens.refresh.or_else(|| Some(refresh.clone())), ..tokens })
    }

    async fn grant(&self, grant: &Grant<'_>) -> Result<Tokens, GrantError> {
        if self.only_body.load(Ordering::Relaxed) {
            return self.ask(&self.body, grant).await;
        }
        let answer = self.ask(&self.basic, grant).await;
        let has_choice = self.config.client_secret.is_some() && self.config.client_auth == ClientAuth::Standard;
        if !(has_choice && answer.as_ref().is_err_and(GrantError::is_of_client)) {
            return answer;
        }
        let answer = self.ask(&self.body, grant).await;
        self.only_body.store(!answer.as_ref().is_err_and(GrantError::is_of_client), Ordering::Relaxed);
        answer
    }

    async fn ask(&self, oauth: &OAuth, grant: &Grant<'_>) -> Result<Tokens, GrantError> {
        let bearer = match (self.config.client_auth, &self.config.client_secret) {
            (ClientAuth::Bearer, Some(secret)) => bearer(secret.expose()),
            _ => None,
        };
        let http = |request| call(self.http.clone(), request, bearer.clone());
        let granted = match grant {
            Grant::Code { code, verifier } => {
                let verifier = PkceCodeVerifier::new(verifier.secret().clone());
                let mut request =
                    oauth.exchange_code(AuthorizationCode::new((*code).to_owned())).set_pkce_verifier(verifier);
                for &(name, value) in self.config.extra {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&http).await
            }
            Grant::Refresh(token) => {
                let token = RefreshToken::new(token.expose_secret().to_owned());
                let mut request = oauth.exchange_refresh_token(&token);
                for &(name, value) in self.config.extra {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&http).await
            }
        };
        Ok(granted?.tokens())
    }

    /// Whether the provider accepts the token; `None` when nobody can say, and an error when nobody can now.
    pub(super) async fn accepts(&self, access: &SecretString) -> Result<Option<bool>, CallError> {
        let Some(url) = self.config.validate_url.clone() else { return Ok(None) };
        let answer = self.http.get(url).bearer_auth(access.expose_secret()).send().await.map_err(described)?;
        let header = |name: &str| answer.headers().get(name);
        let limited =
            header("retry-after").is_some() || header("x-ratelimit-remaining").is_some_and(|left| left == "0");
        match answer.status() {
            status if status.is_success() => Ok(Some(true)),
            StatusCode::UNAUTHORIZED => Ok(Some(false)),
            // GitHub says it of tokens that are void, and to callers that ask too often.
            StatusCode::FORBIDDEN if !limited => Ok(Some(false)),
            status if limited || is_of_the_moment(status) => Err(CallError(format!("it answered {status}"))),
            _ => Ok(None),
        }
    }

    /// Gives the tokens back, where the provider takes them. False when it has no place for it.
    pub(super) async fn revoke(&self, tokens: &Tokens) -> Result<bool, String> {
        let Some(url) = self.config.revoke_url.clone() else { return Ok(false) };
        let secret = self.config.client_secret.as_ref().map(Secret::expose);
        let (access, refresh) =
            (tokens.access.expose_secret(), tokens.refresh.as_ref().map(ExposeSecret::expose_secret));
        let request = match self.config.revocation {
            // The whole authorisation, and with it all tokens.
            Revocation::GitHub => self
                .http
                .delete(url)
                .basic_auth(&self.config.client_id, secret)
                .header("accept", "application/vnd.github+json")
                .json(&json!({"access_token": access})),
            // With a refresh token goes what was bought with it: RFC 7009, section 2.1.
            Revocation::Standard => {
                let (token, hint) = refresh.map_or((access, "access_token"), |token| (token, "refresh_token"));
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("token", token).append_pair("token_type_hint", hint);
                form.append_pair("client_id", &self.config.client_id);
                form.extend_pairs(secret.map(|secret| ("client_secret", secret)));
                self.http
                    .post(url)
                    // Slack knows the token by this.
                    .bearer_auth(access)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(form.finish())
            }
        };
        let answer = request.send().await.map_err(|error| described(error).to_string())?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::NOT_FOUND if self.config.revocation == Revocation::GitHub => {}
            status => return Err(format!("it answered {status}")),
        }
        match serde_json::from_slice(&body(answer).await.unwrap_or_default()) {
            Ok(Said { ok: false, error }) if !VOID.contains(&error.as_str()) => {
                Err(format!("it answered {}", code(&error)))
            }
            _ => Ok(true),
        }
    }
}

/// Where a provider sends users back to.
pub(crate) fn callback(access_url: &Url, id: &str) -> Url {
    let mut url = access_url.clone();
    url.set_path(&format!("{}/external-auth/{id}/callback", access_url.path().trim_end_matches('/')));
    url
}

/// Whether it says nothing of what was asked: somebody else answered, such as a page to sign in at or for maintenance, or the
/// provider cannot now.
fn is_of_the_moment(status: StatusCode) -> bool {
    const LATER: [StatusCode; 3] = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_redirection() || status.is_server_error() || LATER.contains(&status)
}

fn bearer(secret: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
