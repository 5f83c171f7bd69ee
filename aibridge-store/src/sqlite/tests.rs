use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, types::Value as Sql};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::record::{End, ModelThought, TokenUsage, ToolUsage, UserPrompt};

/// A database in a directory of its own.
pub(super) struct Place {
    dir: TempDir,
}

impl Place {
    pub(super) fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("records.db")
    }

    pub(super) fn open(&self) -> Sqlite {
        Sqlite::open(&self.path()).unwrap()
    }

    /// Every row of a query, values joined by `|`.
    pub(super) fn rows(&self, sql: &str) -> Vec<String> {
        let db = Connection::open(self.path()).unwrap();
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let text = |i| match row.get::<_, Sql>(i).unwrap() {
                Sql::Null => "null".to_owned(),
                Sql::Integer(n) => n.to_string(),
                Sql::Text(text) => text,
                other => format!("{other:?}"),
            };
            Ok((0..columns).map(text).collect::<Vec<_>>().join("|"))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(super) fn count(&self, table: &str) -> u64 {
        self.rows(&format!("SELECT count(*) FROM {table}"))[0].parse().unwrap()
    }
}

/// Hours after an arbitrary noon.
pub(super) fn at(hours: i64) -> DateTime<Utc> {
    "2026-03-01T12:00:00.000042Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hours)
}

pub(super) fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0000 + n)
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

pub(super) fn start(n: u128) -> Start {
    Start {
        id: id(n),
        initiator_id: id(0xa),
        api_key_id: Some("abcdefghij".into()),
        provider: "anthropic".into(),
        provider_name: "main".into(),
        model: "claude-sonnet-4-5".into(),
        requested_model: "sonnet".into(),
        api: "messages",
        streaming: true,
        client: "Claude Code",
        user_agent: Some("claude-cli/2.0".into()),
        client_session_id: None,
        agent_id: None,
        parent_agent_id: None,
        correlating_tool_call_id: None,
        credential_kind: "centralized",
        credential_hint: "sk-a...wxyz".into(),
        metadata: object(json!({"route": "/v1/messages"})),
        started_at: at(0),
        request_bytes: 1234,
    }
}

pub(super) fn prompt(n: u128) -> Arc<Record> {
    Arc::new(Record::UserPrompt(UserPrompt {
        id: id(n + 0x1000),
        interception_id: id(n),
        provider_response_id: Some("msg_1".into()),
        prompt: "why is the sky blue".into(),
        metadata: Map::new(),
        created_at: at(0),
    }))
}

pub(super) fn usage(n: u128) -> Arc<Record> {
    Arc::new(Record::TokenUsage(TokenUsage {
        id: id(n + 0x2000),
        interception_id: id(n),
        provider_response_id: Some("msg_1".into()),
        input_tokens: 10,
        output_tokens: 20,
        cache_read_input_tokens: 30,
        cache_write_input_tokens: 40,
        metadata: object(json!({"web_search_requests": 1})),
        usage_source: "final",
        created_at: at(0),
    }))
}

pub(super) fn tool(n: u128, call: &str) -> Arc<Record> {
    Arc::new(Record::ToolUsage(ToolUsage {
        id: Uuid::now_v7(),
        interception_id: id(n),
        provider_response_id: Some("msg_1".into()),
        provider_tool_call_id: Some(call.into()),
        provider_item_id: None,
        server_url: Some("https://mcp.example/".into()),
        tool: "search".into(),
        input: json!({"q": "sky"}),
        injected: true,
        invocation_error: Some("timed out".into()),
        metadata: Map::new(),
        created_at: at(0),
    }))
}

pub(super) fn thought(n: u128) -> Arc<Record> {
    Arc::new(Record::ModelThought(ModelThought {
        id: id(n + 0x4000),
        interception_id: id(n),
        content: "light scatters".into(),
        metadata: object(json!({"source": "thinking"})),
        created_at: at(0),
    }))
}

pub(super) fn end(n: u128) -> End {
    End {
        id: id(n),
        ended_at: at(1),
        outcome: Outcome::Completed,
        http_status: Some(200),
        error_type: None,
        error_message: None,
        ttfb: Some(Duration::from_micros(1_999)),
        duration: Duration::from_millis(250),
        response_bytes: 4321,
        credential_hint: None,
        metadata: Map::new(),
    }
}

