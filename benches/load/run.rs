//! The whole run: children, loads in turn, report.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Options;
use crate::gateway::Gateway;
use crate::loads::{Figure, Load};
use crate::measure::Samples;
use crate::report::{Outcome, Report};
use crate::subject::{Environment, Subject};
use crate::{memory, subject, tools};

/// Runs everything that was asked for and prints the table.
///
/// # Errors
///
/// When a load could not be run, or a single call in it failed; the table has the others then.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    // Leaving by either branch drops the children, which kills them.
    tokio::select! {
        result = all(options) => result,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}

async fn all(options: &Options) -> anyhow::Result<()> {
    let chosen = |load: &Load| options.only.is_empty() || options.only.iter().any(|name| name == load.name);
    let loads: Vec<Load> = Load::all().into_iter().filter(chosen).collect();
    if let Some(load) = loads.iter().find(|load| load.figure == Figure::Memory) {
        memory::check_open_files(load.callers)?;
    }
    let (_provider, provider) = subject::provider().await?;
    let (_tools, tools) = match options.tools {
        Some(count) => Some(subject::tools(count).await?).unzip(),
        None => (None, None),
    };
    let mut gateways = Vec::new();
    if let Some(executable) = &options.gateway {
        for tools in [None, tools].into_iter().take(1 + usize::from(tools.is_some())) {
            gateways.push(Gateway::install(executable.clone(), options.gateway_args.clone(), tools).await?);
        }
    }

    let (mut report, mut failed) = (Report::default(), Vec::new());
    for load in &loads {
        eprintln!("{} ...", load.name);
        match measure(load, provider, &gateways, options).await {
            Ok(outcomes) => report.add(load, &outcomes),
            Err(error) => {
                eprintln!("{} failed: {error:#}", load.name);
                failed.push(load.name);
            }
        }
    }
    print!("{}", report.render(options.markdown));
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// One load on fresh processes, so that none carries memory over from another load.
async fn measure(
    load: &Load,
    provider: SocketAddr,
    gateways: &[Gateway],
    options: &Options,
) -> anyhow::Result<Vec<(&'static str, Outcome)>> {
    let environment: Environment = if load.figure == Figure::Memory { memory::ENVIRONMENT } else { &[] };
    let mut subjects = vec![subject::relay(provider, environment, 0).await?];
    for gateway in gateways {
        subjects.push(gateway.start(provider, environment).await?);
    }
    if let Some(count) = options.tools {
        subjects.push(subject::relay(provider, environment, tools::bytes(count)).await?);
    }
    let measured = match load.figure {
        Figure::Memory => streams(&subjects, load).await,
        Figure::Cpu | Figure::FirstByte => calls(&subjects, load, Duration::from_secs(options.seconds.into())).await,
    };
    let outcomes = measured.with_context(|| gateways.iter().map(Gateway::last_words).collect::<Vec<_>>().join("\n"))?;
    let named = subjects.iter().map(|subject| subject.name).zip(outcomes).collect();
    for subject in subjects {
        subject.process.stop().await?;
    }
    Ok(named)
}

async fn streams(subjects: &[Subject], load: &Load) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for subject in subjects {
        let kib = memory::per_stream(subject, load).await.with_context(|| format!("through the {}", subject.name))?;
        outcomes.push(Outcome::Memory(kib));
    }
    Ok(outcomes)
}

/// Alternates between the subjects, the other way round every second time: a machine that gets slower or faster
/// meanwhile does so for both.
async fn calls(subjects: &[Subject], load: &Load, total: Duration) -> anyhow::Result<Vec<Outcome>> {
    let length = total / load.rounds;
    let mut samples: Vec<Samples> = subjects.iter().map(|_| Samples::default()).collect();
    for round in 0..load.rounds {
        let warm_up = if round == 0 { Duration::from_secs(1) } else { length / 5 };
        let mut turn: Vec<(&Subject, &mut Samples)> = subjects.iter().zip(&mut samples).collect();
        if round % 2 == 1 {
            turn.reverse();
        }
        for (subject, samples) in turn {
            let measured = samples.round(subject, load, length, warm_up).await;
            measured.with_context(|| format!("through the {}", subject.name))?;
        }
    }
    Ok(samples.into_iter().map(Outcome::Calls).collect())
}
