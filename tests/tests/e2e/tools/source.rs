//! Tools that do as the test says.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aibridge_mcp::{BoxFuture, Content, Listed, Outcome, Tool, ToolSource, Toolbox};
use aibridge_tests::Gate;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Where the server of the tools is said to be.
pub(super) const SERVER_URL: &str = "https://mcp.example/mcp";

/// A result.
pub(super) fn result(content: Vec<Content>) -> Outcome {
    Outcome::new(content, None, Duration::ZERO)
}

/// A call that failed, of which the model is told the same.
pub(super) fn failed(why: &str) -> Outcome {
    Outcome::new(vec![Content::Text(why.to_owned())], Some(why.to_owned()), Duration::ZERO)
}

/// What a tool does when it is called.
#[derive(Clone)]
pub(crate) enum Does {
    /// Answers.
    Answers(Outcome),
    /// Answers its arguments.
    Echoes,
    /// Says that it was called, and never answers. When the call is dropped it says so, too.
    Hangs,
    /// Waits for the gate, then echoes. How many do at once is counted.
    Waits(Gate),
}

/// The tools of a server called `srv`.
#[derive(Clone)]
pub(crate) struct Source {
    toolbox: Arc<Toolbox>,
    does: Arc<HashMap<&'static str, Does>>,
    called: mpsc::UnboundedSender<String>,
    calls: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
    waiting: Arc<Waiting>,
}

/// How many calls wait for a gate.
#[derive(Default)]
struct Waiting {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Source {
    pub(crate) fn new(tools: &[(&'static str, Does)]) -> Source {
        let schema = json!({"type": "object", "properties": {"q": {"type": "string"}}});
        let listed = tools.iter().map(|(name, _)| Listed::new(Tool::new("srv", *name), SERVER_URL, schema.clone()));
        let (called, calls) = mpsc::unbounded_channel();
        Source {
            toolbox: Arc::new(Toolbox::new(listed)),
            does: Arc::new(tools.iter().cloned().collect()),
            called,
            calls: Arc::new(Mutex::new(calls)),
            waiting: Arc::default(),
        }
    }

    /// Waits for the next thing that happens to a tool: its name and arguments when it is called, `dropped NAME`.
    pub(super) async fn happened(&self) -> String {
        let calls = self.calls.clone();
        let next = async move { std::future::poll_fn(|cx| calls.lock().unwrap().poll_recv(cx)).await };
        tokio::time::timeout(Duration::from_secs(20), next).await.expect("something happens to a tool").unwrap()
    }

    /// How many calls have waited for a gate at once, at most.
    pub(super) fn most_waiting(&self) -> usize {
        self.waiting.most.load(Ordering::SeqCst)
    }

    /// What has happened so far and was not waited for.
    pub(crate) fn so_far(&self) -> Vec<String> {
        let mut calls = self.calls.lock().unwrap();
        std::iter::from_fn(|| calls.try_recv().ok()).collect()
    }
}

struct Dropped(String, mpsc::UnboundedSender<String>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.1.send(format!("dropped {}", self.0));
    }
}

impl ToolSource for Source {
    fn known(&self, _: Uuid) -> Option<Arc<Toolbox>> {
        Some(self.toolbox.clone())
    }

    fn tools(&self, _: Uuid) -> BoxFuture<Arc<Toolbox>> {
        unreachable!("the tools are known")
    }

    fn call(&self, _: Uuid, tool: &Tool, arguments: Map<String, Value>) -> BoxFuture<Outcome> {
        let _ = self.called.send(format!("{} {}", tool.name, Value::Object(arguments.clone())));
        let does = self.does[&*tool.name].clone();
        let (name, called) = (tool.name.clone(), self.called.clone());
        let echo = move || result(vec![Content::Text(Value::Object(arguments).to_string())]);
        match does {
            Does::Answers(outcome) => Box::pin(async move { outcome }),
            Does::Echoes => Box::pin(async move { echo() }),
            Does::Hangs => Box::pin(async move {
                let _held = Dropped(name, called);
                std::future::pending().await
            }),
            Does::Waits(gate) => {
                // It runs from the moment it is called.
                let waiting = self.waiting.clone();
                waiting.most.fetch_max(waiting.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                Box::pin(async move {
                    gate.passed().await;
                    waiting.now.fetch_sub(1, Ordering::SeqCst);
                    echo()
                })
            }
        }
    }
}
