//! What Keys adds: the provider's credential, and from the second key on what it takes to ask again.

use std::{fmt::Debug, hint::black_box, sync::Arc, time::Duration};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Provider, call, parsed},
};
use aibridge_providers::provider::{BaseUrl, Instance, Kind, Secret, Verdict};
use aibridge_tower::{ProviderRoute, keys::KeysLayer, parse::AiBody};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body::Body;
use tokio::{runtime::Builder, time::Instant};
use tower_layer::Layer;
use tower_service::Service;

/// An instance with so many keys.
fn instance(keys: usize) -> Arc<Instance> {
    let base = BaseUrl::parse("https://provider.example/").expect("a base URL");
    let key = |number| Secret::new(format!("sk-provider-key-{number:04}-0123456789"));
    Arc::new((0..keys).fold(Instance::builder(Kind::Anthropic, base), |it, number| it.key(key(number))).build())
}

fn bench<S, R>(criterion: &mut Criterion, name: &str, ask: &Ask, instance: &Arc<Instance>, service: &S)
where
    S: Service<Request<AiBody>, Response = Response<R>, Error: Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug>,
{
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let expected = provider().reply_len();
    criterion.bench_function(name, |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || {
                let mut request = parsed(ask);
                let Some(ProviderRoute { endpoint, pattern, .. }) = request.extensions().get().cloned() else {
                    unreachable!("it is routed")
                };
                request.extensions_mut().insert(ProviderRoute::new(instance.clone(), endpoint, pattern));
                request
            },
            |request| call(black_box(service.clone()), request, expected),
            BatchSize::NumIterations(64),
        );
    });
}

fn provider() -> Provider {
    Provider::document(inputs::reply(Format::Messages))
}

fn layer(criterion: &mut Criterion) {
    let (small, large) = (Ask::new(inputs::small_request(false)), Ask::new(inputs::large_request(false)));
    let keys = KeysLayer::new().layer(provider());
    let one = instance(1);
    bench(criterion, "keys/without", &small, &one, &provider());
    bench(criterion, "keys/one", &small, &one, &keys);
    bench(criterion, "keys/three", &small, &instance(3), &keys);
    bench(criterion, "keys/three_200_kb", &large, &instance(3), &keys);
    // From here on conversations are remembered and looked up.
    let out = instance(3);
    out.pool().mark(0, Verdict::RateLimited(Duration::from_secs(3_600)), Instant::now().into_std());
    bench(criterion, "keys/three_first_out", &small, &out, &keys);
    bench(criterion, "keys/three_remembered", &small, &instance(3), &keys);
}

/// The pool alone.
fn pool(criterion: &mut Criterion) {
    for (name, keys, out) in [("first", 3, 0), ("second", 3, 1), ("last_of_100", 100, 99)] {
        let (instance, now) = (instance(keys), Instant::now().into_std());
        for slot in 0..out {
            instance.pool().mark(slot, Verdict::RateLimited(Duration::from_secs(3_600)), now);
        }
        criterion.bench_function(&format!("keys/pool/{name}"), |bencher| {
            bencher.iter(|| assert_eq!(black_box(instance.pool()).pick(None, &[], now), Ok(out)));
        });
    }
}

criterion_group!(benches, layer, pool);
criterion_main!(benches);
