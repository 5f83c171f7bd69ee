//! What is measured: a process, where it listens and how it is called.

use std::env;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::process::Command;

use crate::process::Process;

/// The path of the Messages API at the provider.
pub(crate) const PATH: &str = "/v1/messages";

/// Variables that both subjects are started with.
pub(crate) type Environment = &'static [(&'static str, &'static str)];

/// A running relay or gateway.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) endpoint: Endpoint,
}

/// Where and how a subject is called.
#[derive(Debug)]
pub(crate) struct Endpoint {
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
    let mut process = Process::start(&mut own("provider", address)?)?;
    process.ready(address).await?;
    Ok((process, address))
}

/// Starts this executable's MCP server.
pub(crate) async fn tools(count: usize) -> anyhow::Result<(Process, SocketAddr)> {
    let address = free_address().await?;
    let mut process = Process::start(own("tools", address)?.arg("--count").arg(count.to_string()))?;
    process.ready(address).await?;
    Ok((process, address))
}

/// Starts this executable's bare relay, which adds as many bytes to every request.
pub(crate) async fn relay(provider: SocketAddr, environment: Environment, add: usize) -> anyhow::Result<Subject> {
    let address = free_address().await?;
    let mut command = own("relay", address)?;
    command.arg("--upstream").arg(format!("http://{provider}")).arg("--add").arg(add.to_string());
    command.envs(environment.iter().copied());
    let mut process = Process::start(&mut command)?;
    process.ready(address).await?;
    let endpoint = Endpoint { address, path: PATH.into(), token: "sk-load".into() };
    Ok(Subject { name: if add == 0 { "relay" } else { "relay, larger" }, process, endpoint })
}

fn own(part: &str, address: SocketAddr) -> anyhow::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(part).arg("--listen").arg(address.to_string());
    Ok(command)
}
