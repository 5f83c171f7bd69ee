//! What each layer adds to a request, from the bare provider to the whole pipeline.
//!
//! The provider is a service in memory, so that no socket hides what the layers cost. Each iteration runs 64 requests at
//! the same time, as a busy gateway does: a request that waits for its record leaves the processor to the others. Times
//! are for all 64; `elem/s` counts requests. The first rung holds what the harness itself costs.
//!
//! The last two rungs differ in injected tools that nobody calls. They are there for each API, the others for Messages.

use std::{fmt::Debug, hint::black_box, num::NonZeroU32, sync::Arc, time::Duration};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Keyring, Provider, Tools, calls, registry, request},
};
use aibridge_store::sqlite::Sqlite;
use aibridge_tower::{
    auth::{
        AuthLayer,
        source::{ApiKeys, Cached},
    },
    breaker::{BreakerLayer, Policy},
    keys::KeysLayer,
    limit::{InFlightLayer, RateLayer},
    models::ModelsLayer,
    parse::ParseLayer,
    passthrough::PassthroughLayer,
    record::RecordLayer,
    route::{ProbeLayer, RouteLayer},
    shape::ShapeLayer,
    tools::ToolsLayer,
};
use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};
use tower::ServiceBuilder;
use tower_service::Service;

/// Requests that run at the same time.
const IN_FLIGHT: usize = 64;
/// Events of a streamed reply.
const EVENTS: usize = 100;

struct Load {
    api: Format,
    name: &'static str,
    ask: Ask,
    provider: Provider,
}

/// Writes a request, one that streams or does not.
type Writes = fn(bool) -> Bytes;

/// Asks with a request.
type Asks = fn(Bytes) -> Ask;

fn loads() -> Vec<Load> {
    let asks: [(Format, Asks, [Writes; 2]); 3] = [
        (Format::Messages, Ask::new, [inputs::small_request, inputs::large_request]),
        (Format::Chat, Ask::chat, [inputs::small_chat_request, inputs::large_chat_request]),
        (Format::Responses, Ask::responses, [inputs::small_responses_request, inputs::large_responses_request]),
    ];
    let loads = asks.into_iter().flat_map(|(api, ask, [small, large])| {
        let document = Provider::document(inputs::reply(api));
        let events = inputs::events(api, EVENTS);
        let burst: Bytes = events.concat().into();
        [
            ("small", small(false), document.clone()),
            ("200_kb", large(false), document),
            ("stream_of_frames", small(true), Provider::stream(events)),
            ("stream_in_a_burst", small(true), Provider::stream(vec![burst])),
        ]
        .map(|(name, body, provider)| Load { api, name, ask: ask(body), provider })
    });
    loads.collect()
}

/// What every rung needs.
struct Ground {
    runtime: Runtime,
    store: Sqlite,
}

impl Ground {
    fn rung<S, R>(&self, group: &mut BenchmarkGroup<'_, WallTime>, load: &Load, name: &str, service: S)
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Debug> + Clone,
        R: Body<Data = Bytes, Error: Debug>,
    {
        if load.api != Format::Messages && name.starts_with(char::is_numeric) {
            return;
        }
        let expected = load.provider.reply_len();
        group.bench_function(name, |bencher| {
            bencher.to_async(&self.runtime).iter_custom(async |iterations| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..iterations {
                    let requests = (0..IN_FLIGHT).map(|_| request(&load.ask)).collect();
                    let begun = Instant::now();
                    calls(black_box(&service), requests, expected).await;
                    elapsed += begun.elapsed();
                    // What the writer still has to do is its own thread's time, and must not pile up.
                    self.store.flush().await.expect("all records are written");
                }
                elapsed
            });
        });
    }
}

fn ladder(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(&directory.path().join("ladder.db")).expect("a database");
    let ground = Ground { runtime, store: store.clone() };
    let auth = AuthLayer::new(Arc::new(Cached::new(ApiKeys::new(Arc::new(Keyring::new())))));
    let (registry, shape) = (registry(), ShapeLayer::new());
    let tools = ToolsLayer::new(Tools::new());
    for load in loads() {
        let group = match load.api {
            Format::Messages => format!("ladder/{}", load.name),
            Format::Chat => format!("ladder/chat/{}", load.name),
            _ => format!("ladder/responses/{}", load.name),
        };
        let mut group = criterion.benchmark_group(group);
        let bytes = (load.ask.len() + load.provider.reply_len()) * IN_FLIGHT;
        group.throughput(Throughput::ElementsAndBytes { elements: IN_FLIGHT as u64, bytes: bytes as u64 });
        let provider = || load.provider.clone();
        let proxied = ServiceBuilder::new().layer(KeysLayer::new()).service(provider());
        let passthrough = PassthroughLayer::new(proxied);
        let route = || RouteLayer::new(registry.clone());

        ground.rung(&mut group, &load, "1_provider", provider());
        let service = ServiceBuilder::new().layer(shape.clone()).service(provider());
        ground.rung(&mut group, &load, "2_shape", service);
        let service = ServiceBuilder::new().layer(shape.clone()).layer(auth.clone()).service(provider());
        ground.rung(&mut group, &load, "3_auth", service);
        let outer = || ServiceBuilder::new().layer(shape.clone()).layer(auth.clone()).layer(route());
        ground.rung(&mut group, &load, "4_route", outer().service(provider()));
        let service = outer().layer(passthrough.clone()).service(provider());
        ground.rung(&mut group, &load, "5_passthrough", service);
        let parsed = || outer().layer(passthrough.clone()).layer(ParseLayer::new());
        ground.rung(&mut group, &load, "6_parse", parsed().service(provider()));
        let recorded = || parsed().layer(RecordLayer::new(store.clone()));
        ground.rung(&mut group, &load, "7_record", recorded().service(provider()));
        let service = recorded().layer(ModelsLayer::new()).layer(KeysLayer::new()).service(provider());
        ground.rung(&mut group, &load, "8_models_and_keys", service);
        let breaker = BreakerLayer::new(Some(Policy::default()));
        let service =
            recorded().layer(ModelsLayer::new()).layer(breaker.clone()).layer(KeysLayer::new()).service(provider());
        ground.rung(&mut group, &load, "9_breaker", service);
        for (name, tools) in [("all", ToolsLayer::off()), ("all_and_tools", tools.clone())] {
            let service = ServiceBuilder::new()
                .layer(shape.clone())
                .layer(ProbeLayer::new(registry.clone()))
                .layer(InFlightLayer::new(Some(1_000_000)))
                .layer(auth.clone())
                .layer(RateLayer::new(NonZeroU32::new(100_000_000)))
                .layer(route())
                .layer(passthrough.clone())
                .layer(ParseLayer::new())
                .layer(tools)
                .layer(RecordLayer::new(store.clone()))
                .layer(ModelsLayer::new())
                .layer(breaker.clone())
                .layer(KeysLayer::new())
                .service(provider());
            ground.rung(&mut group, &load, name, service);
        }
        group.finish();
    }
    ground.runtime.block_on(store.close()).expect("all records are written");
}

criterion_group!(benches, ladder);
criterion_main!(benches);
