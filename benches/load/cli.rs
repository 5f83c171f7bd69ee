//! The command line, and the runtime each part runs on.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::loads::NAMES;
use crate::{provider, relay, run, tools};

/// Measures the gateway against a bare relay, over loopback.
#[derive(Debug, Parser)]
#[command(name = "load")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves scripted replies in the formats of Messages, Chat Completions and Responses.
    Provider {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Relays to one upstream, frame by frame, and does nothing else.
    Relay {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// `http://host:port` of the upstream.
        #[arg(long)]
        upstream: http::Uri,
        /// Sends as many blanks more before every request's body.
        #[arg(long, default_value_t = 0)]
        add: usize,
    },
    /// Serves MCP tools that nobody calls.
    Tools {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// How many.
        #[arg(long, default_value_t = 40)]
        count: usize,
    },
    /// Starts everything, runs the loads and prints the table.
    Run(Options),
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The gateway's executable.
    #[arg(long, required_unless_present = "skip_gateway")]
    pub(crate) gateway: Option<PathBuf>,
    /// A further argument for the gateway's `server` command; may be repeated.
    #[arg(long = "gateway-arg", allow_hyphen_values = true)]
    pub(crate) gateway_args: Vec<String>,
    /// Measures the bare relay only.
    #[arg(long, conflicts_with = "gateway")]
    pub(crate) skip_gateway: bool,
    /// Runs only this load; may be repeated.
    #[arg(long, value_parser = NAMES)]
    pub(crate) only: Vec<String>,
    /// How long each load runs on each of the two, in seconds, warm-up not included.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) seconds: u16,
    /// Measures the gateway a second time, with this many injected MCP tools that are never called.
    #[arg(long, requires = "gateway")]
    pub(crate) tools: Option<usize>,
    /// Prints the table as Markdown.
    #[arg(long)]
    pub(crate) markdown: bool,
}

impl Cli {
    pub(crate) fn execute(self) -> anyhow::Result<()> {
        match self.command {
            Command::Provider { listen } => {
                single()?.block_on(async { provider::serve(TcpListener::bind(listen).await?).await })
            }
            Command::Relay { listen, upstream, add } => {
                // Two workers, as the gateway has on the two cores that the aims are written for.
                let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
                runtime.block_on(async { relay::serve(TcpListener::bind(listen).await?, upstream, add).await })
            }
            Command::Tools { listen, count } => {
                single()?.block_on(async { tools::serve(TcpListener::bind(listen).await?, count).await })
            }
            Command::Run(options) => single()?.block_on(run::run(&options)),
        }
    }
}

/// One thread: the provider and the callers must leave the cores to what is measured.
fn single() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