pub(super) fn ended(end: End) -> Arc<Record> {
    Arc::new(Record::End(end))
}

/// Every table, without the rows' own numbers.
const INTERCEPTIONS: &str = "SELECT id, initiator_id, api_key_id, provider, provider_name, model, requested_model, api, \
    streaming, client, user_agent, client_session_id, agent_id, parent_agent_id, correlating_tool_call_id, \
    thread_parent_id, thread_root_id, session_id, credential_kind, credential_hint, metadata, started_at, ended_at, \
    outcome, http_status, error_type, error_message, ttfb_ms, duration_ms, request_bytes, response_bytes \
    FROM aibridge_interceptions ORDER BY seq";

#[tokio::test]
async fn an_interception_is_recorded_to_the_last_field() {
    let place = Place::new();
    let store = place.open();
    store.start(&Arc::new(start(1))).await.unwrap();
    for record in [prompt(1), usage(1), thought(1), tool(1, "toolu_1")] {
        store.record(&record);
    }
    store.flush().await.unwrap();
    // Running, and visible.
    let row = "01950000-0000-7000-8000-000000000001|01950000-0000-7000-8000-00000000000a|abcdefghij|anthropic|main|\
        claude-sonnet-4-5|sonnet|messages|1|Claude Code|claude-cli/2.0|null|null|null|null|null|null|\
        01950000-0000-7000-8000-000000000001|centralized|sk-a...wxyz|{\"route\":\"/v1/messages\"}|\
        2026-03-01T12:00:00.000042Z|null|null|null|null|null|null|null|1234|null";
    assert_eq!(place.rows(INTERCEPTIONS), [row]);

    store.record(&ended(End {
        outcome: Outcome::ProviderError,
        http_status: Some(529),
        error_type: Some("overloaded_error".into()),
        error_message: Some(format!("{}é", "x".repeat(1023))),
        credential_hint: Some("sk-b...wxyz".into()),
        metadata: object(json!({"rounds": 2})),
        ..end(1)
    }));
    store.close().await.unwrap();
    let row = format!(
        "01950000-0000-7000-8000-000000000001|01950000-0000-7000-8000-00000000000a|abcdefghij|anthropic|main|\
        claude-sonnet-4-5|sonnet|messages|1|Claude Code|claude-cli/2.0|null|null|null|null|null|null|\
        01950000-0000-7000-8000-000000000001|centralized|sk-b...wxyz|{{\"route\":\"/v1/messages\",\"rounds\":2}}|\
        2026-03-01T12:00:00.000042Z|2026-03-01T13:00:00.000042Z|provider_error|529|overloaded_error|{}|1|250|1234|4321",
        "x".repeat(1023)
    );
    assert_eq!(place.rows(INTERCEPTIONS), [row]);
    assert_eq!(
        place.rows(
            "SELECT id, interception_id, provider_response_id, prompt, metadata, created_at FROM aibridge_user_prompts"
        ),
        ["01950000-0000-7000-8000-000000001001|01950000-0000-7000-8000-000000000001|msg_1|why is the sky blue|{}|\
            2026-03-01T12:00:00.000042Z"]
    );
    assert_eq!(
        place.rows(
            "SELECT id, interception_id, provider_response_id, input_tokens, output_tokens, cache_read_input_tokens, \
             cache_write_input_tokens, metadata, usage_source, created_at FROM aibridge_token_usages"
        ),
        ["01950000-0000-7000-8000-000000002001|01950000-0000-7000-8000-000000000001|msg_1|10|20|30|40|\
            {\"web_search_requests\":1}|final|2026-03-01T12:00:00.000042Z"]
    );
    assert_eq!(
        place.rows(
            "SELECT interception_id, provider_response_id, provider_tool_call_id, provider_item_id, server_url, tool, \
             input, injected, invocation_error, metadata, created_at FROM aibridge_tool_usages"
        ),
        ["01950000-0000-7000-8000-000000000001|msg_1|toolu_1|null|https://mcp.example/|search|{\"q\":\"sky\"}|1|\
            timed out|{}|2026-03-01T12:00:00.000042Z"]
    );
    assert_eq!(
        place.rows("SELECT id, interception_id, content, metadata, created_at FROM aibridge_model_thoughts"),
        ["01950000-0000-7000-8000-000000004001|01950000-0000-7000-8000-000000000001|light scatters|\
            {\"source\":\"thinking\"}|2026-03-01T12:00:00.000042Z"]
    );
    assert_eq!(place.count("aibridge_outbox"), 0);
}

