//! What is measured: a process, where it listens and how it is called.

use std::env;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;

use crate::process::Process;

/// The path of the Messages API at the provider.
pub(crate) const PATH: &str = "/v1/messages";

/// A running relay or gateway.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) token: String,
}

/// A free port on the loopback interface.
///
/// # Errors
///
/// When there is none.
pub(crate) async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?)
}

/// Starts this executable's provider.
pub(crate) async fn provider() -> anyhow::Result<(Process, SocketAddr)> {
    let address = free_address().await?;
    let mut process = Process::start(own("provider", address)?.stdout(Stdio::null()))?;
    process.ready(address).await?;
    Ok((process, address))
}

/// Starts this executable's bare relay.
pub(crate) async fn relay(provider: SocketAddr) -> anyhow::Result<Subject> {
    let address = free_address().await?;
    let mut process = Process::start(own("relay", address)?.arg("--upstream").arg(format!("http://{provider}")))?;
    process.ready(address).await?;
    Ok(Subject { name: "relay", process, address, path: PATH.into(), token: "sk-load".into() })
}

fn own(part: &str, address: SocketAddr) -> anyhow::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(part).arg("--listen").arg(address.to_string());
    Ok(command)
}
