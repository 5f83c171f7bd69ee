//! What recording costs: an interception is a start that is awaited, a prompt, a token usage and an end.
//!
//! * `recorder/time`: wall time per interception, with 16 callers at once
//! * `recorder/cpu`: CPU time of the whole process per interception, the writing of the database included. `ended` ends each
//!   at once, `running` keeps 64 running per caller, so that ends are updates
//! * `recorder/start`: what one caller waits for a start
//!
//! CPU time is less what building the records takes. They are built as they are used, since what was built long before is
//! no longer in any cache.

use std::{collections::VecDeque, hint::black_box, sync::Arc, time::Duration};

use aibridge_store::{
    Recorder,
    record::{End, Outcome, Record, Start, TokenUsage, UserPrompt},
    sqlite::Sqlite,
};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use serde_json::Map;
use tokio::{runtime::Runtime, time::Instant};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CALLERS: u64 = 16;

struct Interception {
    start: Arc<Start>,
    prompt: Arc<Record>,
    usage: Arc<Record>,
    end: Arc<Record>,
}

fn interception(initiator_id: Uuid, session: &str) -> Interception {
    let (id, now) = (Uuid::now_v7(), chrono::Utc::now());
    let response = Some("msg_01XFDUDYJgAACzvnptvVoYEL".to_owned());
    Interception {
        start: Arc::new(Start {
            id,
            initiator_id,
            api_key_id: Some("abcdefghij".into()),
            provider: "anthropic".into(),
            provider_name: "anthropic".into(),
            model: "claude-sonnet-4-5-20250929".into(),
            requested_model: "claude-sonnet-4-5".into(),
            api: "messages",
            streaming: true,
            client: "Claude Code",
            user_agent: Some("claude-cli/2.0.14 (external, cli)".into()),
            client_session_id: Some(session.into()),
            agent_id: None,
            parent_agent_id: None,
            correlating_tool_call_id: None,
            credential_kind: "centralized",
            credential_hint: "sk-a...wxyz".into(),
            metadata: Map::new(),
            started_at: now,
            request_bytes: 1234,
        }),
        prompt: Arc::new(Record::UserPrompt(UserPrompt {
            id: Uuid::now_v7(),
            interception_id: id,
            provider_response_id: response.clone(),
            prompt: "Please fix the failing test in the parser module and explain what went wrong there.".into(),
            metadata: Map::new(),
            created_at: now,
        })),
        usage: Arc::new(Record::TokenUsage(TokenUsage {
            id: Uuid::now_v7(),
            interception_id: id,
            provider_response_id: response,
            input_tokens: 1200,
            output_tokens: 340,
            cache_read_input_tokens: 10_000,
            cache_write_input_tokens: 0,
            metadata: Map::new(),
            usage_source: "final",
            created_at: now,
        })),
        end: Arc::new(Record::End(End {
            id,
            ended_at: now,
            outcome: Outcome::Completed,
            http_status: Some(200),
            error_type: None,
            error_message: None,
            ttfb: Some(Duration::from_millis(400)),
            duration: Duration::from_millis(2300),
            response_bytes: 4321,
            credential_hint: None,
            metadata: Map::new(),
        })),
    }
}

/// Records that many interceptions from as many tasks as there are callers, each with an initiator and a session of its
/// own, until they are written.
async fn record(store: &Sqlite, count: u64, keep: usize) {
    let caller = |caller| {
        let mine = count / CALLERS + u64::from(caller < count % CALLERS);
        tokio::spawn(call(store.clone(), mine, keep))
    };
    for task in (0..CALLERS).map(caller).collect::<Vec<_>>() {
        task.await.expect("a caller does not panic");
    }
    store.flush().await.expect("the database can be written");
    assert_eq!(store.lost(), 0);
}

/// Keeps that many running.
async fn call(store: Sqlite, count: u64, keep: usize) {
    let (initiator, session) = (Uuid::new_v4(), Uuid::new_v4().to_string());
    let mut running = VecDeque::new();
    for _ in 0..count {
        let interception = interception(initiator, &session);
        // The database is slower than sixteen callers that do nothing else: they are told that the queue is full.
        while store.start(&interception.start).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        store.record(&interception.prompt);
        store.record(&interception.usage);
        running.push_back(interception.end);
        if running.len() > keep {
            store.record(&running.pop_front().expect("it has just been filled"));
        }
    }
    for end in running {
        store.record(&end);
    }
}

/// What building the records alone takes.
fn build(count: u64) -> Duration {
    let begin = cpu();
    let session = Uuid::new_v4().to_string();
    for _ in 0..count {
        black_box(interception(Uuid::nil(), &session));
    }
    cpu() - begin
}

/// CPU time of all threads that run.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(nanos).sum())
}

fn recorder(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(&dir.path().join("records.db")).expect("a database");
    let mut group = criterion.benchmark_group("recorder");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(1));
    group.bench_function("time", |bencher| {
        bencher.iter_custom(|count| {
            let begin = Instant::now();
            runtime.block_on(record(&store, count, 0));
            begin.elapsed()
        });
    });
    for (name, running) in [("cpu/ended", 0), ("cpu/running", 64)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let build = build(count);
                let begin = cpu();
                runtime.block_on(record(&store, count, running));
                (cpu() - begin).saturating_sub(build)
            });
        });
    }
    group.bench_function("start", |bencher| {
        bencher.iter_custom(|count| {
            let interceptions: Vec<_> = (0..count).map(|_| interception(Uuid::nil(), "session")).collect();
            runtime.block_on(async {
                let mut waited = Duration::ZERO;
                for interception in interceptions {
                    let begin = Instant::now();
                    store.start(&interception.start).await.expect("the queue is short");
                    waited += begin.elapsed();
                    store.record(&interception.end);
                }
                store.flush().await.expect("the database can be written");
                waited
            })
        });
    });
    group.finish();
    runtime.block_on(store.close()).expect("the database can be written");
}

criterion_group!(benches, recorder);
criterion_main!(benches);
