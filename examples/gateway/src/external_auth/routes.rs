//! What is answered below `/external-auth`.

use std::{borrow::Cow, sync::Arc};

use aibridge_providers::provider::Secret;
use aibridge_tower::auth::{Actor, Authenticate};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Deserialize;
use tower_http::csrf::CsrfLayer;
use url::form_urlencoded;

use super::{
    ExternalAuth,
    application::Application,
    grant::{GrantError, code},
    page::{self, Row},
    visitor::Refusal,
};

/// How long a form may be, in bytes. Tokens that are JWTs take a few KiB.
const MAX_FORM: usize = 64 * 1024;

/// How much of a provider's own words is shown, in characters.
const MAX_WORDS: usize = 300;

type Shared = State<Arc<ExternalAuth>>;

pub(super) fn routes(shared: Arc<ExternalAuth>) -> Router {
    let base = shared.base().to_owned();
    let refused = move |_| {
        let text = "The request came from another site, and was ignored.";
        let page = page::problem(&base, "Not accepted", text);
        page::response(StatusCode::FORBIDDEN, page)
    };
    let origin = shared.access_url.origin().ascii_serialization();
    let same_origin = CsrfLayer::new().add_trusted_origin(origin).expect("the origin of an http URL is one");
    Router::new()
        .route("/external-auth", get(overview))
        .route("/external-auth/", get(overview))
        .route("/external-auth/style.css", get(style))
        .route("/external-auth/sign-in", post(sign_in))
        .route("/external-auth/sign-out", post(sign_out))
        .route("/external-auth/{id}/login", get(login))
        .route("/external-auth/{id}/callback", get(callback))
        .route("/external-auth/{id}/unlink", post(unlink))
        .layer(same_origin.with_rejection_response(refused))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .with_state(shared)
}

async fn style() -> Response {
    let headers =
        [("content-type", "text/css"), ("x-content-type-options", "nosniff"), ("cache-control", "max-age=3600")];
    (headers, page::STYLE).into_response()
}

async fn overview(State(shared): Shared, headers: HeaderMap) -> Response {
    let visitor = match shared.visitor(&headers).await {
        Ok(visitor) => visitor,
        Err(refusal) => return shared.ask_to_sign_in(refusal, None),
    };
    let linked = match shared.links.of(visitor.actor.id).await {
        Ok(linked) => linked,
        Err(error) => return shared.failed(&error),
    };
    let rows: Vec<Row<'_>> = shared
        .links
        .applications()
        .iter()
        .map(|application| {
            let id = application.config.id.as_str();
            let state = match linked.iter().find(|link| link.provider_id == id) {
                None => page::State::Unlinked,
                Some(link) if shared.links.is_usable(link) => {
                    page::State::Linked(link.created_at.format("%Y-%m-%d").to_string())
                }
                Some(link) => page::State::Broken(
                    link.failure.clone().unwrap_or_else(|| "its token is encrypted under another key".to_owned()),
                ),
            };
            Row { id, name: &application.config.display_name, state }
        })
        .collect();
    let notice = shared.sessions.notice(&visitor.session);
    let page = page::links(shared.base(), &visitor.actor.username, notice.as_deref(), &rows);
    page::response(StatusCode::OK, page)
}

async fn sign_in(State(shared): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let field = |name: &str| field(&body, name).filter(|value| !value.is_empty());
    let then = field("then").filter(|id| shared.links.application(id).is_some());
    let Some(token) = field("token") else {
        return shared.ask_to_sign_in(Refusal::Token, then.as_deref());
    };
    let token = Secret::new(token.trim());
    if let Err(error) = shared.identity.authenticate(&token).await {
        tracing::info!(reason = error.as_str(), "a sign-in was refused");
        return shared.ask_to_sign_in(Refusal::of(&error), then.as_deref());
    }
    if let Some(earlier) = shared.cookie.read(&headers) {
        shared.sessions.close(earlier);
    }
    let session = shared.sessions.open(token);
    let response = match then.as_deref().and_then(|id| shared.links.application(id)) {
        Some(application) => shared.onward(application),
        None => shared.back(),
    };
    with_header(response, header::SET_COOKIE, shared.cookie.write(Some(&session)))
}

async fn sign_out(State(shared): Shared, headers: HeaderMap) -> Response {
    if let Some(session) = shared.cookie.read(&headers) {
        shared.sessions.close(session);
    }
    with_header(shared.back(), header::SET_COOKIE, shared.cookie.write(None))
}

async fn login(State(shared): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(application) = shared.links.application(&id) else { return shared.unknown() };
    let visitor = match shared.visitor(&headers).await {
        Ok(visitor) => visitor,
        Err(refusal) => return shared.ask_to_sign_in(refusal, Some(&id)),
    };
    let departure = application.departure();
    shared.sessions.depart(&visitor.session, &id, departure.state, departure.verifier);
    see_other(departure.url.as_str())
}

