//! Whatever a provider may send.

use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::*;

#[derive(Clone, Debug)]
enum Piece {
    Reasoning,
    Says(String),
    Ours(String),
    Clients,
    Hosted,
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        2 => Just(Piece::Reasoning),
        3 => "[a-z\"\\\\{}é🦀 ]{0,12}".prop_map(Piece::Says),
        4 => "[a-z\"{}]{0,6}".prop_map(Piece::Ours),
        1 => Just(Piece::Clients),
        1 => Just(Piece::Hosted),
    ]
}

/// The replies of an exchange, the last of which calls nothing; and which items of them are shown.
fn replies(rounds: &[Vec<Piece>], last: &[Piece]) -> (Vec<Reply>, Vec<String>) {
    let mut shown = Vec::new();
    let mut count = 0;
    let mut replies = Vec::new();
    let last: Vec<_> = last.iter().filter(|piece| !matches!(piece, Piece::Ours(_) | Piece::Clients)).cloned().collect();
    for (round, pieces) in rounds.iter().chain([&last]).enumerate() {
        let mut reply = Reply::with_tools(&format!("resp_{round}"), &OURS);
        for piece in pieces {
            count += 1;
            let id = count.to_string();
            let visible = |kind: &str| format!("{kind}_{id}");
            reply = match piece {
                Piece::Reasoning => reply.reasoning(&visible("rs")),
                Piece::Says(text) => reply.says(&visible("msg"), text),
                Piece::Ours(text) => reply.calls(&id, OURS[0], &json!({"q": text}).to_string()),
                Piece::Clients => reply.calls(&id, "mine", "{}"),
                Piece::Hosted => {
                    let item = json!({"type": "web_search_call", "id": visible("ws")});
                    reply.item(item.clone(), &[("response.web_search_call.searching", json!({}))], item)
                }
            };
            match piece {
                Piece::Ours(_) => {}
                Piece::Clients => shown.push(visible("fc")),
                _ => shown.push(reply.output.last().unwrap()["id"].as_str().unwrap().to_owned()),
            }
        }
        replies.push(reply);
        let has = |wanted: fn(&Piece) -> bool| pieces.iter().any(wanted);
        if !has(|piece| matches!(piece, Piece::Ours(_))) || has(|piece| matches!(piece, Piece::Clients)) {
            break;
        }
    }
    (replies, shown)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_exchange_is_one_response_and_is_restored(
        rounds in prop::collection::vec(prop::collection::vec(piece(), 0..5), 0..4),
        last in prop::collection::vec(piece(), 0..4),
        size in 1..400_usize,
        bare in any::<bool>(),
    ) {
        let (replies, shown) = replies(&rounds, &last);
        let streams: Vec<String> = replies.iter().map(|reply| {
            let mut reply = reply.clone();
            if bare {
                reply.output.clear();
            }
            reply.stream()
        }).collect();
        let request = json!({"input": [{"role": "user", "content": "hi"}]});
        let went = exchange(&request, &streams.iter().map(|stream| stream.as_bytes().chunks(size).collect()).collect::<Vec<_>>());
        prop_assert!(went.ended);
        let response = accumulated(&went.shown);
        if !bare {
            prop_assert_eq!(ids(&response["output"]), shown.clone());
        }
        let whole = blocking(&request, &replies.iter().map(Reply::body).collect::<Vec<_>>());
        let items = value(whole.shown.as_bytes())["output"].as_array().unwrap().clone();
        let same = json!(items);
        prop_assert_eq!(ids(&same), shown);
        prop_assert_eq!(&whole.calls, &went.calls);
        prop_assert_eq!(&whole.requests, &went.requests);

        // The client comes back with what it was shown: the provider sees what it saw, and what it wrote.
        let clients = items.iter().filter(|item| item["name"] == "mine").map(|item| {
            json!({"type": "function_call_output", "call_id": item["call_id"], "output": "mine"})
        });
        let input: Vec<Value> = request["input"].as_array().unwrap().iter().chain(&items).cloned().chain(clients).collect();
        let kept = went.kept.map(Arc::new);
        let mut find = |id: &str| kept.clone().filter(|kept| kept.keys.iter().any(|key| key == id));
        let restored = super::super::restore(&document(&json!({"input": input})), &mut find);
        let restored = restored.map_or(input, |bytes| value(&bytes)["input"].as_array().unwrap().clone());
        let ids_of = |items: &[Value]| ids(&json!(items)).into_iter().map(str::to_owned).collect::<Vec<_>>();
        if let Some(last) = went.requests.last()
            && items.len() + 1 < restored.len()
        {
            let seen = ids_of(last["input"].as_array().unwrap());
            prop_assert_eq!(&ids_of(&restored)[..seen.len()], &seen[..]);
        }
        let count = |kind: &str| restored.iter().filter(|item| item["type"] == kind).count();
        prop_assert_eq!(count("function_call"), count("function_call_output"));
    }

    #[test]
    fn no_bytes_do_harm(
        cuts in prop::collection::vec((any::<Index>(), 0..30_usize, "[a-z\"{}:,\\n0-9]{0,6}"), 0..4),
        size in 1..400_usize,
    ) {
        let one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}").calls("2", "mine", "{}");
        let two = Reply::new("resp_2").calls("3", OURS[0], "{}");
        for text in [two.stream() + &one.stream(), two.body(), one.body()] {
            let mut bytes = text.into_bytes();
            for (at, length, put) in &cuts {
                let at = at.index(bytes.len());
                let end = bytes.len().min(at + length);
                bytes.splice(at..end, put.bytes());
            }
            let mut rounds = rounds();
            for round in 0..2 {
                for piece in bytes.chunks(size) {
                    rounds.feed(Bytes::copy_from_slice(piece));
                }
                let calls = if round == 0 { rounds.end_stream() } else { rounds.reply(bytes.clone().into()) }.calls;
                rounds.next_request(&document(&json!({"input": "hi"})), &answers(&calls));
            }
            rounds.finish(&document(&json!({})), &[]);
            rounds.cut_short();
            rounds.provider_error(500, &bytes);
        }
    }
}

#[test]
fn a_stream_that_never_ends_an_event_is_not_kept() {
    let begun = Reply::new("resp_1").says("msg_1", "a");
    let endless = Bytes::from(vec![b'x'; 1 << 20]);
    // Nothing has been changed: it passes.
    let mut quiet = rounds();
    let mut passed = quiet.feed((begun.text() + "data: ").into()).len();
    for _ in 0..40 {
        passed += quiet.feed(endless.clone()).len();
    }
    assert!(quiet.events.len() == 0 && passed > 40 << 20, "{passed}");
    assert_eq!(quiet.end_stream().calls, []);
    // Something has: it is a cut.
    let mut changed = rounds();
    changed.feed((begun.calls("1", OURS[0], "{}").text() + "data: ").into());
    let passed: usize = (0..40).map(|_| changed.feed(endless.clone()).len()).sum();
    assert_eq!((changed.events.len(), passed), (0, 0));
    let step = changed.end_stream();
    assert_eq!((step.calls.len(), matches!(step.next, Next::End(_))), (1, true));
}
