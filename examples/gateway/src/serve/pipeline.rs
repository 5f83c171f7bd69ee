//! The gateway's pipeline, as one `ServiceBuilder`.

use std::{
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use aibridge_providers::provider::Registry;
use aibridge_store::Recorder;
use aibridge_tower::{
    BoxError,
    actor_headers::ActorHeadersLayer,
    auth::{AuthLayer, Authenticate},
    bedrock::{BedrockLayer, Credentials, ProxiedLayer},
    breaker::BreakerLayer,
    dump::{self, DumpLayer},
    keys::KeysLayer,
    limit::{InFlightLayer, RateLayer},
    models::ModelsLayer,
    parse::ParseLayer,
    passthrough::{self, PassthroughLayer},
    record::{RecordLayer, RecordingPolicy, follow::FollowLayer},
    route::{ProbeLayer, RouteLayer},
    shape::ShapeLayer,
    tools::ToolsLayer,
    upstream::Upstream,
};
use http::{Request, Response};
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder};

use super::access_log::AccessLogLayer;
use crate::identity::Identity;

/// The body of a request that is only passed through, as it reaches the provider.
type ProxiedRequest = dump::RequestBody<passthrough::RequestBody<Incoming>>;

/// What the pipeline is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) registry: Arc<Registry>,
    pub(crate) identity: Identity,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) tools: ToolsLayer,
    pub(crate) dump: DumpLayer,
    pub(crate) aws: Credentials,
    /// All workers share what is known of keys and providers.
    pub(crate) keys: KeysLayer,
    pub(crate) breaker: BreakerLayer,
    pub(crate) settings: Settings,
}

/// How the pipeline behaves.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) policy: RecordingPolicy,
    pub(crate) record_content: bool,
    pub(crate) allow_byok: bool,
    pub(crate) actor_headers: ActorHeadersLayer,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) rate_limit: Option<NonZeroU32>,
    pub(crate) max_request_bytes: usize,
    pub(crate) header_timeout: Duration,
}

/// The service that answers below the mounts. `cut_off` is set before requests are dropped that did not finish in time.
pub(super) fn pipeline(
    parts: Parts,
    cut_off: Arc<AtomicBool>,
) -> Result<
    impl Service<
        Request<Incoming>,
        Response = Response<impl http_body::Body<Data = bytes::Bytes, Error = BoxError> + Send + 'static>,
        Error = std::convert::Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static,
    BoxError,
>
where
    Identity: Authenticate,
{
    let Parts { registry, identity, recorder, tools, breaker, keys, aws, dump, settings } = parts;
    let upstream = Upstream::builder().header_timeout(settings.header_timeout);
    let upstream = upstream.build::<ProxiedRequest>()?;
    let proxied = ServiceBuilder::new()
        .layer(settings.actor_headers.clone().withheld())
        .layer(FollowLayer::new(recorder.clone()).content(settings.record_content))
        .layer(keys.clone())
        .layer(ProxiedLayer::new(aws.clone()).max_bytes(settings.max_request_bytes))
        .layer(dump.proxied())
        .service(upstream.clone());
    Ok(ServiceBuilder::new()
        .layer(AccessLogLayer::new())
        .layer(ShapeLayer::new())
        .layer(ProbeLayer::new(registry.clone()))
        .layer(InFlightLayer::new(settings.max_concurrency))
        .layer(AuthLayer::new(identity).allow_byok(settings.allow_byok))
        .layer(RateLayer::new(settings.rate_limit))
        .layer(RouteLayer::new(registry))
        .layer(PassthroughLayer::new(proxied))
        .layer(ParseLayer::new().max_bytes(settings.max_request_bytes))
        .layer(tools)
        .layer(RecordLayer::new(recorder).policy(settings.policy).content(settings.record_content).cut_off(cut_off))
        .layer(settings.actor_headers)
        .layer(ModelsLayer::new())
        .layer(breaker)
        .layer(keys)
        .layer(BedrockLayer::new(aws))
        .layer(dump)
        .service(upstream.parsed()))
}
