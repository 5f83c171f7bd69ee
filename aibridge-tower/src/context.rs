//! Facts that travel in a request's extensions.

use std::sync::Arc;

use aibridge_providers::{
    api::Format,
    bedrock::{NativeCall, Protocol, upstream_model},
    provider::{Endpoint, Instance, headers},
};
use http::request::Parts;

/// Where the request goes: inserted by [`Route`](crate::route::Route), read by everything behind it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProviderRoute {
    /// The provider instance.
    pub instance: Arc<Instance>,
    /// What is done with the request.
    pub endpoint: Endpoint,
    /// The route's pattern, for logs and metrics.
    pub pattern: &'static str,
    /// The call of a client that speaks Bedrock itself: body and reply are in Bedrock's form.
    pub native: Option<Arc<NativeCall>>,
}

impl ProviderRoute {
    /// A route to `instance`.
    pub fn new(instance: Arc<Instance>, endpoint: Endpoint, pattern: &'static str) -> ProviderRoute {
        ProviderRoute { instance, endpoint, pattern, native: None }
    }

    /// The model that the instance asks its provider for when the client names `requested`.
    pub(crate) fn upstream_model<'a>(&'a self, requested: &'a str) -> &'a str {
        match &self.instance.bedrock {
            Some(settings) if settings.protocol == Protocol::InvokeModel && self.native.is_none() => {
                upstream_model(settings, requested)
            }
            _ => requested,
        }
    }

    /// The request is this call, in Bedrock's form.
    #[must_use]
    pub fn native(mut self, call: NativeCall) -> ProviderRoute {
        self.native = Some(Arc::new(call));
        self
    }
}

/// The error format the client understands: guessed by [`Shape`](crate::shape::Shape) from path and headers, settled by
/// [`Route`](crate::route::Route).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speaks(pub(crate) Format);

/// The credential is the user's own: inserted by [`Auth`](crate::auth::Auth), read by [`Keys`](crate::keys::Keys)
/// and [`Record`](crate::record::Record).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Byok {
    /// First and last characters of the credential.
    pub hint: String,
}

impl Byok {
    /// A user's credential with that hint.
    pub fn new(hint: impl Into<String>) -> Byok {
        Byok { hint: hint.into() }
    }
}

/// Which of the organisation's credentials a request goes with: inserted by [`Keys`](crate::keys::Keys), also into the
/// response, where it is the one that answered; read by what signs requests, and by [`Record`](crate::record::Record).
/// [`Tools`](crate::tools::Tools) hands it on to the next round, which [`Keys`](crate::keys::Keys) gives the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// Its place in the instance's list.
    pub slot: usize,
    /// First and last characters of it.
    pub hint: Arc<str>,
}

impl Credential {
    /// The credential at that place.
    pub fn new(slot: usize, hint: impl Into<Arc<str>>) -> Credential {
        Credential { slot, hint: hint.into() }
    }
}

/// Headers the gateway itself adds, after those of the client that pass: inserted by
/// [`ActorHeaders`](crate::actor_headers::ActorHeaders), read by whoever writes the final headers.
#[derive(Clone, Debug)]
pub(crate) struct Added(pub(crate) Arc<[(http::HeaderName, http::HeaderValue)]>);

/// Which call of the provider a request is: inserted by [`Record`](crate::record::Record), read by
/// [`Dump`](crate::dump::Dump).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// The interception's id.
    pub(crate) interception: uuid::Uuid,
    /// Counted from 1.
    pub(crate) number: u32,
}

/// The headers are final, and signed: they go as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed;

/// The headers that go to the provider, of a request as it reached the innermost layer.
pub(crate) fn final_headers(mut headers: http::HeaderMap, extensions: &http::Extensions) -> http::HeaderMap {
    if extensions.get::<Signed>().is_some() {
        return headers;
    }
    headers::to_provider(&mut headers);
    if let Some(Added(added)) = extensions.get::<Added>() {
        for (name, value) in added.iter() {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers
}

/// The error format to refuse a request in.
pub(crate) fn format_of(head: &Parts) -> Format {
    match head.extensions.get::<Speaks>() {
        Some(Speaks(format)) => *format,
        None => Format::guess(head.uri.path(), &head.headers),
    }
}
