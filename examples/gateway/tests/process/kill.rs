//! `kill -9` under load, and what the guarantees on records say of it: a start is durable before the provider is asked,
//! everything later within a second and in any case before the end; what was left without an end is closed on the next
//! start.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_tests::{Endpoint, Provider, RawClient, Scripted};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    home::{Home, eventually},
    process::path,
};

const CLIENTS: usize = 16;
/// How many of them end up in a reply that never ends: streams and whole replies of each API.
const STUCK: usize = 6;
/// Within what everything recorded is durable.
const DURABLE: Duration = Duration::from_secs(1);

/// When something happened to the request for a model. Each request asks for a model of its own.
#[derive(Clone, Debug, Default)]
struct Moments(Arc<Mutex<HashMap<String, Instant>>>);

impl Moments {
    fn note(&self, model: &str) {
        let earlier = self.0.lock().unwrap().insert(model.to_owned(), Instant::now());
        assert!(earlier.is_none(), "{model} came twice");
    }

    fn all(&self) -> Vec<(String, Instant)> {
        self.0.lock().unwrap().iter().map(|(model, at)| (model.clone(), *at)).collect()
    }
}

/// What happened to the requests of one run of the gateway.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The provider has got the request.
    asked: Moments,
    /// The client has got the whole reply.
    answered: Moments,
}

/// The request of one client for one model.
fn request(client: usize, model: &str) -> (String, String) {
    let prompt = format!("prompt of {model}");
    let messages = json!([{"role": "user", "content": prompt}]);
    let streamed = client.is_multiple_of(2);
    let endpoint = Endpoint::ALL[client % 3];
    let (instance, body) = match endpoint {
        Endpoint::Messages => {
            ("anthropic", json!({"model": model, "stream": streamed, "max_tokens": 9, "messages": messages}))
        }
        Endpoint::Chat => ("openai", json!({"model": model, "stream": streamed, "messages": messages})),
        Endpoint::Responses => ("openai", json!({"model": model, "stream": streamed, "input": prompt})),
    };
    (path(instance, endpoint.path()), body.to_string())
}

/// Asks for one reply after another until the gateway is gone.
async fn hammer(mut client: RawClient, number: usize, run: usize, bearer: String, seen: Seen) {
    for round in 0.. {
        let kind = if number < STUCK && round == 2 { "slow" } else { "plain" };
        let model = format!("run{run}-client{number}-round{round}-test-{kind}");
        let (target, body) = request(number, &model);
        if client.post(&target, &[("Authorization", &bearer)], body).await.is_err() {
            return;
        }
        let Ok((head, _)) = client.response().await else { return };
        assert_eq!(head.status(), 200, "{model}: {head:?}");
        seen.answered.note(&model);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_gateways_lose_nothing_that_was_durable() {
    let home = Home::new();
    let bearer = format!("Bearer {}", home.token("ali").await);
    let mut before: HashMap<String, Value> = HashMap::new();
    let runs = [(1, Duration::ZERO), (23, Duration::ZERO), (111, Duration::ZERO), (50, DURABLE + DURABLE / 3)];
    for (run, (requests, runtime)) in runs.into_iter().enumerate() {
        let (provider, seen, killed) = killed_run(&home, &bearer, run, requests, runtime).await;

        // Everything is in order as soon as the next one serves.
        let next = home.server().provider(&provider).start().await;
        let listed = home.interceptions().await;
        let count = listed.len();
        let found: HashMap<String, Value> =
            listed.into_iter().map(|one| (one["model"].as_str().unwrap().to_owned(), one)).collect();
        assert_eq!(found.len(), count, "one interception for each request");
        for (model, one) in &before {
            assert_eq!(found.get(model), Some(one), "what was there before stays as it was");
        }
        let new: Vec<_> = found.values().filter(|one| !before.contains_key(one["model"].as_str().unwrap())).collect();
        for one in &new {
            check_closed(one);
        }
        check_guarantees(&found, &seen, killed);
        let closed = new.iter().filter(|one| one["outcome"] == "gateway_error").count();
        let said = format!("an earlier run left without an end interceptions={closed}");
        assert!(next.stderr.so_far().contains(&said), "{said}: {}", next.stderr.so_far());

        // And it works.
        let model = format!("run{run}-after-test-plain");
        let (target, body) = request(1, &model);
        assert_eq!(next.post(&target, &bearer["Bearer ".len()..], body).await.0.status(), 200);
        next.stop().await;
        let listed = home.interceptions().await;
        assert_eq!(listed.len(), count + 1);
        before = listed.into_iter().map(|one| (one["model"].as_str().unwrap().to_owned(), one)).collect();
        assert_eq!(before[&model]["outcome"], "completed");
    }
}

/// Runs a gateway under load, and kills it when the provider has got so many requests and so much time has passed.
async fn killed_run(
    home: &Home,
    bearer: &str,
    run: usize,
    requests: usize,
    runtime: Duration,
) -> (Provider, Seen, Instant) {
    let seen = Seen::default();
    let (scripted, asked) = (Scripted::load().unwrap(), seen.asked.clone());
    let provider = Provider::replying(move |request| {
        asked.note(request.json()["model"].as_str().unwrap());
        scripted.script(request)
    });
    let provider = provider.await.unwrap();
    let gateway = home.server().provider(&provider).start().await;
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(hammer(gateway.client().await, number, run, bearer.to_owned(), seen.clone()));
    }
    let mut reached = 0;
    while reached < requests || begun.elapsed() < runtime {
        provider.next_request().await;
        reached += 1;
    }
    let killed = Instant::now();
    gateway.kill().await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    // What the gateway had already sent still arrives.
    eventually("the provider has read everything", async || provider.open_connections() == 0).await;
    // The next gateway asks for another model.
    (provider, seen, killed)
}

/// Every interception has ended, and how is plain to see.
fn check_closed(one: &Value) {
    assert!(!one["ended_at"].is_null(), "{one:#}");
    match one["outcome"].as_str().unwrap() {
        // The end is there, so everything before it is.
        "completed" => {
            assert_eq!(one["user_prompts"].as_array().unwrap().len(), 1, "{one:#}");
            let usages = one["token_usages"].as_array().unwrap();
            assert!(usages.len() == 1 && usages[0]["usage_source"] == "final", "{one:#}");
            assert_eq!((&one["http_status"], &one["error_type"]), (&json!(200), &Value::Null), "{one:#}");
            assert!(!one["model"].as_str().unwrap().ends_with("slow"), "it had not ended: {one:#}");
        }
        "gateway_error" => assert_eq!(one["error_type"], "interrupted", "{one:#}"),
        _ => panic!("neither ended nor interrupted: {one:#}"),
    }
    for prompt in one["user_prompts"].as_array().unwrap() {
        assert_eq!(prompt["prompt"], format!("prompt of {}", one["model"].as_str().unwrap()));
    }
}

fn check_guarantees(found: &HashMap<String, Value>, seen: &Seen, killed: Instant) {
    for (model, asked) in seen.asked.all() {
        let one = found.get(&model).unwrap_or_else(|| panic!("{model} reached the provider and left no trace"));
        if asked + DURABLE < killed {
            assert_eq!(one["user_prompts"].as_array().unwrap().len(), 1, "recorded more than a second ago: {one:#}");
        }
    }
    let asked: HashSet<_> = seen.asked.all().into_iter().map(|(model, _)| model).collect();
    for (model, answered) in seen.answered.all() {
        assert!(asked.contains(&model));
        if answered + DURABLE < killed {
            assert_eq!(found[&model]["outcome"], "completed", "it ended more than a second ago");
        }
    }
}
