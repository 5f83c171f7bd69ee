//! An LLM gateway as tower layers.
//!
//! Coding agents and SDKs talk to the gateway with one token of its own. Each layer here does one thing for it: says who is
//! calling, finds the provider, reads the request, records who asked what and what it cost, adds the organisation's
//! credential. What needs no change is not changed: the provider gets the client's bytes, and the client the provider's.
//!
//! # Layers
//!
//! In pipeline order, outermost first. Facts travel in the request's extensions, until [`Parse`](parse::Parse) puts
//! [`AiBody`](parse::AiBody) in the place of the body; what stands behind it takes `Request<AiBody>`, so that a wrong order
//! does not compile. A fact that is missing is answered 500 and names the layer that is not there.
//!
//! | layer | does | needs | adds |
//! | --- | --- | --- | --- |
//! | [`Shape`](shape::Shape) | turns errors into responses | | the error format the client speaks |
//! | [`Probe`](route::Probe) | answers agents that look whether the gateway is there | | |
//! | [`InFlight`](limit::InFlight) | bounds the requests in flight, streams included | | |
//! | [`Auth`](auth::Auth) | says who is calling, takes the token out | | [`Actor`](auth::Actor), also to the response; [`Byok`] |
//! | [`Rate`](limit::Rate) | bounds each actor's requests a second | `Actor` | |
//! | [`Route`](route::Route) | finds the provider instance | | [`ProviderRoute`], also to the response; the absolute URI |
//! | [`Passthrough`](passthrough::Passthrough) | sends what is only proxied elsewhere | `ProviderRoute` | there, [`RequestBody`](passthrough::RequestBody) |
//! | [`Parse`](parse::Parse) | buffers and reads the body | `ProviderRoute` | [`AiBody`](parse::AiBody) |
//! | [`Tools`](tools::Tools) | gives MCP tools and runs them | `Actor`, `ProviderRoute`, `AiBody` | tools to the body; [`Credential`] to further rounds |
//! | [`Record`](record::Record) | records an interception | `Actor`, `ProviderRoute`, `AiBody` | [`Interception`](record::Interception), to the response |
//! | [`ActorHeaders`](actor_headers::ActorHeaders) | tells the provider who is asking | `Actor` | headers |
//! | [`Models`](models::Models) | refuses models that are not allowed | `ProviderRoute`, `AiBody` | |
//! | [`Breaker`](breaker::Breaker) | leaves a provider alone that keeps failing | `ProviderRoute`, `AiBody` | |
//! | [`Keys`](keys::Keys) | adds the provider's credential, tries the next | `ProviderRoute`, `Byok`, `Credential` of a round before | the header; [`Credential`], also to the response |
//! | [`Bedrock`](bedrock::Bedrock) | translates for Amazon Bedrock, and signs | `ProviderRoute`, [`Credential`], `Byok` | the signature |
//! | [`Dump`](dump::Dump) | writes what is sent and what comes back into files | `ProviderRoute` | |
//! | [`Upstream`](upstream::Upstream) | asks the provider | the absolute URI | |
//!
//! # The pipeline
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//!
//! use aibridge_providers::provider::{BaseUrl, Instance, Kind, Registry, Secret};
//! use aibridge_store::sqlite::Sqlite;
//! use aibridge_tower::{
//!     BoxError,
//!     auth::{AuthLayer, source::{Cached, Jwt}},
//!     breaker::{BreakerLayer, Policy},
//!     keys::KeysLayer,
//!     models::ModelsLayer,
//!     parse::ParseLayer,
//!     passthrough::PassthroughLayer,
//!     record::RecordLayer,
//!     route::{ProbeLayer, RouteLayer},
//!     shape::ShapeLayer,
//!     upstream::Upstream,
//! };
//! use axum::{Router, body::Body};
//! use tower::ServiceBuilder;
//!
//! # fn main() -> Result<(), BoxError> {
//! let anthropic = Instance::builder(Kind::Anthropic, BaseUrl::parse("https://api.anthropic.com")?)
//!     .key(Secret::new(std::env::var("ANTHROPIC_API_KEY")?))
//!     .build();
//! let registry = Arc::new(Registry::new([anthropic]));
//! let identity = Jwt::builder().issuer("https://id.example.com").audience("aibridge").discover().build()?;
//! let store = Sqlite::open(Path::new("aibridge.db"))?;
//!
//! let upstream = Upstream::builder().build::<Body>()?;
//! let keys = KeysLayer::new();
//! let proxied = ServiceBuilder::new().layer(keys.clone()).service(upstream.clone());
//! let pipeline = ServiceBuilder::new()
//!     .layer(ShapeLayer::new())
//!     .layer(ProbeLayer::new(registry.clone()))
//!     .layer(AuthLayer::new(Arc::new(Cached::new(identity))))
//!     .layer(RouteLayer::new(registry))
//!     .layer(PassthroughLayer::new(proxied))
//!     .layer(ParseLayer::new())
//!     .layer(RecordLayer::new(store.clone()))
//!     .layer(ModelsLayer::new())
//!     .layer(BreakerLayer::new(Some(Policy::default())))
//!     .layer(keys)
//!     .service(upstream.parsed());
//!
//! // Claude Code finds it with ANTHROPIC_BASE_URL=http://<host>/api/v2/aibridge/anthropic
//! let app: Router = Router::new().fallback_service(pipeline);
//! # drop(app);
//! # Ok(()) }
//! ```
//!
//! # One layer alone
//!
//! Each is an ordinary [`Layer`](tower_layer::Layer). An application that only wants to know who is calling takes Auth:
//!
//! ```
//! use std::future::{Ready, ready};
//!
//! use aibridge_providers::provider::Secret;
//! use aibridge_tower::auth::{Actor, AuthError, AuthLayer, Authenticate};
//! use axum::{Extension, Router, body::Body, http::Request, routing::get};
//! # use tower::ServiceExt;
//!
//! #[derive(Clone)]
//! struct OneToken;
//!
//! impl Authenticate for OneToken {
//!     type Future = Ready<Result<Actor, AuthError>>;
//!
//!     fn authenticate(&self, token: &Secret) -> Self::Future {
//!         let known = token.expose() == "open-sesame";
//!         ready(if known { Ok(Actor::new(uuid::Uuid::nil(), "ali")) } else { Err(AuthError::Unknown) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let app: Router = Router::new()
//!     .route("/", get(|Extension(actor): Extension<Actor>| async move { format!("hello {}", actor.username) }))
//!     .layer(AuthLayer::new(OneToken));
//! # let request = Request::get("/").header("authorization", "Bearer open-sesame").body(Body::empty()).unwrap();
//! # assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 200);
//! # assert_eq!(app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap().status(), 401);
//! # }
//! ```
//!
//! # Readiness
//!
//! Layers call what they were told is ready, never a clone of it: [`Auth`](auth::Auth), [`Parse`](parse::Parse) and
//! [`Record`](record::Record) wait before they call, and hold the inner service's readiness meanwhile;
//! [`Keys`](keys::Keys) waits for it anew before each further call. A
//! `ConcurrencyLimit` below them is held from `poll_ready` on; put limits on long waits further out, as
//! [`InFlight`](limit::InFlight) is. A dropped future gives everything back.
//!
//! # Errors
//!
//! A layer that refuses answers with a response in the format of the API being spoken, and puts the
//! [`Refusal`](aibridge_providers::api::Refusal) into its extensions. `Err` is what the service below failed with;
//! [`Shape`](shape::Shape) makes a response of it, and the pipeline's error is `Infallible`. What a provider answers, an
//! error too, passes as it is.
//!
//! # Bodies
//!
//! A request's body is buffered once, by Parse, up to a limit. A reply's is wrapped and never pumped by a task: it flows as
//! fast as the client reads, and dropping it closes the request to the provider. Read as a whole, up to a limit, is only
//! what cannot be passed on before its end is known: a blocking reply to a request with injected tools, an error of Bedrock's.

pub mod actor_headers;
mod answer;
pub mod auth;
#[cfg(feature = "bedrock")]
pub mod bedrock;
pub mod body;
pub mod breaker;
mod collect;
mod context;
pub mod dump;
mod encoded;
pub mod keys;
pub mod limit;
pub mod models;
pub mod parse;
pub mod passthrough;
pub mod record;
pub mod refuse;
pub mod route;
pub mod shape;
#[cfg(test)]
mod testing;
pub mod tools;
pub mod upstream;

pub use context::{Byok, Credential, ProviderRoute};

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
