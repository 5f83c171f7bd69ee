use std::{fmt, time::Duration};

use aibridge_providers::provider::Secret;
use http::StatusCode;
use reqwest::{Client, header::HeaderValue};
use serde::Deserialize;
use serde_json::Map;
use url::Url;
use uuid::Uuid;

use super::{SourceError, SourceFuture, api_keys, fetch};
use crate::auth::{Actor, AuthError, Authenticate};

/// How long the deployment may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long its answer may be, in bytes. A user is about 1 KiB.
const MAX_ANSWER: usize = 64 * 1024;

/// The users of a Coder deployment: the token is shown to `GET {url}/api/v2/users/me` as `Coder-Session-Token`.
///
/// `401` is [`Unknown`](AuthError::Unknown) and `403` [`Inactive`](AuthError::Inactive); whatever else is not the
/// user, e.g. a redirect or no answer within 5 s, is [`Unavailable`](AuthError::Unavailable).
///
/// Coder answers 401 to a suspended user's token, and makes a dormant user active when an API call shows their token,
/// before this call reads the user. It is only the status `active` that its own AI gateway accepts, so any other one
/// that still gets here is refused as inactive.
#[derive(Clone)]
pub struct Coder {
    client: Client,
    me: Url,
}

impl Coder {
    /// Asks the deployment at `url`, its access URL.
    ///
    /// # Errors
    ///
    /// When the URL is not `http` or `https`, or the HTTP client cannot be set up.
    pub fn new(url: Url) -> Result<Coder, SourceError> {
        let mut me = fetch::http_url(url, "the URL of the Coder deployment")?;
        me.set_query(None);
        me.set_fragment(None);
        let path = format!("{}/api/v2/users/me", me.path().trim_end_matches('/'));
        me.set_path(&path);
        Ok(Coder { client: fetch::client(TIMEOUT)?, me })
    }
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coder").field("host", &self.me.host_str()).finish_non_exhaustive()
    }
}

impl Authenticate for Coder {
    type Future = SourceFuture;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        let Ok(mut value) = HeaderValue::from_str(token.expose()) else {
            return Box::pin(async { Err(AuthError::Malformed) });
        };
        value.set_sensitive(true);
        let key_id = api_keys::split(token.expose()).map(|(id, _)| id.to_owned());
        let request = self.client.get(self.me.clone()).header("coder-session-token", value);
        Box::pin(async move {
            let actor = me(request).await?.actor()?;
            Ok(match key_id {
                Some(id) => actor.api_key_id(&id),
                None => actor,
            })
        })
    }
}

async fn me(request: reqwest::RequestBuilder) -> Result<User, AuthError> {
    let response = request.send().await.map_err(|error| down(fetch::describe(error)))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(AuthError::Unknown),
        StatusCode::FORBIDDEN => return Err(AuthError::Inactive),
        status => return Err(down(format!("answered {status}"))),
    }
    let body = fetch::body(response, MAX_ANSWER).await.map_err(down)?;
    // The cause would quote the answer, which is about a person.
    serde_json::from_slice(&body).map_err(|_| down("answered something that is not a user".into()))
}

fn down(why: String) -> AuthError {
    AuthError::Unavailable(format!("the Coder deployment: {why}"))
}

/// `codersdk.User`, as far as it matters here.
#[derive(Deserialize)]
struct User {
    id: Uuid,
    username: String,
    status: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
}

impl User {
    fn actor(self) -> Result<Actor, AuthError> {
        if self.status != "active" {
            return Err(AuthError::Inactive);
        }
        let mut metadata = Map::new();
        for (name, value) in [("email", self.email), ("name", self.name)] {
            if !value.is_empty() {
                metadata.insert(name.into(), value.into());
            }
        }
        Ok(Actor::new(self.id, &self.username).metadata(metadata))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, body::Body, extract::State, response::Response, routing::get};
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::source::testing::{nobody, serve};

    const TOKEN: &str = "abcdefghij-ABCDEFGHIJKLMNOPQRSTUV";

    fn ada() -> Value {
        json!({
            "id": "497f6eca-6276-4993-bfeb-53cbbbba6f08", "username": "ada", "email": "ada@example.com", "name": "",
            "status": "active", "roles": [], "a_field_of_tomorrow": {},
        })
    }

    fn answer(status: u16, body: impl Into<Body>) -> Response {
        Response::builder().status(status).body(body.into()).unwrap()
    }

    type Answers = Arc<dyn Fn(&str) -> Response + Send + Sync>;

    /// A deployment whose `users/me` answers by the token, and how often it was asked.
    async fn deployment(answers: impl Fn(&str) -> Response + Send + Sync + 'static) -> (Url, Arc<AtomicUsize>) {
        async fn me(State((answers, asked)): State<(Answers, Arc<AtomicUsize>)>, headers: HeaderMap) -> Response {
            asked.fetch_add(1, Ordering::Relaxed);
            answers(headers["coder-session-token"].to_str().unwrap())
        }
        let asked = Arc::new(AtomicUsize::new(0));
        let answers: Answers = Arc::new(answers);
        let app = Router::new()
            .route("/api/v2/users/me", get(me))
            .route("/coder/api/v2/users/me", get(me))
            .with_state((answers, Arc::clone(&asked)));
        (serve(app).await, asked)
    }

