//! What Bedrock adds: translating, signing, and frames that become events.

use std::{fmt::Debug, hint::black_box, sync::Arc};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Provider, call, parsed},
};
use aibridge_providers::{
    api::Api,
    bedrock::{KeyPair, NativeCall, Protocol, Settings, StreamDecoder},
    provider::{BaseUrl, Endpoint, Instance, Kind, Secret},
};
use aibridge_tower::{
    ProviderRoute,
    bedrock::{BedrockLayer, Credentials},
    parse::AiBody,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tokio::runtime::Builder;
use tower_layer::Layer;
use tower_service::Service;

/// To an instance on Bedrock.
fn route(native: bool) -> ProviderRoute {
    let settings = Settings {
        protocol: Protocol::InvokeModel,
        region: "us-east-1".to_owned(),
        model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0".to_owned(),
        small_fast_model: "global.anthropic.claude-haiku-4-5-20251001-v1:0".to_owned(),
        credentials: vec![KeyPair { id: Secret::new("AKIAIOSFODNN7EXAMPLE"), secret: Secret::new("wJalrXUtnFEMI") }],
        role_arn: None,
        external_id: None,
    };
    let base = BaseUrl::parse("https://bedrock-runtime.us-east-1.amazonaws.com").expect("a base URL");
    let instance = Arc::new(Instance::builder(Kind::Bedrock, base).bedrock(settings).build());
    let route = ProviderRoute::new(instance, Endpoint::Intercepted(Api::Messages), "/v1/messages");
    if native { route.native(NativeCall::new("anthropic.claude-opus-4-6-v1:0", true)) } else { route }
}

fn bench<S, R>(
    criterion: &mut Criterion,
    name: &str,
    service: &S,
    ask: Bytes,
    to: Option<ProviderRoute>,
    expected: usize,
) where
    S: Service<Request<AiBody>, Response = Response<R>, Error: Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug>,
{
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ask = Ask::new(ask);
    let mut group = criterion.benchmark_group("bedrock");
    group.throughput(Throughput::Bytes(ask.len() as u64 + expected as u64));
    group.bench_function(name, |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || {
                let mut request = parsed(&ask);
                if let Some(route) = to.clone() {
                    request.extensions_mut().insert(route);
                }
                request
            },
            |request| call(black_box(service.clone()), request, expected),
            BatchSize::NumIterations(64),
        );
    });
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let layer = BedrockLayer::new(Credentials::on(runtime.handle().clone()));

    let document = Provider::document(inputs::reply(Format::Messages));
    let length = document.reply_len();
    let (small, large) = (inputs::small_request(false), inputs::large_request(false));
    bench(criterion, "without", &document, small.clone(), None, length);
    let service = layer.layer(document);
    bench(criterion, "another kind", &service, small.clone(), None, length);
    bench(criterion, "small request", &service, small.clone(), Some(route(false)), length);
    bench(criterion, "200 KB request", &service, large.clone(), Some(route(false)), length);
    bench(criterion, "200 KB request, native", &service, large, Some(route(true)), length);

    let events = inputs::events(Format::Messages, 104).concat();
    let frames = aibridge_tests::frames(&events.into());
    let mut decoder = StreamDecoder::new();
    let as_events: usize = frames.iter().map(|frame| decoder.feed(frame).len()).sum();
    let stream =
        Provider::stream(frames.clone()).content_type(HeaderValue::from_static("application/vnd.amazon.eventstream"));
    let as_frames = stream.reply_len();
    let service = layer.layer(stream);
    let asking = inputs::small_request(true);
    bench(criterion, "104 frames to events", &service, asking.clone(), Some(route(false)), as_events);
    bench(criterion, "104 frames, native", &service, asking, Some(route(true)), as_frames);
}

criterion_group!(layer, benches);
criterion_main!(layer);