#[tokio::test]
async fn an_interception_written_at_once_equals_one_that_ended_later() {
    let place = Place::new();
    let last = || {
        ended(End {
            error_message: Some("boom".into()),
            credential_hint: Some("sk-b...wxyz".into()),
            metadata: object(json!({"route": "/v2", "rounds": 2})),
            ..end(1)
        })
    };
    let store = place.open();
    store.start(&Arc::new(start(1))).await.unwrap();
    store.flush().await.unwrap();
    store.record(&last());
    store.close().await.unwrap();
    let later = place.rows(INTERCEPTIONS);

    let place = Place::new();
    let store = SqliteOptions::new().delay(Duration::from_secs(1)).open(&place.path()).unwrap();
    store.start(&Arc::new(start(1))).await.unwrap();
    store.record(&last());
    store.close().await.unwrap();
    assert_eq!(place.rows(INTERCEPTIONS), later);
}

#[tokio::test]
async fn a_start_that_resolved_survives_a_kill_and_is_closed_as_interrupted() {
    let place = Place::new();
    let store = SqliteOptions::new().delay(Duration::from_secs(1)).open(&place.path()).unwrap();
    store.start(&Arc::new(start(1))).await.unwrap();
    store.record(&usage(1));
    store.flush().await.unwrap();
    store.start(&Arc::new(start(2))).await.unwrap();

    // What a killed process leaves is what the files hold now.
    let killed = Place::new();
    for suffix in ["", "-wal"] {
        let name = |place: &Place| format!("{}{suffix}", place.path().display());
        std::fs::copy(name(&place), name(&killed)).unwrap();
    }
    let before = Utc::now();
    killed.open().close().await.unwrap();
    assert_eq!(
        killed.rows("SELECT id, outcome, error_type, duration_ms FROM aibridge_interceptions ORDER BY seq"),
        [
            "01950000-0000-7000-8000-000000000001|gateway_error|interrupted|null",
            "01950000-0000-7000-8000-000000000002|gateway_error|interrupted|null"
        ]
    );
    for ended_at in killed.rows("SELECT ended_at FROM aibridge_interceptions") {
        assert!(ended_at.parse::<DateTime<Utc>>().unwrap() >= before - TimeDelta::seconds(1), "{ended_at}");
    }
    assert_eq!(killed.count("aibridge_token_usages"), 1);
    assert_eq!(killed.count("aibridge_outbox"), 0);
}

#[tokio::test]
async fn records_are_written_without_being_asked_for() {
    let place = Place::new();
    let store = place.open();
    store.start(&Arc::new(start(1))).await.unwrap();
    store.record(&usage(1));
    store.record(&ended(end(1)));
    // The queue says when; the timer of 50 ms is all that runs.
    while store.written() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(place.rows("SELECT outcome FROM aibridge_interceptions"), ["completed"]);
    // Later ones too, when the writer has gone to sleep for good.
    store.start(&Arc::new(start(2))).await.unwrap();
    store.flush().await.unwrap();
    store.record(&usage(2));
    while store.written() < 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(place.count("aibridge_token_usages"), 2);
}

