use std::fmt::Write as _;

use aibridge_store::{
    interceptions::{Filter, From, Interception, Page},
    sqlite::Sqlite,
};
use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

use super::{parse, print_json, table};
use crate::{accounts, config::Config};

/// Look at what was recorded.
#[derive(Debug, Parser)]
struct Interceptions {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List interceptions, newest first.
    List(List),
    /// Show one with everything that belongs to it.
    Show {
        /// Its id, or a beginning of it that no other has.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
struct List {
    /// As JSON: `{count, results}`.
    #[arg(long)]
    json: bool,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Those after this one, as it stands in the list.
    #[arg(long, value_name = "ID", conflicts_with = "offset")]
    after: Option<Uuid>,
    /// Those after so many.
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// Only this user's.
    #[arg(long, value_name = "USERNAME or ID")]
    initiator: Option<String>,
    /// Only this provider type's.
    #[arg(long)]
    provider: Option<String>,
    /// Only this instance's.
    #[arg(long)]
    provider_name: Option<String>,
    /// Only of this model.
    #[arg(long)]
    model: Option<String>,
    /// Only of this coding agent, e.g. "Claude Code".
    #[arg(long)]
    client: Option<String>,
    /// Only of this session.
    #[arg(long)]
    session_id: Option<String>,
    /// Only what began then or later, e.g. 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    started_after: Option<DateTime<Utc>>,
    /// Only what began then or earlier.
    #[arg(long, value_name = "TIME")]
    started_before: Option<DateTime<Utc>>,
}

pub(crate) async fn run(config: &Config, arguments: &[String]) -> anyhow::Result<()> {
    let Interceptions { action } = parse("interceptions", arguments);
    let store = accounts::open_beside(&config.host.data_dir)?;
    match action {
        Action::List(list) => print_list(&store, list).await,
        Action::Show { id, json } => {
            let found = store.interception(&id).await?;
            let interception = found
                .ok_or_else(|| anyhow!("there is no interception {id}; see: aibridge-gateway interceptions list"))?;
            if json {
                return print_json(&interception);
            }
            print!("{}", described(&interception));
            Ok(())
        }
    }
}

async fn print_list(store: &Sqlite, list: List) -> anyhow::Result<()> {
    let initiator = match &list.initiator {
        None => None,
        Some(given) => Some(match Uuid::parse_str(given) {
            Ok(id) => id,
            Err(_) => accounts::user(store, given).await?.id,
        }),
    };
    let filter = Filter {
        initiator,
        provider: list.provider,
        provider_name: list.provider_name,
        model: list.model,
        client: list.client,
        session_id: list.session_id,
        started_after: list.started_after,
        started_before: list.started_before,
    };
    let page = Page { limit: list.limit, from: list.after.map_or(From::Offset(list.offset), From::After) };
    let found = store.interceptions(filter, page).await?;
    if list.json {
        return print_json(&found);
    }
    let rows: Vec<_> = found.results.iter().map(row).collect();
    table::print(["ID", "STARTED", "USER", "PROVIDER", "MODEL", "CLIENT", "OUTCOME", "IN", "OUT", "PROMPT"], &rows);
    println!("{} of {}", found.results.len(), found.count);
    Ok(())
}

fn row(it: &Interception) -> [String; 10] {
    let prompt = it.user_prompts.last().map(|prompt| table::short(&prompt.prompt, 40)).unwrap_or_default();
    let (input, output) = tokens(it);
    [
        it.id.to_string(),
        it.started_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        it.initiator.username.clone(),
        it.provider_name.clone(),
        it.model.clone(),
        it.client.clone(),
        it.outcome.clone().unwrap_or_else(|| "running".to_owned()),
        input.to_string(),
        output.to_string(),
        prompt,
    ]
}

/// Input tokens, cached ones included, and output tokens.
fn tokens(it: &Interception) -> (u64, u64) {
    it.token_usages.iter().fold((0, 0), |(input, output), usage| {
        let all = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_write_input_tokens;
        (input + all, output + usage.output_tokens)
    })
}

fn described(it: &Interception) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:>16}  {value}");
        }
    };
    line("id", it.id.to_string());
    line("user", format!("{} ({})", it.initiator.username, it.initiator.id));
    line("api key", it.api_key_id.clone().unwrap_or_default());
    line("provider", format!("{} ({})", it.provider_name, it.provider));
    line("model", it.model.clone());
    line("api", format!("{}{}", it.api, if it.streaming { ", streaming" } else { "" }));
    line("client", format!("{}  {}", it.client, it.user_agent.as_deref().unwrap_or_default()));
    line("session", it.session_id.clone());
    line("agent", it.agent_id.clone().unwrap_or_default());
    line("thread", it.thread_root_id.map(|id| id.to_string()).unwrap_or_default());
    line("credential", format!("{} {}", it.credential_kind, it.credential_hint));
    line("started", it.started_at.to_rfc3339());
    line("ended", it.ended_at.map_or("running".to_owned(), |at| at.to_rfc3339()));
    line("outcome", it.outcome.clone().unwrap_or_default());
    line("status", it.http_status.map(|status| status.to_string()).unwrap_or_default());
    let error = [&it.error_type, &it.error_message].map(|part| part.as_deref().unwrap_or_default());
    line("error", error.join(" ").trim().to_owned());
    line("first byte", it.ttfb_ms.map(|ms| format!("{ms} ms")).unwrap_or_default());
    line("duration", it.duration_ms.map(|ms| format!("{ms} ms")).unwrap_or_default());
    for usage in &it.token_usages {
        line(
            "tokens",
            format!(
                "{} in, {} cache read, {} cache write, {} out ({})",
                usage.input_tokens,
                usage.cache_read_input_tokens,
                usage.cache_write_input_tokens,
                usage.output_tokens,
                usage.usage_source
            ),
        );
    }
    for prompt in &it.user_prompts {
        line("prompt", prompt.prompt.clone());
    }
    for tool in &it.tool_usages {
        let error = tool.invocation_error.as_ref().map(|error| format!("  failed: {error}")).unwrap_or_default();
        let server = tool.server_url.as_ref().map(|url| format!("  at {url}")).unwrap_or_default();
        let name = if tool.injected { "injected tool" } else { "tool" };
        line(name, format!("{} {}{server}{error}", tool.tool, tool.input));
    }
    for thought in it.model_thoughts.iter().flatten() {
        line("thought", thought.content.clone());
    }
    text
}
