//! What Record takes to observe a reply, with a recorder that forgets: the store is measured in the ladder.

use std::{hint::black_box, sync::Arc};

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Provider, call, parsed},
};
use aibridge_store::{
    Recorder, Started,
    record::{Record, Start},
};
use aibridge_tower::record::RecordLayer;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Builder;
use tower_layer::Layer;

struct Forgets;

impl Recorder for Forgets {
    fn start(&self, _: &Arc<Start>) -> Started {
        Started::ready(Ok(()))
    }

    fn record(&self, record: &Arc<Record>) {
        black_box(record);
    }
}

fn benches(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ask = Ask::new(inputs::small_request(true));
    let events = inputs::events(Format::Messages, 100);
    let burst: Bytes = events.concat().into();
    for (name, ask, provider) in [
        ("document", &ask, Provider::document(inputs::reply(Format::Messages))),
        ("stream_of_frames", &ask, Provider::stream(events)),
        ("stream_in_a_burst", &ask, Provider::stream(vec![burst])),
        // The provider has to be asked for the usage. What it answers is not the point.
        (
            "200_kb_without_usage",
            &Ask::chat(inputs::large_chat_request_without_usage()),
            Provider::document(inputs::reply(Format::Chat)),
        ),
    ] {
        let expected = provider.reply_len();
        let mut group = criterion.benchmark_group(format!("record/{name}"));
        group.throughput(Throughput::Bytes(expected as u64));
        group.bench_function("without", |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || parsed(ask),
                |request| call(black_box(provider.clone()), request, expected),
                BatchSize::NumIterations(64),
            );
        });
        let record = RecordLayer::new(Forgets).layer(provider.clone());
        group.bench_function("with", |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || parsed(ask),
                |request| call(black_box(record.clone()), request, expected),
                BatchSize::NumIterations(64),
            );
        });
        group.finish();
    }
}

criterion_group!(layer, benches);
criterion_main!(layer);
