//! Starting the gateway: the only file that knows its command line, its settings and its paths.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::process::Process;
use crate::subject::{Endpoint, Environment, PATH, Subject, free_address};

const USER: &str = "load";

/// An installed gateway: its executable, its data and a token.
#[derive(Debug)]
pub(crate) struct Gateway {
    executable: PathBuf,
    arguments: Vec<String>,
    tools: Option<SocketAddr>,
    data: TempDir,
    token: String,
}

impl Gateway {
    /// Makes a data directory with a user and a token, for a gateway with the tools of an MCP server, if there is one.
    ///
    /// # Errors
    ///
    /// When one of the gateway's commands fails; the message says what it printed.
    pub(crate) async fn install(
        executable: PathBuf,
        arguments: Vec<String>,
        tools: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let data = TempDir::with_prefix("aibridge-load-")?;
        command(&executable, data.path(), &["users", "create", USER]).await?;
        let printed = command(&executable, data.path(), &["tokens", "create", "--user", USER]).await?;
        let token = printed.lines().last().unwrap_or_default().trim().to_owned();
        ensure!(!token.is_empty(), "`tokens create` printed no token");
        Ok(Self { executable, arguments, tools, data, token })
    }

    /// Starts a server in front of the provider. Other settings come from the environment of this process.
    pub(crate) async fn start(&self, provider: SocketAddr, environment: Environment) -> anyhow::Result<Subject> {
        let address = free_address().await?;
        let log = fs::File::create(self.log())?;
        let mut command = Command::new(&self.executable);
        command
            .arg("server")
            .arg("--data-dir")
            .arg(self.data.path())
            .args(&self.arguments)
            .envs(environment.iter().copied())
            .env("CODER_HTTP_ADDRESS", address.to_string())
            .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "anthropic")
            .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", format!("http://{provider}"))
            .env("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-load")
            .envs(self.tools.map(|tools| ("CODER_AIBRIDGE_MCP_0_URL", format!("http://{tools}/mcp"))))
            .envs(self.tools.map(|_| ("CODER_AIBRIDGE_MCP_0_NAME", "load")))
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log));
        let mut process = Process::start(&mut command)?;
        process.ready(address).await.with_context(|| self.last_words())?;
        let path = format!("/api/v2/aibridge/anthropic{PATH}");
        let endpoint = Endpoint { address, path, token: self.token.clone() };
        Ok(Subject { name: if self.tools.is_some() { "with tools" } else { "gateway" }, process, endpoint })
    }

    /// The end of what the gateway printed, for error messages.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("the gateway's last words:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
    }

    fn log(&self) -> PathBuf {
        self.data.path().join("gateway.log")
    }
}

/// Runs one of the gateway's commands to its end and gives what it printed.
async fn command(executable: &Path, data: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(executable);
    command.args(arguments).arg("--data-dir").arg(data).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(30), command.output())
        .await
        .with_context(|| format!("{arguments:?} takes more than 30 seconds"))?
        .with_context(|| format!("{} does not start", executable.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?} failed with {}: {errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
