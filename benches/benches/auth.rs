//! What Auth adds with a cached API key, and with one that is looked up and hashed each time.

use std::{fmt::Debug, hint::black_box, sync::Arc};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Keyring, Provider, call, request},
};
use aibridge_tower::auth::{
    AuthLayer,
    source::{ApiKeys, Cached},
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::runtime::Builder;
use tower_layer::Layer;
use tower_service::Service;

fn bench<S, R>(criterion: &mut Criterion, name: &str, service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug>,
{
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ask = Ask::new(inputs::small_request(false));
    let expected = provider().reply_len();
    criterion.bench_function(name, |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || request(&ask),
            |request| call(black_box(service.clone()), request, expected),
            BatchSize::NumIterations(64),
        );
    });
}

fn provider() -> Provider {
    Provider::document(inputs::reply(Format::Messages))
}

fn keys() -> ApiKeys<Keyring> {
    ApiKeys::new(Arc::new(Keyring::new()))
}

fn benches(criterion: &mut Criterion) {
    bench(criterion, "auth/without", provider());
    bench(criterion, "auth/cached", AuthLayer::new(Arc::new(Cached::new(keys()))).layer(provider()));
    bench(criterion, "auth/looked_up", AuthLayer::new(keys()).layer(provider()));
}

criterion_group!(layer, benches);
criterion_main!(layer);
