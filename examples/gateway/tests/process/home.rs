//! A folder of a test's own, and the program in it.

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use aibridge_tests::Provider;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::process::Gateway;

/// How long anything may take before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The organisation's key at the scripted provider.
pub(crate) const KEY: &str = "sk-central-0123456789abcdef";

/// A folder with a data directory in it.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The program with this command, on the data directory, and nothing else in its environment.
    pub(crate) fn program(&self, command: &str) -> Setup {
        let mut program = Command::new(env!("CARGO_BIN_EXE_aibridge-gateway"));
        program.args(command.split_whitespace()).arg("--data-dir").arg(self.data());
        program.env_clear().current_dir(self.0.path()).kill_on_drop(true);
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Setup(program)
    }

    /// A gateway that is to listen on a free port.
    pub(crate) fn server(&self) -> Setup {
        self.program("server --http-address 127.0.0.1:0")
    }

    /// What a command prints, which must succeed.
    pub(crate) async fn run(&self, command: &str) -> String {
        self.program(command).succeed().await
    }

    /// A user of this name, and a token of theirs.
    pub(crate) async fn token(&self, username: &str) -> String {
        self.run(&format!("users create {username}")).await;
        self.run(&format!("tokens create --user {username}")).await.trim().to_owned()
    }

    /// Everything that was recorded, newest first, as the command shows it in pages.
    pub(crate) async fn interceptions(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map(|last| format!(" --after {}", last["id"].as_str().unwrap()));
            let page = self.run(&format!("interceptions list --json --limit 1000{}", after.unwrap_or_default())).await;
            let page: Value = serde_json::from_str(&page).unwrap();
            all.extend(page["results"].as_array().unwrap().iter().cloned());
            if page["results"].as_array().unwrap().is_empty() || all.len() as u64 >= page["count"].as_u64().unwrap() {
                return all;
            }
        }
    }

    /// The one interception, once it has ended.
    pub(crate) async fn ended(&self) -> Value {
        let mut found = Vec::new();
        eventually("the interception ends", async || {
            found = self.interceptions().await;
            found.iter().any(|one| !one["ended_at"].is_null())
        })
        .await;
        assert_eq!(found.len(), 1);
        found.remove(0)
    }
}

/// The program before it is started.
pub(crate) struct Setup(Command);

impl Setup {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Setup {
        self.0.arg(argument);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Setup {
        self.0.env(name, value);
        self
    }

    /// The instances `openai` and `anthropic`, at this provider.
    pub(crate) fn provider(self, provider: &Provider) -> Setup {
        self.env("CODER_AIBRIDGE_OPENAI_BASE_URL", format!("{}/v1/", provider.url()))
            .env("CODER_AIBRIDGE_OPENAI_KEY", KEY)
            .env("CODER_AIBRIDGE_ANTHROPIC_BASE_URL", provider.url())
            .env("CODER_AIBRIDGE_ANTHROPIC_KEY", KEY)
    }

    /// Starts it and waits until it serves.
    pub(crate) async fn start(mut self) -> Gateway {
        Gateway::new(self.0.spawn().unwrap()).await
    }

    /// Runs it to its end.
    pub(crate) async fn output(mut self) -> Output {
        timeout(PATIENCE, self.0.output()).await.expect("the command ends").unwrap()
    }

    /// Runs it to its end, which must be good, and returns what it printed.
    pub(crate) async fn succeed(self) -> String {
        let output = self.output().await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it to its end, which must be a failure, and returns what it complained of.
    pub(crate) async fn fail(self) -> String {
        let output = self.output().await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "complaints go to stderr: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Asks until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        let mut again = tokio::time::interval(Duration::from_millis(5));
        while !is_so().await {
            again.tick().await;
        }
    };
    assert!(timeout(PATIENCE, asking).await.is_ok(), "this never happens: {what}");
}
