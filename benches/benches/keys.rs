//! What Keys adds: the provider's credential.

use std::{fmt::Debug, hint::black_box};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Provider, call, parsed},
};
use aibridge_tower::{keys::KeysLayer, parse::AiBody};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body::Body;
use tokio::runtime::Builder;
use tower_layer::Layer;
use tower_service::Service;

fn bench<S, R>(criterion: &mut Criterion, name: &str, service: S)
where
    S: Service<Request<AiBody>, Response = Response<R>, Error: Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug>,
{
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ask = Ask::new(inputs::small_request(false));
    let expected = provider().reply_len();
    criterion.bench_function(name, |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || parsed(&ask),
            |request| call(black_box(service.clone()), request, expected),
            BatchSize::NumIterations(64),
        );
    });
}

fn provider() -> Provider {
    Provider::document(inputs::reply(Format::Messages))
}

fn benches(criterion: &mut Criterion) {
    bench(criterion, "keys/without", provider());
    bench(criterion, "keys/with", KeysLayer::new().layer(provider()));
}

criterion_group!(layer, benches);
criterion_main!(layer);