#[tokio::test]
async fn a_start_answering_a_tool_call_joins_the_thread_of_its_own_initiator() {
    let place = Place::new();
    let store = place.open();
    let answers = |n, call: &str| Start { correlating_tool_call_id: Some(call.into()), ..start(n) };
    let stranger = Start { initiator_id: id(0xb), started_at: at(5), ..start(9) };
    store.start(&Arc::new(start(1))).await.unwrap();
    store.record(&tool(1, "call_a"));
    // Someone else's use of the same call id, later.
    store.start(&Arc::new(stranger)).await.unwrap();
    store.record(&tool(9, "call_a"));
    store.start(&Arc::new(Start { started_at: at(1), ..answers(2, "call_a") })).await.unwrap();
    store.record(&tool(2, "call_b"));
    // The same call id again in a later interception of the same initiator.
    store.start(&Arc::new(Start { started_at: at(2), ..start(3) })).await.unwrap();
    store.record(&tool(3, "call_a"));
    store.flush().await.unwrap();
    store.start(&Arc::new(Start { started_at: at(3), ..answers(4, "call_b") })).await.unwrap();
    store.start(&Arc::new(Start { started_at: at(3), ..answers(5, "call_a") })).await.unwrap();
    store.start(&Arc::new(answers(6, "call_unknown"))).await.unwrap();
    store.start(&Arc::new(Start { client_session_id: Some("s1".into()), ..answers(7, "call_b") })).await.unwrap();
    store.close().await.unwrap();
    let threads = place.rows(
        "SELECT substr(id, 36), substr(thread_parent_id, 36), substr(thread_root_id, 36), \
         CASE WHEN length(session_id) = 36 THEN substr(session_id, 36) ELSE session_id END \
         FROM aibridge_interceptions ORDER BY id",
    );
    assert_eq!(
        threads,
        [
            "1|null|null|1",
            "2|1|1|1",
            "3|null|null|3",
            "4|2|1|1",
            "5|3|3|3",
            "6|null|null|6",
            "7|2|1|s1",
            "9|null|null|9"
        ]
    );
}

#[tokio::test]
async fn a_full_queue_refuses_starts_and_takes_what_belongs_to_running_interceptions() {
    let place = Place::new();
    let store = SqliteOptions::new().max_queued(4).delay(Duration::from_secs(1)).open(&place.path()).unwrap();
    store.start(&Arc::new(start(1))).await.unwrap();
    // The writer is held, so that nothing is written behind our back.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let queue = store.0.queue.clone().unwrap();
    queue.job(Box::new(move |_| held.recv().unwrap_or_default()));
    for _ in 0..3 {
        store.record(&tool(1, "call"));
    }
    assert_eq!(store.start(&Arc::new(start(2))).await, Err(RecordError::Full));
    for _ in 0..4 {
        store.record(&tool(1, "call"));
    }
    assert_eq!((store.lost(), store.queued().0), (0, 8));
    store.record(&tool(1, "call"));
    assert_eq!((store.lost(), store.queued().0), (1, 8));
    drop(hold);
    store.flush().await.unwrap();
    assert_eq!(store.queued(), (0, 0));
    store.start(&Arc::new(start(3))).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(place.count("aibridge_tool_usages"), 7);
}

#[tokio::test]
async fn a_queue_is_full_by_bytes_too() {
    let place = Place::new();
    let store = SqliteOptions::new().max_queued_bytes(100_000).open(&place.path()).unwrap();
    let large = Start { metadata: object(json!({"large": "x".repeat(100_000)})), ..start(1) };
    assert_eq!(store.start(&Arc::new(large)).await, Err(RecordError::Full));
    store.start(&Arc::new(start(2))).await.unwrap();
}

#[tokio::test]
async fn a_failing_store_refuses_starts_and_keeps_what_was_recorded() {
    let place = Place::new();
    let store = place.open();
    store.start(&Arc::new(start(1))).await.unwrap();
    store.flush().await.unwrap();
    let limit = |pages: i64| {
        let queue = store.0.queue.clone().unwrap();
        let (done, limited) = std::sync::mpsc::channel();
        queue.job(Box::new(move |db| {
            db.pragma_update(None, "max_page_count", pages).unwrap();
            done.send(()).unwrap();
        }));
        limited.recv().unwrap();
    };
    // As a full disk: the database cannot grow beyond its present size.
    limit(1);
    let large = Start { metadata: object(json!({"large": "x".repeat(100_000)})), ..start(2) };
    let refused = store.start(&Arc::new(large)).await;
    assert!(matches!(refused, Err(RecordError::Store(_))), "{refused:?}");
    assert!(!store.ready());
    store.record(&Arc::new(Record::ModelThought(ModelThought {
        id: id(7),
        interception_id: id(1),
        content: "x".repeat(100_000),
        metadata: Map::new(),
        created_at: at(0),
    })));
    store.record(&ended(end(1)));
    assert!(matches!(store.flush().await, Err(RecordError::Store(_))));
    assert_eq!((store.queued().0, store.lost()), (2, 0));
    // Half a batch is never seen.
    assert_eq!(place.rows("SELECT outcome FROM aibridge_interceptions"), ["null"]);

    limit(1_000_000);
    // Retried by itself.
    while store.queued().0 > 0 {
        tokio::task::yield_now().await;
    }
    assert!(store.ready());
    assert_eq!(place.rows("SELECT outcome FROM aibridge_interceptions"), ["completed"]);
    assert_eq!(place.count("aibridge_model_thoughts"), 1);
    store.close().await.unwrap();
}

