//! What following a stream costs in which nothing is called. By hand, optimised:
//! `cargo test -p aibridge-providers --release -- --ignored --nocapture cost_of_a_stream`

use std::hint::black_box;

use bytes::Bytes;

use super::play::*;

#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_types, reason = "real time is what is measured")]
fn cost_of_a_stream() {
    let texts = ["some words of a reply, "; 2000];
    let quiet = round("msg_1", &[text(0, &texts)], "end_turn", [1, 2]);
    let busy = round("msg_1", &[tool(0, "toolu_1", OURS[0], &["{}"]), text(1, &texts)], "tool_use", [1, 2]);
    for (what, stream) in [("untouched", &quiet), ("behind a call", &busy)] {
        let events: Vec<Bytes> =
            stream.split_inclusive("\n\n").map(|event| Bytes::copy_from_slice(event.as_bytes())).collect();
        let large: Vec<Bytes> = stream.as_bytes().chunks(16 << 10).map(Bytes::copy_from_slice).collect();
        for (how, frames) in [("an event a frame", &events), ("frames of 16 KiB", &large)] {
            let best = (0..50).map(|_| {
                let start = std::time::Instant::now();
                let mut exchange = exchange();
                for frame in frames {
                    black_box(exchange.feed(frame.clone()));
                }
                let spent = start.elapsed();
                black_box(exchange.end_stream());
                spent
            });
            let best = best.min().unwrap_or_default();
            println!("{what}, {how}: {:?} an event, {:?} in all", best / u32::try_from(events.len()).unwrap(), best);
        }
    }
}
