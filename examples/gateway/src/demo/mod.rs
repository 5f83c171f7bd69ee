//! `aibridge-gateway demo`: everything that can be seen without a key of any provider.

mod provider;
mod replies;
mod turn;

use std::net::SocketAddr;

use aibridge_providers::provider::{BaseUrl, Instance, Kind, Secret};
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

/// The key that the scripted provider wants: what the gateway adds, and users never see.
const KEY: &str = "sk-demo-central-key";

/// Starts the scripted provider and returns instances that lead to it.
pub(crate) async fn instances() -> anyhow::Result<Vec<Instance>> {
    let address = provider::start().await.context("the demo's provider could not be started")?;
    let base = |path: &str| BaseUrl::parse(&format!("http://{address}{path}")).context("the demo's base url");
    Ok(vec![
        Instance::builder(Kind::Anthropic, base("/")?).key(Secret::new(KEY)).build(),
        Instance::builder(Kind::OpenAi, base("/v1/")?).key(Secret::new(KEY)).build(),
    ])
}

/// What to paste, with a request for a tool of the MCP server of this name.
pub(crate) fn instructions(address: SocketAddr, token: &SecretString, data_dir: &str, mcp: Option<&str>) -> String {
    let token = token.expose_secret();
    let base = format!("http://{address}/api/v2/aibridge");
    let program = std::env::args().next().unwrap_or_else(|| "aibridge-gateway".to_owned());
    let tool = mcp.map_or_else(String::new, |name| {
        format!(
            r#"The tools of your MCP servers are given to the provider, which calls the one that it is asked for by name:

  curl {base}/anthropic/v1/messages \
    -H 'Authorization: Bearer {token}' -H 'anthropic-version: 2023-06-01' \
    -H 'Content-Type: application/json' \
    -d '{{"model":"claude-demo","max_tokens":256,"messages":[{{"role":"user","content":"Use bmcp_{name}_echo"}}]}}'

"#
        )
    });
    format!(
        r#"
The gateway serves a scripted provider, so no key of any provider is needed. Try it:

  curl {base}/anthropic/v1/messages \
    -H 'Authorization: Bearer {token}' -H 'anthropic-version: 2023-06-01' \
    -H 'Content-Type: application/json' \
    -d '{{"model":"claude-demo","max_tokens":256,"messages":[{{"role":"user","content":"Hello!"}}]}}'

  curl -N {base}/openai/v1/chat/completions \
    -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
    -d '{{"model":"gpt-demo","stream":true,"messages":[{{"role":"user","content":"Hello!"}}]}}'

{tool}Then see who asked what:

  {program} interceptions list --data-dir {data_dir}

Settings for agents and SDKs:

  ANTHROPIC_BASE_URL={base}/anthropic
  ANTHROPIC_AUTH_TOKEN={token}
  OPENAI_BASE_URL={base}/openai/v1
  OPENAI_API_KEY={token}

The token is valid for a day. Ctrl-C ends the demo.
"#
    )
}