#[tokio::test]
async fn records_of_an_interception_that_never_began_are_lost_and_counted() {
    let place = Place::new();
    let store = place.open();
    store.record(&usage(1));
    store.record(&ended(end(1)));
    store.flush().await.unwrap();
    assert_eq!((store.lost(), store.written()), (2, 0));
    assert_eq!(place.count("aibridge_token_usages"), 0);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let place = Place::new();
    let store = place.open();
    let other = store.clone();
    store.close().await.unwrap();
    assert_eq!(other.start(&Arc::new(start(1))).await, Err(RecordError::Closed));
    assert_eq!(other.flush().await, Err(RecordError::Closed));
    other.record(&usage(1));
    assert_eq!(other.lost(), 1);
    assert!(!other.ready());
}

#[tokio::test]
async fn dropping_the_store_writes_what_was_recorded() {
    let place = Place::new();
    let store = place.open();
    store.start(&Arc::new(start(1))).await.unwrap();
    store.record(&ended(end(1)));
    let thread = store.0.thread.lock().unwrap().take().unwrap();
    drop(store);
    thread.join().unwrap();
    assert_eq!(place.rows("SELECT outcome FROM aibridge_interceptions"), ["completed"]);
}

#[tokio::test]
async fn a_second_gateway_is_refused() {
    let place = Place::new();
    let store = place.open();
    let error = Sqlite::open(&place.path()).unwrap_err();
    assert!(error.to_string().contains("another gateway has"), "{error}");
    store.close().await.unwrap();
    place.open().close().await.unwrap();
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let place = Place::new();
    Connection::open(place.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Sqlite::open(&place.path()).unwrap_err();
    assert!(error.to_string().contains("schema 99"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interceptions_of_many_tasks_are_all_there() {
    let place = Place::new();
    let store = SqliteOptions::new().batch(64).open(&place.path()).unwrap();
    let tasks = (0..16u128).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (0..1000).filter(|n| n % 16 == task) {
                store.start(&Arc::new(start(n))).await.unwrap();
                store.record(&prompt(n));
                store.record(&usage(n));
                if n % 7 == 0 {
                    tokio::task::yield_now().await;
                }
                store.record(&ended(end(n)));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(store.queued().0 as u64 + store.written(), 4000);
    store.clone().close().await.unwrap();
    assert_eq!((store.written(), store.lost(), store.queued()), (4000, 0, (0, 0)));
    assert_eq!(place.rows("SELECT outcome, count(*) FROM aibridge_interceptions GROUP BY 1"), ["completed|1000"]);
    assert_eq!(place.count("aibridge_user_prompts"), 1000);
    assert_eq!(place.count("aibridge_token_usages"), 1000);
    assert_eq!(place.count("aibridge_outbox"), 0);
}

#[tokio::test]
async fn starts_that_wait_together_share_a_commit() {
    let place = Place::new();
    let store = SqliteOptions::new().delay(Duration::from_secs(1)).open(&place.path()).unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let queue = store.0.queue.clone().unwrap();
    queue.job(Box::new(move |_| held.recv().unwrap_or_default()));
    // The writer has taken the job once it holds; what comes now waits together.
    let starts: Vec<_> = (0..10).map(|n| store.start(&Arc::new(start(n)))).collect();
    drop(hold);
    for started in starts {
        started.await.unwrap();
    }
    let groups: u64 = place.count("aibridge_outbox");
    assert!(groups <= 2, "{groups} commits for 10 starts");
}
