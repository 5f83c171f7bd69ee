use proptest::{prelude::*, sample::Index};

use super::*;

/// A call: its name, and its arguments in the pieces in which they come.
type Planned = (&'static str, Vec<String>);

/// What a round says and calls.
type Plan = (Vec<String>, Vec<Planned>);

fn plan() -> impl Strategy<Value = Plan> {
    let names = vec!["bmcp_a", "bmcp_ab", "bmcp_b", "read", "bmcp_other", "b"];
    let text = || prop_oneof![Just(String::new()), "[a-z\"\\\\é🦀\n]{1,6}"];
    let call = (prop::sample::select(names), prop::collection::vec(text(), 0..4));
    (prop::collection::vec(text(), 0..4), prop::collection::vec(call, 0..5))
}

/// The stream of a round: the deltas of all calls, each in its order, mixed with each other and the text.
fn written(id: &str, (texts, planned): &Plan, order: &[Index], many: bool, from: u64) -> String {
    let mut queues: Vec<std::collections::VecDeque<Value>> =
        vec![texts.iter().map(|text| json!({"content": text})).collect()];
    for (at, (name, pieces)) in planned.iter().enumerate() {
        let index = from + at as u64;
        let head = json!({"index": index, "id": format!("{id}_{at}"), "type": "function", "function": {"name": name, "arguments": ""}});
        // A call begins after those before it.
        queues.push([head].into_iter().chain(pieces.iter().map(|piece| continued(index, piece))).collect());
    }
    let mut chunks = vec![chunk(id, json!({"role": "assistant", "content": ""}))];
    let mut order = order.iter().cycle();
    let mut begun = 0;
    while queues.iter().any(|queue| !queue.is_empty()) {
        let mut open: Vec<_> = (0..queues.len()).filter(|at| !queues[*at].is_empty() && *at <= begun + 1).collect();
        if open.is_empty() {
            open = vec![begun + 1];
        }
        let at = *order.next().expect("endless").get(&open);
        begun = begun.max(at);
        let Some(delta) = queues[at].pop_front() else { continue };
        if at == 0 {
            chunks.push(chunk(id, delta));
            continue;
        }
        let last = chunks.last_mut().expect("one");
        let fits = last["choices"][0]["delta"]["tool_calls"]
            .as_array()
            .is_some_and(|deltas| deltas.iter().all(|known| known["index"] != delta["index"]));
        if many && fits {
            last["choices"][0]["delta"]["tool_calls"].as_array_mut().expect("some").push(delta);
        } else {
            chunks.push(chunk(id, calls(json!([delta]))));
        }
    }
    chunks.push(closing(id, if planned.is_empty() { "stop" } else { "tool_calls" }));
    chunks.push(usage_chunk(id, 10, 1));
    stream(chunks)
}

fn is_ours(name: &str) -> bool {
    ["bmcp_a", "bmcp_ab", "bmcp_b"].contains(&name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_client_sees_its_own_calls_and_all_text_however_they_come(
        plans in prop::collection::vec(plan(), 1..4),
        order in prop::collection::vec(any::<Index>(), 1..20),
        many in any::<bool>(),
        from in 0..2_u64,
        size in 1..400_usize,
    ) {
        // A round without calls of ours, or with the client's, is the last.
        let last = plans.iter().position(|(_, calls)| {
            calls.iter().all(|call| !is_ours(call.0)) || calls.iter().any(|call| !is_ours(call.0))
        });
        let plans = &plans[..last.map_or(plans.len(), |last| last + 1)];
        // Before a call of ours the client gets the provider's own indexes.
        let from = if plans[0].1.first().is_some_and(|call| is_ours(call.0)) { from } else { 0 };
        let texts: Vec<_> =
            plans.iter().enumerate().map(|(at, plan)| written(&format!("r{at}"), plan, &order, many, from)).collect();
        let mut exchange = exchange();
        let mut request = document(REQUEST.as_bytes());
        let mut seen = Vec::new();
        for (at, (text, (_, planned))) in texts.iter().zip(plans).enumerate() {
            for piece in text.as_bytes().chunks(size) {
                seen.extend_from_slice(&exchange.feed(Bytes::copy_from_slice(piece)));
            }
            let step = exchange.end_stream();
            let ours: Vec<_> = planned.iter().filter(|call| is_ours(call.0)).collect();
            prop_assert_eq!(step.calls.len(), ours.len());
            for (call, (name, pieces)) in step.calls.iter().zip(ours) {
                prop_assert_eq!(call.name.as_str(), *name);
                let arguments = pieces.concat();
                let raw = if arguments.trim().is_empty() { Ok(serde_json::Map::new()) } else { Err(arguments) };
                prop_assert_eq!(&call.arguments, &raw);
            }
            match step.next {
                Next::Again if at + 1 == plans.len() => seen.extend_from_slice(&exchange.cut_short().bytes),
                Next::Again => request = document(&exchange.next_request(&request, &answers(&step.calls))),
                Next::Finish => seen.extend_from_slice(&exchange.finish(&request, &answers(&step.calls)).bytes),
                Next::End(finish) => seen.extend_from_slice(&finish.bytes),
            }
        }
        let seen = String::from_utf8(seen).expect("UTF-8");
        // A name that may become one of ours is held back, and told in one piece.
        if plans.len() == 1 && plans[0].1.iter().all(|call| !is_ours(call.0) && call.0 != "b") {
            prop_assert_eq!(&seen, &texts[0]);
        }
        let seen = accumulated(&seen);
        let content: String = plans.iter().flat_map(|plan| plan.0.iter().map(String::as_str)).collect();
        prop_assert_eq!(&seen["message"]["content"], &content);
        prop_assert_eq!(&seen["message"]["role"], "assistant");
        prop_assert_eq!(&seen["ids"], &json!(["r0"]));
        prop_assert_eq!(&seen["usage"]["prompt_tokens"], 10 * plans.len());
        let expected: Vec<_> = plans
            .iter()
            .flat_map(|plan| &plan.1)
            .filter(|call| !is_ours(call.0))
            .map(|(name, pieces)| ((*name).to_owned(), pieces.concat()))
            .collect();
        let own: Vec<_> = seen["message"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|call| (&call["function"]["name"], &call["function"]["arguments"]))
            .map(|(name, arguments)| (name.as_str().expect("a name").to_owned(), arguments.as_str().expect("text").to_owned()))
            .collect();
        prop_assert_eq!(own, expected);
    }
}
