//! `aibridge-gateway server` and `demo`: everything wired together.

use std::{sync::Arc, time::Duration};

use aibridge_providers::provider::{Instance, Registry};
use aibridge_store::{Fanout, StructuredLog, sqlite::Sqlite};
use aibridge_tower::{
    bedrock::Credentials,
    breaker::BreakerLayer,
    dump::DumpLayer,
    keys::{self, KeysLayer},
    tools::ToolsLayer,
};
use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts,
    config::{Config, RecordingPolicy, Warning},
    demo,
    external_auth::{self, ExternalAuth},
    identity::identity,
    logging,
    mcp::{self, CoderTokens},
    reload, retention,
    serve::{self, Health, Host, Listen, Parts, Settings, TlsFiles},
};

/// As good as no limit.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Serves until the process is told to stop: the configured providers, with the options the process was given, or without
/// them the demo.
pub(crate) async fn run(config: Config, warnings: Vec<Warning>, options: Option<Vec<String>>) -> anyhow::Result<()> {
    let is_demo = options.is_none();
    let _logging = logging::start(&config.host.log)?;
    // The demo brings its own providers, of which the configuration knows nothing.
    for warning in warnings.iter().filter(|_| !is_demo) {
        tracing::warn!("{warning}");
    }
    let stop = stop_on_signals()?;
    let store = open(&config)?;
    let instances = match is_demo {
        true => demo::instances().await?,
        false => configured(&config),
    };
    let registry = Arc::new(Registry::new(instances));
    announce(&registry);
    if let Some(options) = options {
        reload::on_hangup(options, registry.clone(), stop.clone())?;
    }
    keys::observe_pools(&registry);
    let listen = Listen {
        address: config.host.http_address,
        tls: config
            .host
            .tls
            .as_ref()
            .map(|tls| TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() }),
        grace: config.host.shutdown_grace,
    };
    let listener = serve::bind(&listen).await?;
    let address = listener.address()?;
    tracing::info!(%address, access_url = %config.host.access_url, "serving");
    if is_demo {
        let token = accounts::demo_token(&store).await?;
        let data_dir = config.host.data_dir.display().to_string();
        let mcp = config.mcp.servers.first().map(|server| &*server.name);
        println!("{}", demo::instructions(address, &token, &data_dir, mcp));
    }
    if let Some(keep) = config.gateway.retention {
        tokio::spawn(retention::run(store.clone(), keep, stop.clone()));
    }
    let tokens = config.mcp.coder.as_ref().map(|_| CoderTokens::default());
    let identity = identity(&config.authentication, &store, tokens.as_ref())?;
    let access_url = &config.host.access_url;
    let links = external_auth::links(&config.mcp, &store, access_url, &config.host.data_dir)?;
    if let Some(links) = &links {
        links.warn_of_lost_keys().await?;
    }
    let mcp = mcp::servers(&config.mcp, config.gateway.tool_limits, links.as_ref(), tokens)?;
    let external_auth =
        links.clone().map(|links| Arc::new(ExternalAuth::new(links, identity.clone(), mcp.clone(), access_url)));
    let dump = dump(&config)?;
    let parts = Parts {
        registry: registry.clone(),
        identity,
        recorder: recorder(&config, &store),
        tools: match &mcp {
            Some(mcp) => ToolsLayer::new(mcp.clone()).max_rounds(config.gateway.tool_max_rounds),
            None => ToolsLayer::off(),
        },
        dump: dump.clone(),
        // This runtime outlives the workers', which serve.
        aws: Credentials::new(),
        keys: KeysLayer::new().max_retries(config.gateway.max_retries),
        breaker: BreakerLayer::new(config.gateway.breaker),
        settings: settings(&config),
    };
    let host = Host { health: Health { store: store.clone(), registry }, external_auth };
    listener.serve(parts, host, stop).await.map_err(|error| anyhow!(error))?;
    tokio::task::spawn_blocking(move || dump.finish()).await?;
    if let Some(mcp) = mcp {
        mcp.close().await;
    }
    if let Some(links) = links {
        links.settle().await;
    }
    store.close().await.context("the last records could not be written")?;
    tracing::info!("stopped");
    Ok(())
}

fn open(config: &Config) -> anyhow::Result<Sqlite> {
    let path = accounts::database(&config.host.data_dir)?;
    Sqlite::open(&path).with_context(|| format!("the record store {} cannot be opened", path.display()))
}

/// The instances of a configuration.
pub(crate) fn configured(config: &Config) -> Vec<Instance> {
    let off = "the gateway is switched off (CODER_AIBRIDGE_ENABLED=false)";
    let mut instances: Vec<Instance> = config.providers.iter().map(|provider| provider.instance()).collect();
    if !config.gateway.enabled {
        for instance in &mut instances {
            instance.disabled.get_or_insert_with(|| off.to_owned());
        }
    }
    instances
}

/// Says which instances are in service.
pub(crate) fn announce(registry: &Registry) {
    for instance in registry.all() {
        tracing::info!(
            name = instance.name,
            kind = instance.kind.as_str(),
            base_url = instance.base_url.as_str(),
            disabled = instance.disabled,
            "provider"
        );
    }
}

fn dump(config: &Config) -> anyhow::Result<DumpLayer> {
    let Some(directory) = &config.gateway.dump_dir else { return Ok(DumpLayer::off()) };
    DumpLayer::new(directory)
        .with_context(|| format!("nothing can be written into {} (CODER_AIBRIDGE_DUMP_DIR)", directory.display()))
}

fn recorder(config: &Config, store: &Sqlite) -> Arc<dyn aibridge_store::Recorder> {
    match config.gateway.structured_logging {
        true => Arc::new(Fanout::new(store.clone()).also(StructuredLog::default())),
        false => Arc::new(store.clone()),
    }
}

fn settings(config: &Config) -> Settings {
    let gateway = &config.gateway;
    Settings {
        policy: match gateway.recording_policy {
            RecordingPolicy::Require => aibridge_tower::record::RecordingPolicy::Require,
            RecordingPolicy::BestEffort => aibridge_tower::record::RecordingPolicy::BestEffort,
        },
        record_content: !gateway.disable_content_recording,
        allow_byok: gateway.allow_byok,
        actor_headers: gateway.actor_headers.clone(),
        max_concurrency: gateway.max_concurrency.map(Into::into),
        rate_limit: gateway.rate_limit,
        max_request_bytes: gateway.max_request_bytes,
        header_timeout: gateway.upstream_header_timeout.unwrap_or(NO_LIMIT),
    }
}

/// Cancelled by the first SIGTERM or SIGINT. A second one ends the process as usual.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(stop)
}
