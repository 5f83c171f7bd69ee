use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    Recorder,
    accounts::{User, UserStatus},
    record::Start,
    sqlite::tests::{Place, at, end, ended, id, prompt, start, thought, tool, usage},
};

/// Seven interceptions, an hour apart, the first two at the same time, of two initiators.
async fn filled(place: &Place) -> Sqlite {
    let store = place.open();
    for n in 0..7u32 {
        let start = Start {
            initiator_id: if n % 2 == 0 { id(0xa) } else { id(0xb) },
            model: if n < 3 { "old".into() } else { "new".into() },
            client_session_id: (n == 4).then(|| "s1".into()),
            started_at: at(i64::from(n.max(1))),
            ..start(n.into())
        };
        store.start(&Arc::new(start)).await.unwrap();
        store.record(&prompt(n.into()));
        store.record(&usage(n.into()));
        if n != 6 {
            store.record(&ended(end(n.into())));
        }
    }
    store.flush().await.unwrap();
    store
}

async fn find(store: &Sqlite, filter: Filter, page: Page) -> (u64, Vec<u128>) {
    let found = store.interceptions(filter, page).await.unwrap();
    (found.count, found.results.iter().map(|found| found.id.as_u128() - id(0).as_u128()).collect())
}

#[tokio::test]
async fn interceptions_are_listed_newest_first_and_filtered() {
    let place = Place::new();
    let store = filled(&place).await;
    let all = Filter::default;
    let cases = [
        (all(), vec![6, 5, 4, 3, 2, 1, 0]),
        (Filter { initiator: Some(id(0xb)), ..all() }, vec![5, 3, 1]),
        (Filter { model: Some("old".into()), ..all() }, vec![2, 1, 0]),
        (Filter { session_id: Some("s1".into()), ..all() }, vec![4]),
        (Filter { session_id: Some(id(3).to_string()), ..all() }, vec![3]),
        (Filter { started_after: Some(at(5)), ..all() }, vec![6, 5]),
        (Filter { started_before: Some(at(2)), ..all() }, vec![2, 1, 0]),
        (
            Filter { started_after: Some(at(2)), started_before: Some(at(4)), initiator: Some(id(0xa)), ..all() },
            vec![4, 2],
        ),
        (
            Filter { provider: Some("anthropic".into()), provider_name: Some("main".into()), ..all() },
            vec![6, 5, 4, 3, 2, 1, 0],
        ),
        (Filter { client: Some("Codex".into()), ..all() }, vec![]),
    ];
    for (filter, expected) in cases {
        let found = find(&store, filter.clone(), Page::default()).await;
        assert_eq!(found, (expected.len() as u64, expected), "{filter:?}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let place = Place::new();
    let store = filled(&place).await;
    let mut seen = Vec::new();
    let mut from = From::Offset(0);
    loop {
        let (count, page) = find(&store, Filter::default(), Page { limit: 2, from }).await;
        assert_eq!(count, 7);
        let Some(last) = page.last() else { break };
        from = From::After(id(*last));
        seen.extend(page);
    }
    assert_eq!(seen, [6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(find(&store, Filter::default(), Page { limit: 3, from: From::Offset(5) }).await, (7, vec![1, 0]));
    let unknown = store.interceptions(Filter::default(), Page { limit: 1, from: From::After(id(99)) }).await;
    assert_eq!(unknown, Err(QueryError::UnknownCursor(id(99))));
}

#[tokio::test]
async fn an_interception_is_shown_with_everything_under_the_names_of_the_records() {
    let place = Place::new();
    let store = place.open();
    store
        .upsert_user(User {
            id: id(0xa),
            username: "alice".into(),
            name: "Alice".into(),
            email: String::new(),
            avatar_url: "https://example.com/a.png".into(),
            status: UserStatus::Active,
            created_at: at(0),
        })
        .await
        .unwrap();
    store.start(&Arc::new(start(1))).await.unwrap();
    for record in [prompt(1), usage(1), tool(1, "toolu_1"), thought(1), ended(end(1))] {
        store.record(&record);
    }
    store.start(&Arc::new(Start { initiator_id: id(0xc), ..start(2) })).await.unwrap();
    store.flush().await.unwrap();

    let mut shown = serde_json::to_value(store.interception(&id(1).to_string()).await.unwrap()).unwrap();
    shown["tool_usages"][0]["id"] = json!(id(5));
    let created_at = "2026-03-01T12:00:00.000042Z";
    let expected = json!({
            "id": id(1),
            "api_key_id": "abcdefghij",
            "initiator": {
                "id": id(0xa), "username": "alice", "name": "Alice", "avatar_url": "https://example.com/a.png"
            },
            "provider": "anthropic",
            "provider_name": "main",
            "model": "claude-sonnet-4-5",
            "requested_model": "sonnet",
            "api": "messages",
            "streaming": true,
            "client": "Claude Code",
            "user_agent": "claude-cli/2.0",
            "session_id": id(1).to_string(),
            "agent_id": null,
            "parent_agent_id": null,
            "thread_parent_id": null,
            "thread_root_id": null,
            "credential_kind": "centralized",
            "credential_hint": "sk-a...wxyz",
            "metadata": {"route": "/v1/messages"},
            "started_at": created_at,
            "ended_at": "2026-03-01T13:00:00.000042Z",
            "outcome": "completed",
            "http_status": 200,
            "error_type": null,
            "error_message": null,
            "ttfb_ms": 1,
            "duration_ms": 250,
            "request_bytes": 1234,
            "response_bytes": 4321
    });
    let children = json!({
            "token_usages": [{
                "id": id(0x2001), "interception_id": id(1), "provider_response_id": "msg_1", "input_tokens": 10,
                "output_tokens": 20, "cache_read_input_tokens": 30, "cache_write_input_tokens": 40,
                "metadata": {"web_search_requests": 1}, "usage_source": "final", "created_at": created_at
            }],
            "user_prompts": [{
                "id": id(0x1001), "interception_id": id(1), "provider_response_id": "msg_1",
                "prompt": "why is the sky blue", "metadata": {}, "created_at": created_at
            }],
            "tool_usages": [{
                "id": id(5), "interception_id": id(1), "provider_response_id": "msg_1",
                "provider_tool_call_id": "toolu_1", "provider_item_id": null, "server_url": "https://mcp.example/",
                "tool": "search", "input": "{\"q\":\"sky\"}", "injected": true, "invocation_error": "timed out",
                "metadata": {}, "created_at": created_at
            }],
            "model_thoughts": [{
                "id": id(0x4001), "interception_id": id(1), "content": "light scatters",
                "metadata": {"source": "thinking"}, "created_at": created_at
            }]
    });
    let mut expected = expected.as_object().unwrap().clone();
    expected.extend(children.as_object().unwrap().clone());
    assert_eq!(shown, Value::Object(expected));

    // A running one of someone unknown, in a list.
    let listed = store.interceptions(Filter::default(), Page { limit: 1, from: From::Offset(0) }).await.unwrap();
    let running = serde_json::to_value(&listed.results[0]).unwrap();
    assert_eq!(running["initiator"], json!({"id": id(0xc), "username": "", "name": "", "avatar_url": ""}));
    for field in ["ended_at", "outcome", "http_status", "duration_ms", "response_bytes"] {
        assert_eq!(running.get(field), Some(&json!(null)), "{field}");
    }
    assert_eq!(running.get("model_thoughts"), None);
}

#[tokio::test]
async fn a_unique_prefix_of_the_id_is_enough() {
    let place = Place::new();
    let store = place.open();
    for n in [0x11, 0x12, 0x20] {
        store.start(&Arc::new(start(n))).await.unwrap();
    }
    store.flush().await.unwrap();
    let prefix = |text: &str| format!("01950000-0000-7000-8000-00000000{text}");
    let find = async |text: &str| store.interception(text).await.map(|found| found.map(|found| found.id));
    assert_eq!(find(&prefix("002")).await, Ok(Some(id(0x20))));
    assert_eq!(find(&prefix("0012")).await, Ok(Some(id(0x12))));
    assert_eq!(find(&id(0x12).to_string().to_uppercase()).await, Ok(Some(id(0x12))));
    assert_eq!(find(&prefix("001")).await, Err(QueryError::Ambiguous(prefix("001"))));
    for nothing in ["", "x%", &prefix("003")] {
        assert_eq!(find(nothing).await, Ok(None), "{nothing}");
    }
}
