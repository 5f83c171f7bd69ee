//! What Tools takes for a request and a reply without a call: to add twenty tools, and to look for calls of them.

use std::hint::black_box;

use aibridge_benches::{
    inputs::{self, Format},
    service::{Ask, Provider, Tools, call, parsed},
};
use aibridge_tower::tools::ToolsLayer;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Builder;
use tower_layer::Layer;

fn benches(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (api, format, asks) in [
        (
            "messages",
            Format::Messages,
            [inputs::small_request, inputs::large_request].map(|of| [of(false), of(true)].map(Ask::new)),
        ),
        (
            "chat",
            Format::Chat,
            [inputs::small_chat_request, inputs::large_chat_request].map(|of| [of(false), of(true)].map(Ask::chat)),
        ),
        (
            "responses",
            Format::Responses,
            [inputs::small_responses_request, inputs::large_responses_request]
                .map(|of| [of(false), of(true)].map(Ask::responses)),
        ),
    ] {
        let events = inputs::events(format, 100);
        let burst: Bytes = events.concat().into();
        let document = Provider::document(inputs::reply(format));
        let (frames, burst) = (Provider::stream(events), Provider::stream(vec![burst]));
        let [[small, small_stream], [large, large_stream]] = asks;
        for (name, ask, provider) in [
            ("small", small, &document),
            ("200_kb", large, &document),
            ("stream_of_frames", small_stream, &frames),
            ("200_kb_stream_in_a_burst", large_stream, &burst),
        ] {
            let expected = provider.reply_len();
            let mut group = criterion.benchmark_group(format!("tools/{api}/{name}"));
            group.throughput(Throughput::Bytes((ask.len() + expected) as u64));
            for (name, layer) in [("off", ToolsLayer::off()), ("on", ToolsLayer::new(Tools::new()))] {
                let service = layer.layer(provider.clone());
                group.bench_function(name, |bencher| {
                    bencher.to_async(&runtime).iter_batched(
                        || parsed(&ask),
                        |request| call(black_box(service.clone()), request, expected),
                        BatchSize::NumIterations(64),
                    );
                });
            }
            group.finish();
        }
    }
}

criterion_group!(layer, benches);
criterion_main!(layer);
