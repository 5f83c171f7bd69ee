//! What each layer adds to a request, from the bare provider to the whole pipeline.
//!
//! The provider is a service in memory, so that no socket hides what the layers cost. Each iteration runs 64 requests at
//! the same time, as a busy gateway does: a request that waits for its record leaves the processor to the others. Times
//! are for all 64; `elem/s` counts requests. The first rung holds what the harness itself costs.

use std::{fmt::Debug, hint::black_box, num::NonZeroU32, sync::Arc};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Keyring, Provider, calls, registry, request},
};
use aibridge_store::sqlite::Sqlite;
use aibridge_tower::{
    auth::{
        AuthLayer,
        source::{ApiKeys, Cached},
    },
    keys::KeysLayer,
    limit::{InFlightLayer, RateLayer},
    models::ModelsLayer,
    parse::ParseLayer,
    passthrough::PassthroughLayer,
    record::RecordLayer,
    route::{ProbeLayer, RouteLayer},
    shape::ShapeLayer,
};
use bytes::Bytes;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceBuilder;
use tower_service::Service;

/// Requests that run at the same time.
const IN_FLIGHT: usize = 64;
/// Events of a streamed reply.
const EVENTS: usize = 100;

struct Load {
    name: &'static str,
    ask: Ask,
    provider: Provider,
}

fn loads() -> [Load; 4] {
    let document = || Provider::document(inputs::reply(Format::Messages));
    let events = inputs::events(Format::Messages, EVENTS);
    let burst: Bytes = events.concat().into();
    [
        Load { name: "small", ask: Ask::new(inputs::small_request(false)), provider: document() },
        Load { name: "200_kb", ask: Ask::new(inputs::large_request(false)), provider: document() },
        Load {
            name: "stream_of_frames",
            ask: Ask::new(inputs::small_request(true)),
            provider: Provider::stream(events),
        },
        Load {
            name: "stream_in_a_burst",
            ask: Ask::new(inputs::small_request(true)),
            provider: Provider::stream(vec![burst]),
        },
    ]
}

fn rung<S, R>(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, load: &Load, name: &str, service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug>,
{
    let expected = load.provider.reply_len();
    group.bench_function(name, |bencher| {
        bencher.to_async(runtime).iter_batched(
            || (0..IN_FLIGHT).map(|_| request(&load.ask)).collect(),
            |requests| calls(black_box(&service), requests, expected),
            BatchSize::SmallInput,
        );
    });
}

fn ladder(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(&directory.path().join("ladder.db")).expect("a database");
    let auth = AuthLayer::new(Arc::new(Cached::new(ApiKeys::new(Arc::new(Keyring::new())))));
    let (registry, shape) = (registry(), ShapeLayer::new());
    for load in loads() {
        let mut group = criterion.benchmark_group(format!("ladder/{}", load.name));
        let bytes = (load.ask.len() + load.provider.reply_len()) * IN_FLIGHT;
        group.throughput(Throughput::ElementsAndBytes { elements: IN_FLIGHT as u64, bytes: bytes as u64 });
        let provider = || load.provider.clone();
        let proxied = ServiceBuilder::new().layer(KeysLayer::new()).service(provider());
        let passthrough = PassthroughLayer::new(proxied);
        let route = || RouteLayer::new(registry.clone());

        rung(&mut group, &runtime, &load, "1_provider", provider());
        let service = ServiceBuilder::new().layer(shape.clone()).service(provider());
        rung(&mut group, &runtime, &load, "2_shape", service);
        let service = ServiceBuilder::new().layer(shape.clone()).layer(auth.clone()).service(provider());
        rung(&mut group, &runtime, &load, "3_auth", service);
        let outer = || ServiceBuilder::new().layer(shape.clone()).layer(auth.clone()).layer(route());
        rung(&mut group, &runtime, &load, "4_route", outer().service(provider()));
        let service = outer().layer(passthrough.clone()).service(provider());
        rung(&mut group, &runtime, &load, "5_passthrough", service);
        let parsed = || outer().layer(passthrough.clone()).layer(ParseLayer::new());
        rung(&mut group, &runtime, &load, "6_parse", parsed().service(provider()));
        let recorded = || parsed().layer(RecordLayer::new(store.clone()));
        rung(&mut group, &runtime, &load, "7_record", recorded().service(provider()));
        let service = recorded().layer(ModelsLayer::new()).layer(KeysLayer::new()).service(provider());
        rung(&mut group, &runtime, &load, "8_models_and_keys", service);
        let service = ServiceBuilder::new()
            .layer(shape.clone())
            .layer(ProbeLayer::new(registry.clone()))
            .layer(InFlightLayer::new(Some(1_000_000)))
            .layer(auth.clone())
            .layer(RateLayer::new(NonZeroU32::new(100_000_000)))
            .layer(route())
            .layer(passthrough.clone())
            .layer(ParseLayer::new())
            .layer(RecordLayer::new(store.clone()))
            .layer(ModelsLayer::new())
            .layer(KeysLayer::new())
            .service(provider());
        rung(&mut group, &runtime, &load, "9_all", service);
        group.finish();
    }
    runtime.block_on(store.close()).expect("all records are written");
}

criterion_group!(benches, ladder);
criterion_main!(benches);
