//! What Breaker adds: nothing has failed, something else has, and the look at a stream's first event.

use std::{fmt::Debug, hint::black_box};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Provider, call, parsed},
};
use aibridge_tower::{
    breaker::{BreakerLayer, Policy},
    parse::AiBody,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use tower_service::Service;

fn bench<S, R>(criterion: &mut Criterion, runtime: &Runtime, name: &str, ask: &Ask, provider: &Provider, service: &S)
where
    S: Service<Request<AiBody>, Response = Response<R>, Error: Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug>,
{
    let expected = provider.reply_len();
    criterion.bench_function(name, |bencher| {
        bencher.to_async(runtime).iter_batched(
            || parsed(ask),
            |request| call(black_box(service.clone()), request, expected),
            BatchSize::NumIterations(64),
        );
    });
}

/// Has another model fail once, so that the circuits have to be looked at.
fn fail(runtime: &Runtime, layer: &BreakerLayer) {
    let failing = service_fn(async |_: Request<AiBody>| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok::<_, std::convert::Infallible>(response)
    });
    let request = parsed(&Ask::new(Bytes::from_static(br#"{"model": "another", "messages": []}"#)));
    let response = runtime.block_on(layer.layer(failing).oneshot(request)).expect("a response");
    assert_eq!(response.status(), 503);
}

fn breaker(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (blocking, streaming) = (Ask::new(inputs::small_request(false)), Ask::new(inputs::small_request(true)));
    let document = Provider::document(inputs::reply(Format::Messages));
    let stream = Provider::stream(inputs::events(Format::Messages, 10));
    for (kind, ask, provider) in [("document", &blocking, &document), ("stream", &streaming, &stream)] {
        let layer = BreakerLayer::new(Some(Policy::default()));
        bench(criterion, &runtime, &format!("breaker/{kind}/without"), ask, provider, provider);
        let off = BreakerLayer::new(None).layer(provider.clone());
        bench(criterion, &runtime, &format!("breaker/{kind}/off"), ask, provider, &off);
        let service = layer.layer(provider.clone());
        bench(criterion, &runtime, &format!("breaker/{kind}/with"), ask, provider, &service);
        fail(&runtime, &layer);
        bench(criterion, &runtime, &format!("breaker/{kind}/another_fails"), ask, provider, &service);
    }
}

criterion_group!(benches, breaker);
criterion_main!(benches);