    async fn ask(answers: impl Fn(&str) -> Response + Send + Sync + 'static) -> Result<Actor, AuthError> {
        let (url, _) = deployment(answers).await;
        Coder::new(url).unwrap().authenticate(&Secret::new(TOKEN)).await
    }

    #[tokio::test]
    async fn the_token_names_a_user_of_the_deployment() {
        let (url, _) = deployment(|token| {
            assert!([TOKEN, "oauth"].contains(&token));
            answer(200, ada().to_string())
        })
        .await;
        for base in ["", "coder", "coder/", "coder/?x=y#z"] {
            let coder = Coder::new(url.join(base).unwrap()).unwrap();
            let actor = coder.authenticate(&Secret::new(TOKEN)).await.unwrap();
            assert_eq!(actor.id, Uuid::parse_str("497f6eca-6276-4993-bfeb-53cbbbba6f08").unwrap());
            assert_eq!(&*actor.username, "ada");
            assert_eq!(actor.api_key_id.as_deref(), Some("abcdefghij"));
            assert_eq!(json!(*actor.metadata), json!({ "email": "ada@example.com" }));
            assert_eq!(coder.authenticate(&Secret::new("oauth")).await.unwrap().api_key_id, None);
        }
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        assert_eq!(ask(|_| answer(401, "{}")).await, Err(AuthError::Unknown));
        assert_eq!(ask(|_| answer(403, "{}")).await, Err(AuthError::Inactive));
        for status in ["suspended", "dormant", ""] {
            let mut user = ada();
            user["status"] = status.into();
            assert_eq!(ask(move |_| answer(200, user.to_string())).await, Err(AuthError::Inactive), "{status}");
        }
    }

    #[tokio::test]
    async fn whatever_else_it_answers_counts_as_unavailable() {
        for status in [201, 204, 400, 404, 429, 500, 503] {
            let outcome = ask(move |_| answer(status, ada().to_string())).await;
            assert!(matches!(outcome, Err(AuthError::Unavailable(_))), "{status}: {outcome:?}");
        }
        let mut nobody_in_particular = ada();
        nobody_in_particular["id"] = "me".into();
        for body in ["<html>sign in</html>".into(), "{}".into(), nobody_in_particular.to_string()] {
            let outcome = ask(move |_| answer(200, body.clone())).await;
            let expected = "the Coder deployment: answered something that is not a user";
            assert_eq!(outcome, Err(AuthError::Unavailable(expected.into())));
        }
        let mut huge = ada();
        huge["name"] = "x".repeat(MAX_ANSWER).into();
        let expected = "the Coder deployment: the answer is longer than 65536 bytes";
        assert_eq!(ask(move |_| answer(200, huge.to_string())).await, Err(AuthError::Unavailable(expected.into())));
    }

    #[tokio::test]
    async fn a_redirect_does_not_get_the_token() {
        let (elsewhere, asked) = deployment(|_| answer(200, ada().to_string())).await;
        let location = elsewhere.join("api/v2/users/me").unwrap();
        let outcome = ask(move |_| {
            Response::builder().status(307).header("location", location.as_str()).body(Body::empty()).unwrap()
        })
        .await;
        assert!(matches!(outcome, Err(AuthError::Unavailable(_))));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_after_five_seconds() {
        let app = Router::new().fallback(std::future::pending::<&str>);
        let coder = Coder::new(serve(app).await).unwrap();
        let asked = tokio::time::Instant::now();
        let outcome = coder.authenticate(&Secret::new(TOKEN)).await;
        assert!(matches!(outcome, Err(AuthError::Unavailable(_))));
        assert!(asked.elapsed() < TIMEOUT + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn errors_say_what_happened_without_token_or_url() {
        let mut url = nobody().await;
        url.set_password(Some("hunter2")).unwrap();
        let coder = Coder::new(url).unwrap();
        assert!(!format!("{coder:?}").contains("hunter2"));
        let Err(AuthError::Unavailable(why)) = coder.authenticate(&Secret::new(TOKEN)).await else { panic!() };
        assert!(why.contains("refused"), "{why}");
        assert!(!why.contains("hunter2") && !why.contains(TOKEN) && !why.contains("users/me"), "{why}");
    }

    #[tokio::test]
    async fn what_is_no_header_value_is_malformed() {
        let coder = Coder::new(nobody().await).unwrap();
        assert_eq!(coder.authenticate(&Secret::new("a\nb: c")).await, Err(AuthError::Malformed));
    }

    #[test]
    fn only_http_urls_are_taken() {
        assert!(matches!(Coder::new("file:///etc".parse().unwrap()), Err(SourceError::Url(_))));
    }
}
