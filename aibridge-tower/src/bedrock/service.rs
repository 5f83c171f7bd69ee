use std::{
    mem,
    task::{Context, Poll},
};

use aibridge_providers::bedrock::{Removed, What};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use opentelemetry::{KeyValue, global, metrics::Counter};
use tower_layer::Layer;
use tower_service::Service;

use super::{Credentials, ResponseBody, ResponseFuture, credentials::Found, future::Sent, prepare};
use crate::{BoxError, body, parse::AiBody};

/// Adds [`Bedrock`]: stands between [`Keys`](crate::keys::Keys) and [`Upstream`](crate::upstream::Upstream).
#[derive(Clone, Debug)]
pub struct BedrockLayer {
    credentials: Credentials,
    removals: Counter<u64>,
}

impl BedrockLayer {
    /// Signs with `credentials`.
    ///
    /// What the translation removes is counted by `coder_aibridged_bedrock_removals_total` (labels `provider`, `what`, and
    /// `name` for fields) of the global meter provider.
    pub fn new(credentials: Credentials) -> BedrockLayer {
        let removals = global::meter("aibridge")
            .u64_counter("coder_aibridged_bedrock_removals")
            .with_description("Parts of requests that Amazon Bedrock does not take, and that were removed or changed")
            .build();
        BedrockLayer { credentials, removals }
    }
}

impl<S> Layer<S> for BedrockLayer {
    type Service = Bedrock<S>;

    fn layer(&self, inner: S) -> Bedrock<S> {
        Bedrock { inner, settings: self.clone() }
    }
}

/// Translates and signs requests to Amazon Bedrock. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Bedrock<S> {
    inner: S,
    settings: BedrockLayer,
}

impl<S, ResBody> Service<Request<AiBody>> for Bedrock<S>
where
    S: Service<Request<AiBody>, Response = Response<ResBody>> + Clone,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<body::ResponseBody<ResponseBody<ResBody>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<AiBody>) -> Self::Future {
        let Some(plan) = prepare::plan(&request) else {
            return ResponseFuture::call(self.inner.call(request), None);
        };
        let format = request.body().api().format();
        let plan = match plan.and_then(|plan| Ok((plan.apply(&mut request)?, plan))) {
            Ok((removed, plan)) => {
                self.settings.count(&plan.instance.name, &removed);
                plan
            }
            Err(refusal) => return ResponseFuture::refuse(format, refusal),
        };
        let credentials = &self.settings.credentials;
        let found = plan.slot.map(|slot| credentials.find(&plan.instance, plan.settings(), slot));
        let sent = Sent { plan, credentials: credentials.clone() };
        match found {
            Some(Found::Known(credentials)) => {
                let body = request.body().bytes().clone();
                if let Err(refusal) = sent.plan.sign(&mut request, &body, credentials) {
                    return ResponseFuture::refuse(format, refusal);
                }
            }
            Some(Found::Pending(pending)) => {
                // A clone may not be ready: leave it behind, carry off the service that `poll_ready` drove.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                return ResponseFuture::wait(pending, inner, request, sent);
            }
            Some(Found::Failed) => return ResponseFuture::refuse(format, sent.plan.unresolved()),
            // The user's own credential is no key to sign with; Bedrock takes it as it is.
            None => {}
        }
        ResponseFuture::call(self.inner.call(request), Some(sent))
    }
}

impl BedrockLayer {
    fn count(&self, provider: &str, removed: &[Removed]) {
        for Removed { what, name, .. } in removed {
            tracing::debug!(provider, what = what.as_str(), name, "not taken by Amazon Bedrock");
            // A flag is the client's own text, which must not become a label.
            let name = if *what == What::Beta { "" } else { name };
            let labels = [("provider", provider), ("what", what.as_str()), ("name", name)];
            self.removals.add(1, &labels.map(|(name, value)| KeyValue::new(name, value.to_owned())));
        }
    }
}
