//! Load over loopback: a fake provider, a bare hyper relay and the gateway, each in its own process.
//!
//! `load run --gateway PATH` measures all of it; `load provider`, `load relay` and `load tools` are the children it starts
//! and are useful by themselves. `benches/README.md` says what the figures mean.

mod call;
mod cli;
mod decode;
mod gateway;
mod http1;
mod loads;
mod measure;
mod memory;
mod process;
mod provider;
mod relay;
mod report;
mod run;
mod subject;
mod tools;

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    cli::Cli::parse().execute()
}
