//! What `check` prints.

use std::{fmt::Write as _, time::Duration};

use aibridge_providers::provider::Secret;

use super::{
    CODER, Config, Mcp,
    provider::ProviderConfig,
    report::{ConfigError, Warning},
    settings::Setting,
    source::Level,
    value::Value,
};

/// What was understood: the instances, the options that are not at their default and where they come from, the
/// warnings. Secrets are masked.
pub(crate) fn report(config: &Config, warnings: &[Warning]) -> String {
    let mut text = String::from("Providers:\n");
    for provider in &config.providers {
        text.push_str(&instance(provider));
    }
    if config.providers.is_empty() {
        text.push_str("  none\n");
    }
    servers(&mut text, &config.mcp);
    text.push_str("\nOptions that are not at their default:\n");
    let mut differing = config.settings.options.iter().filter(|setting| setting.differs()).peekable();
    if differing.peek().is_none() {
        text.push_str("  none\n");
    }
    for setting in differing {
        if let Some(origin) = &setting.origin {
            let level = match origin.level {
                Level::Flag => "flag",
                Level::Environment => "environment",
                Level::Yaml => "YAML",
            };
            _ = writeln!(text, "  {} = {} ({level}: {})", setting.definition.name, shown(setting), origin.name);
        }
    }
    list(&mut text, "Warnings", warnings);
    text.push_str("\nThe configuration is valid.\n");
    text
}

/// The same for a configuration that is refused.
pub(crate) fn refusal(errors: &[ConfigError]) -> String {
    let mut text = String::new();
    list(&mut text, "Errors", errors);
    text.push_str("\nThe configuration is refused.\n");
    text
}

fn list<T: ToString>(text: &mut String, title: &str, entries: &[T]) {
    if !entries.is_empty() {
        _ = writeln!(text, "\n{title}:");
    }
    for entry in entries {
        _ = writeln!(text, "  {}", entry.to_string());
    }
}

fn instance(provider: &ProviderConfig) -> String {
    let mut line = format!("  {} ({}) at {}", provider.name, provider.kind.as_str(), provider.base_url.as_str());
    match &provider.bedrock {
        None if provider.keys.is_empty() => line.push_str(", no key: users bring their own"),
        None => _ = write!(line, ", {}", masked(&provider.keys)),
        Some(bedrock) if bedrock.credentials.is_empty() => line.push_str(", credentials of the AWS default chain"),
        Some(bedrock) => {
            let keys: Vec<Secret> = bedrock.credentials.iter().map(|pair| pair.id.clone()).collect();
            _ = write!(line, ", {}", masked(&keys));
        }
    }
    if let Some(role) = provider.bedrock.as_ref().and_then(|bedrock| bedrock.role_arn.as_deref()) {
        _ = write!(line, ", as {role}");
    }
    for (what, pattern) in [("only models", &provider.models.allow), ("no models", &provider.models.deny)] {
        if let Some(pattern) = pattern {
            _ = write!(line, ", {what} that match `{}`", pattern.as_str());
        }
    }
    line.push('\n');
    line
}

/// The MCP servers, if there are any.
fn servers(text: &mut String, mcp: &Mcp) {
    let fixed = mcp.servers.iter().map(|server| {
        let how = if server.header.is_some() { "with a header" } else { "without authentication" };
        (&*server.name, &server.url, how)
    });
    let linked =
        mcp.applications.iter().map(|application| (&*application.id, &application.mcp_url, "with the user's link"));
    let coder = mcp.coder.iter().map(|url| (CODER, url, "with the user's token"));
    for (at, (id, url, how)) in fixed.chain(linked).chain(coder).enumerate() {
        let heading = if at == 0 { "\nMCP servers:\n" } else { "" };
        // A query may hold a key.
        let query = if url.query().is_some() { "?..." } else { "" };
        _ = writeln!(text, "{heading}  {id} at {}{query}, {how}", &url[..url::Position::AfterPath]);
    }
}

/// How many keys there are, and the hints of those that are long enough to have one.
fn masked(keys: &[Secret]) -> String {
    let hints: Vec<String> = keys.iter().map(Secret::hint).filter(|hint| !hint.is_empty()).collect();
    let count = match keys.len() {
        1 => "1 key".to_owned(),
        many => format!("{many} keys"),
    };
    if hints.is_empty() { count } else { format!("{count} ({})", hints.join(", ")) }
}

fn shown(setting: &Setting) -> String {
    match &setting.value {
        Value::Empty => "nothing".to_owned(),
        Value::Switch(switch) => switch.to_string(),
        Value::Duration(duration) => plain(*duration),
        Value::Number(number) => number.to_string(),
        Value::Text(text) | Value::Url(_, text) | Value::HeaderName(text) => text.clone(),
        Value::Words(words) => words.join(", "),
        Value::Secret(_) => "set".to_owned(),
        Value::Keys(keys) => masked(keys),
        Value::Path(path) => path.display().to_string(),
        Value::BaseUrl(url) => url.as_str().to_owned(),
        Value::Address(address) => address.to_string(),
        Value::Pattern(pattern) => pattern.as_str().to_owned(),
    }
}

/// The duration in its largest unit that is exact, up to days: `90d` and not `2months 29days 2h 52m 48s`.
fn plain(duration: Duration) -> String {
    if duration.is_zero() {
        return "0".to_owned();
    }
    let seconds = duration.as_secs();
    match [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)].into_iter().find(|(_, unit)| seconds.is_multiple_of(*unit))
    {
        Some((name, unit)) if duration.subsec_nanos() == 0 => format!("{}{name}", seconds / unit),
        _ => humantime::format_duration(duration).to_string(),
    }
}
