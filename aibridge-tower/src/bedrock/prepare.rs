//! What is sent to Bedrock.

use std::{borrow::Cow, mem, sync::Arc, time::SystemTime};

use aibridge_providers::{
    api::{Reason, Refusal},
    bedrock::{CONSUMED_HEADERS, NativeCall, Protocol, Removed, Settings, translate},
    provider::{Instance, Kind, headers},
};
use aws_credential_types::Credentials as AwsCredentials;
use http::{HeaderName, HeaderValue, Request, header};

use super::sign::sign;
use crate::{
    Byok, Credential, ProviderRoute,
    context::{Added, Signed, final_headers},
    parse::AiBody,
    refuse,
};

/// A request to Bedrock, and what is needed to sign it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) instance: Arc<Instance>,
    /// The place of the credential in the instance's list. `None` when the request carries the user's own.
    pub(super) slot: Option<usize>,
    /// The reply has to be translated back.
    pub(super) translated: bool,
}

/// The plan for a request, if it goes to Bedrock.
pub(super) fn plan<B>(request: &Request<B>) -> Option<Result<Plan, Refusal>> {
    let extensions = request.extensions();
    let route = extensions.get::<ProviderRoute>()?;
    let instance = &route.instance;
    if instance.kind != Kind::Bedrock {
        return None;
    }
    let Some(settings) = &instance.bedrock else {
        let message = format!("aibridge: provider {:?} has no settings for Amazon Bedrock", instance.name);
        return Some(Err(Refusal::new(Reason::Internal, message)));
    };
    let slot = match extensions.get::<Byok>() {
        Some(_) => None,
        None => Some(extensions.get::<Credential>().map_or(0, |credential| credential.slot)),
    };
    let translated = settings.protocol == Protocol::InvokeModel && route.native.is_none();
    Some(Ok(Plan { instance: instance.clone(), slot, translated }))
}

impl Plan {
    pub(super) fn settings(&self) -> &Settings {
        self.instance.bedrock.as_ref().expect("a plan is for an instance with settings")
    }

    /// Puts `request` into the form in which it goes, but for the signature. Returns what was removed from it.
    pub(super) fn apply(&self, request: &mut Request<AiBody>) -> Result<Vec<Removed>, Refusal> {
        if !self.translated {
            self.settle_headers(request);
            return Ok(Vec::new());
        }
        let Some(document) = request.body().outgoing().map(Cow::into_owned) else {
            let message = "aibridge: a layer left a body that is no json object";
            return Err(Refusal::new(Reason::Internal, message));
        };
        if document.get("thread").is_some_and(|thread| !thread.is_null()) {
            let name = &self.instance.name;
            let message =
                format!("aibridge: provider {name:?} keeps no message threads; send the whole history instead");
            return Err(Refusal::new(Reason::ThreadUnsupported, message));
        }
        let translation = translate(&document, request.headers(), self.settings());
        let path = NativeCall::new(translation.model, translation.streaming).path();
        let Some(uri) = self.instance.base_url.join(Kind::Bedrock, &path, None) else {
            return Err(Refusal::new(Reason::InvalidRequest, "aibridge: the model's name does not form a url"));
        };
        *request.uri_mut() = uri;
        AiBody::edit(request, translation.body);
        self.settle_headers(request);
        let accept = if translation.streaming { "application/vnd.amazon.eventstream" } else { "application/json" };
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        Ok(translation.removed)
    }

    /// From here on the headers are those that reach Bedrock.
    pub(super) fn settle_headers<B>(&self, request: &mut Request<B>) {
        let mut headers = final_headers(mem::take(request.headers_mut()), request.extensions());
        headers::keep(&mut headers, |name| !self.stays_here(name));
        *request.headers_mut() = headers;
        request.extensions_mut().insert(Signed);
    }

    fn stays_here(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        // A signature of the client's is one for the gateway, by keys that are not the organisation's.
        text.starts_with("x-amz-")
            || (self.slot.is_some() && (*name == header::AUTHORIZATION || text == "x-api-key"))
            // What is read here has to be readable.
            || (self.translated && (CONSUMED_HEADERS.contains(&text) || *name == header::ACCEPT_ENCODING))
    }

    /// Signs a request to which [`Plan::settle_headers`] was applied.
    pub(super) fn sign<B>(
        &self,
        request: &mut Request<B>,
        body: &[u8],
        credentials: AwsCredentials,
    ) -> Result<(), Refusal> {
        let settings = self.settings();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let scope = (settings.region.as_str(), settings.protocol.service());
        let added = request.extensions().get::<Added>().cloned();
        let added = added.as_ref().map_or(&[][..], |Added(headers)| headers);
        let headers = request.headers_mut();
        sign((&method, &uri), headers, added, body, credentials, scope, SystemTime::now()).map_err(|error| {
            let chain: Vec<_> = refuse::chain(error.as_ref()).map(ToString::to_string).collect();
            tracing::error!(instance = self.instance.name, error = chain.join(": "), "a request cannot be signed");
            let message = format!("aibridge: the request to provider {:?} cannot be signed", self.instance.name);
            Refusal::new(Reason::Internal, message)
        })
    }

    /// There is nothing to sign with.
    pub(super) fn unresolved(&self) -> Refusal {
        let message = format!(
            "aibridge: provider {:?} has no valid AWS credentials at the moment; the gateway's log says why",
            self.instance.name
        );
        Refusal::new(Reason::KeysRefused, message)
    }
}
