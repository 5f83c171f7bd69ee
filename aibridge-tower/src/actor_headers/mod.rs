//! Who is asking, for the provider: [`ActorHeadersLayer`] adds the actor's id and name to the headers that go upstream.
//!
//! Headers a client sends under these names never reach a provider, whether the layer is there or not; see
//! [`headers::to_provider`] for names that begin with
//! `X-AI-Bridge-Actor`, and the layer for the others. What is only passed through tells nothing of the actor; there the layer
//! is [`withheld`](ActorHeadersLayer::withheld).
//!
//! | needs | adds |
//! | --- | --- |
//! | [`Actor`] | headers to what goes to the provider |

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::provider::headers;
use http::{HeaderName, HeaderValue, Request};
use serde_json::Value;
use tower_layer::Layer;
use tower_service::Service;

use crate::{auth::Actor, context::Added};

/// The names of the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorHeaderNames {
    /// For the id. Default: `X-AI-Bridge-Actor-ID`.
    pub id: HeaderName,
    /// For the username. Default: `X-AI-Bridge-Actor-Metadata-Username`.
    pub username: HeaderName,
    /// For the e-mail address, the actor's `email` metadata. Default: none, and it is not sent.
    pub email: Option<HeaderName>,
}

impl Default for ActorHeaderNames {
    fn default() -> ActorHeaderNames {
        ActorHeaderNames {
            id: HeaderName::from_static("x-ai-bridge-actor-id"),
            username: HeaderName::from_static("x-ai-bridge-actor-metadata-username"),
            email: None,
        }
    }
}

/// Adds [`ActorHeaders`].
#[derive(Clone, Debug)]
pub struct ActorHeadersLayer {
    names: Option<Arc<ActorHeaderNames>>,
    withheld: bool,
}

impl ActorHeadersLayer {
    /// Sends the headers of those names; `None` sends none.
    pub fn new(names: impl Into<Option<ActorHeaderNames>>) -> ActorHeadersLayer {
        ActorHeadersLayer { names: names.into().map(Arc::new), withheld: false }
    }

    /// Tells the provider nothing, but keeps clients from doing so under these names: for what is only passed through, and
    /// for hosts that have names and do not use them.
    #[must_use]
    pub fn withheld(mut self) -> ActorHeadersLayer {
        self.withheld = true;
        self
    }
}

impl<S> Layer<S> for ActorHeadersLayer {
    type Service = ActorHeaders<S>;

    fn layer(&self, inner: S) -> ActorHeaders<S> {
        ActorHeaders { inner, settings: self.clone() }
    }
}

/// Tells the provider who is asking. See the [module](self) documentation.
#[derive(Clone, Debug)]
pub struct ActorHeaders<S> {
    inner: S,
    settings: ActorHeadersLayer,
}

impl<S, B> Service<Request<B>> for ActorHeaders<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(names) = &self.settings.names {
            if self.settings.withheld {
                headers::keep(request.headers_mut(), |name| names.all().all(|taken| taken != name));
            } else if let Some(added) = request.extensions().get::<Actor>().map(|actor| names.headers(actor)) {
                // The layers further in replace what the client sent under these names.
                request.extensions_mut().insert(Added(added));
            }
        }
        self.inner.call(request)
    }
}

impl ActorHeaderNames {
    fn all(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.id, &self.username].into_iter().chain(&self.email)
    }

    /// What is known of `actor`. An empty value stands for what cannot be sent, so that a client's never passes for it.
    fn headers(&self, actor: &Actor) -> Arc<[(HeaderName, HeaderValue)]> {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static(""));
        let email = actor.metadata.get("email").and_then(Value::as_str).unwrap_or_default();
        let id = (self.id.clone(), value(&actor.id.to_string()));
        let username = (self.username.clone(), value(&actor.username));
        [id, username].into_iter().chain(self.email.clone().map(|name| (name, value(email)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use http::HeaderMap;
    use serde_json::{Map, json};
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::{context::final_headers, testing};

    /// The headers that reach the provider.
    async fn sent(names: Option<ActorHeaderNames>, request: Request<()>) -> HeaderMap {
        let provider = |request: Request<()>| -> Ready<Result<HeaderMap, ()>> {
            ready(Ok(final_headers(request.headers().clone(), request.extensions())))
        };
        ActorHeadersLayer::new(names).layer(service_fn(provider)).oneshot(request).await.unwrap()
    }

    fn request() -> Request<()> {
        let email = Map::from_iter([("email".to_owned(), json!("ali@example.com"))]);
        Request::builder()
            .header("x-ai-bridge-actor-id", "forged")
            .header("x-who", "forged")
            .header("x-who", "twice")
            .extension(testing::actor().metadata(email))
            .body(())
            .unwrap()
    }

    #[tokio::test]
    async fn the_provider_is_told_id_and_username_and_the_address_only_if_it_has_a_name() {
        let headers = sent(Some(ActorHeaderNames::default()), request()).await;
        assert_eq!(headers["x-ai-bridge-actor-id"], "00000000-0000-0000-0000-000000000007");
        assert_eq!(headers["x-ai-bridge-actor-metadata-username"], "ali");
        assert!(!headers.values().any(|value| value == "ali@example.com"));
        let names = ActorHeaderNames { email: Some(HeaderName::from_static("x-mail")), ..ActorHeaderNames::default() };
        assert_eq!(sent(Some(names), request()).await["x-mail"], "ali@example.com");
    }

    #[tokio::test]
    async fn a_client_cannot_speak_for_another_actor_under_any_of_the_names() {
        let names = ActorHeaderNames { id: HeaderName::from_static("x-who"), ..ActorHeaderNames::default() };
        let headers = sent(Some(names), request()).await;
        let values: Vec<_> = headers.get_all("x-who").iter().collect();
        assert_eq!(values, ["00000000-0000-0000-0000-000000000007"]);
        assert!(!headers.contains_key("x-ai-bridge-actor-id"));
        assert!(!sent(None, request()).await.contains_key("x-ai-bridge-actor-id"));
    }

    #[tokio::test]
    async fn what_is_passed_through_says_nothing_of_anybody() {
        let provider = |request: Request<()>| ready(Ok::<_, ()>(request.into_parts().0.headers));
        let names = ActorHeaderNames { id: HeaderName::from_static("x-who"), ..ActorHeaderNames::default() };
        let request = Request::builder().header("x-who", "forged").header("x-who", "twice").header("x-kept", "1");
        let request = request.extension(testing::actor()).body(()).unwrap();
        let headers =
            ActorHeadersLayer::new(names).withheld().layer(service_fn(provider)).oneshot(request).await.unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-kept"]);
    }

    #[tokio::test]
    async fn a_name_that_no_header_can_carry_is_sent_empty() {
        let mut request = request();
        request.extensions_mut().insert(Actor::new(uuid::Uuid::nil(), "a\nb"));
        let headers = sent(Some(ActorHeaderNames::default()), request).await;
        assert_eq!(headers["x-ai-bridge-actor-metadata-username"], "");
    }
}