/// What a provider sends users back with: RFC 6749, sections 4.1.2 and 4.1.2.1.
#[derive(Deserialize)]
struct Arrival {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn callback(
    State(shared): Shared,
    Path(id): Path<String>,
    Query(arrival): Query<Arrival>,
    headers: HeaderMap,
) -> Response {
    let Some(application) = shared.links.application(&id) else { return shared.unknown() };
    let visitor = match shared.visitor(&headers).await {
        Ok(visitor) => visitor,
        Err(refusal) => return shared.ask_to_sign_in(refusal, Some(&id)),
    };
    let Some(verifier) = shared.sessions.arrive(&visitor.session, &id, &arrival.state) else {
        let text =
            "This browser did not ask for it, or did so more than 10 minutes ago, or it was used before. Link again.";
        return shared.problem(StatusCode::BAD_REQUEST, "Not linked", text);
    };
    let name = &application.config.display_name;
    let code = match (arrival.code, arrival.error) {
        (Some(code), None) => code,
        (_, Some(error)) => {
            let words = arrival.error_description.unwrap_or_default();
            let words: String = words.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
            let colon = if words.is_empty() { "" } else { ": " };
            let text = format!("{name} answered {}{colon}{words}", self::code(&error));
            return shared.problem(StatusCode::BAD_REQUEST, "Not linked", &text);
        }
        (None, None) => {
            let text = format!("{name} sent no code.");
            return shared.problem(StatusCode::BAD_REQUEST, "Not linked", &text);
        }
    };
    // Also for who leaves, or loads the page again: the code is spent.
    let linking = {
        let (shared, application, actor) = (shared.clone(), application.clone(), visitor.actor);
        async move { shared.link(&actor, &application, &code, &verifier).await }
    };
    match shared.links.to_the_end(linking).await {
        Some(Ok(())) => {
            shared.sessions.notify(&visitor.session, format!("{name} is linked."));
            shared.back()
        }
        Some(Err(response)) => response,
        None => shared.problem(StatusCode::INTERNAL_SERVER_ERROR, "Not linked", "It was interrupted. Try again."),
    }
}

async fn unlink(State(shared): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let visitor = match shared.visitor(&headers).await {
        Ok(visitor) => visitor,
        Err(refusal) => return shared.ask_to_sign_in(refusal, None),
    };
    let Some(application) = shared.links.application(&id) else { return shared.unknown() };
    let name = &application.config.display_name;
    let notice = match shared.links.unlink(visitor.actor.id, &id).await {
        Err(error) => return shared.failed(&error),
        Ok((false, _)) => format!("{name} was not linked."),
        Ok((true, Ok(true))) => format!("{name} is unlinked, and its token revoked."),
        Ok((true, Ok(false))) => format!("{name} is unlinked. Its settings may still list the gateway's access."),
        Ok((true, Err(error))) => {
            tracing::warn!(application = id, user = %visitor.actor.id, error, "a token could not be revoked");
            format!(
                "{name} is unlinked here, but could not be told: take the gateway's access away in its settings too."
            )
        }
    };
    tracing::info!(application = id, user = %visitor.actor.id, "an application was unlinked");
    shared.changed(visitor.actor.id);
    shared.sessions.notify(&visitor.session, notice);
    shared.back()
}

impl ExternalAuth {
    fn back(&self) -> Response {
        see_other(&format!("{}/external-auth", self.base()))
    }

    /// Sends who has signed in to link an application. Not with a redirect: most browsers hold what follows a form to the
    /// `form-action` of its page, redirects to the provider and beyond included.
    fn onward(&self, application: &Application) -> Response {
        let (base, id) = (self.base(), &application.config.id);
        let response = page::response(StatusCode::OK, page::onward(base, id, &application.config.display_name));
        match http::HeaderValue::try_from(format!("0; url={base}/external-auth/{id}/login")) {
            Ok(target) => with_header(response, header::REFRESH, target),
            // A URL is ASCII.
            Err(_) => response,
        }
    }

    /// Exchanges the code and keeps the tokens, if they work.
    async fn link(
        &self,
        actor: &Actor,
        application: &Application,
        code: &str,
        verifier: &oauth2::PkceCodeVerifier,
    ) -> Result<(), Response> {
        let (id, name) = (&application.config.id, &application.config.display_name);
        let tokens = application.exchange(code, verifier).await.map_err(|error| {
            tracing::warn!(application = id, user = %actor.id, %error, "an application could not be linked");
            let text = match &error {
                GrantError::Refused(_) => format!("{name} did not accept it: {error}."),
                GrantError::Unavailable(_) => format!("{name} could not be asked. Try again."),
            };
            self.problem(StatusCode::BAD_GATEWAY, "Not linked", &text)
        })?;
        match application.accepts(&tokens.access).await {
            Ok(Some(false)) => {
                tracing::warn!(application = id, user = %actor.id, "a new token is not accepted by its own issuer");
                let text = format!("{name} issued a token and does not accept it.");
                return Err(self.problem(StatusCode::BAD_GATEWAY, "Not linked", &text));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(application = id, %error, "a token could not be validated"),
        }
        self.links.put(actor.id, id, &tokens).await.map_err(|error| self.failed(&error))?;
        tracing::info!(application = id, user = %actor.id, "an application was linked");
        self.changed(actor.id);
        Ok(())
    }
}

/// A field of a form.
fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| Cow::into_owned(value))
}

/// 303, of which nothing is kept anywhere.
fn see_other(target: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let response = with_header(response, header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    match http::HeaderValue::from_str(target) {
        Ok(target) => with_header(response, header::LOCATION, target),
        // A URL is ASCII.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn with_header(mut response: Response, name: HeaderName, value: http::HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}
