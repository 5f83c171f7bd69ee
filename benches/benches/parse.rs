//! What Parse takes to buffer and understand a request, by its size.

use std::hint::black_box;

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Provider, call, routed},
};
use aibridge_tower::parse::ParseLayer;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Builder;
use tower_layer::Layer;

fn benches(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let provider = Provider::document(inputs::reply(Format::Messages));
    let expected = provider.reply_len();
    for (name, body) in [("small", inputs::small_request(false)), ("200_kb", inputs::large_request(false))] {
        let ask = Ask::new(body);
        let mut group = criterion.benchmark_group(format!("parse/{name}"));
        group.throughput(Throughput::Bytes(ask.len() as u64));
        group.bench_function("without", |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || routed(&ask),
                |request| call(black_box(provider.clone()), request, expected),
                BatchSize::NumIterations(64),
            );
        });
        let parse = ParseLayer::new().layer(provider.clone());
        group.bench_function("with", |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || routed(&ask),
                |request| call(black_box(parse.clone()), request, expected),
                BatchSize::NumIterations(64),
            );
        });
        group.finish();
    }
}

criterion_group!(layer, benches);
criterion_main!(layer);
