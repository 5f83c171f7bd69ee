use aibridge_providers::{
    bedrock::{KeyPair, Protocol, Settings as BedrockSettings},
    provider::{BaseUrl, Kind, ModelRules, Secret},
};

use super::{
    ProviderConfig,
    bedrock::{self, default_of},
    names::Names,
};
use crate::config::{report::Report, settings::Member, value::Value};

/// Reads one instance. `None` if it could not be understood; the report says why.
pub(super) fn read(member: &Member, names: &mut Names, report: &mut Report) -> Option<ProviderConfig> {
    let kind = match (member.setting("TYPE"), text(member, "TYPE")) {
        (_, Some(name)) => Kind::from_name(name),
        (Some(_), None) => None,
        (None, None) => {
            let types = Kind::ALL.map(Kind::as_str).join(", ");
            report.error(member.name_of("TYPE"), format!("is missing; set it to one of {types}"));
            None
        }
    };
    let name = text(member, "NAME").or(kind.map(Kind::as_str));
    if let Some(name) = name {
        names.take(name, &member.name_of("NAME"), text(member, "NAME").is_none(), report);
    }
    let keys = list(member, "KEY", "KEYS", report);
    let credentials = credentials(member, report);
    let kind = kind?;
    let on_bedrock = check_credentials(kind, member, report);
    let protocol = match text(member, "BEDROCK_PROTOCOL") {
        Some("mantle") => Protocol::Mantle,
        _ => Protocol::InvokeModel,
    };
    let base_url = base_url(kind, on_bedrock, protocol, member, report)?;
    let or_default = |field: &str| text(member, field).map_or_else(|| default_of(field), str::to_owned);
    let bedrock = on_bedrock.then(|| BedrockSettings {
        protocol,
        region: bedrock::region(text(member, "BEDROCK_REGION"), &base_url, &member.name_of("BEDROCK_REGION"), report),
        model: or_default("BEDROCK_MODEL"),
        small_fast_model: or_default("BEDROCK_SMALL_FAST_MODEL"),
        credentials,
        role_arn: text(member, "BEDROCK_ROLE_ARN").map(str::to_owned),
        external_id: text(member, "BEDROCK_EXTERNAL_ID").map(str::to_owned),
    });
    Some(ProviderConfig {
        name: name?.to_owned(),
        kind: if on_bedrock { Kind::Bedrock } else { kind },
        base_url,
        keys,
        bedrock,
        models: models(member),
    })
}

/// Checks that what was given fits the type, and says whether the instance is on Bedrock.
fn check_credentials(kind: Kind, member: &Member, report: &mut Report) -> bool {
    let bedrock: Vec<String> = member
        .fields
        .iter()
        .filter(|setting| setting.definition.name.starts_with("BEDROCK_"))
        .map(|setting| member.name_of(setting.definition.name))
        .collect();
    let key = key_name(member);
    let may_be_bedrock = matches!(kind, Kind::Anthropic | Kind::Bedrock);
    if !bedrock.is_empty() && !may_be_bedrock {
        let type_name = member.name_of("TYPE");
        report.error(
            bedrock.join(" and "),
            format!(
                "only instances of type anthropic or bedrock have it, this is `{}`; remove it, or correct {type_name}",
                kind.as_str()
            ),
        );
    }
    match (&key, kind) {
        (Some(key), Kind::Copilot) => {
            report.error(key, "instances of type copilot have no key, their users bring their own; remove it");
        }
        (Some(key), _) if may_be_bedrock && !bedrock.is_empty() => report.error(
            format!("{key} and {}", bedrock.join(" and ")),
            "an instance has either a key or is on Amazon Bedrock; remove one or the other",
        ),
        (Some(key), Kind::Bedrock) => report.error(
            key,
            format!(
                "requests to Amazon Bedrock are signed; remove it, and set {}",
                member.name_of("BEDROCK_ACCESS_KEY")
            ),
        ),
        _ => {}
    }
    kind == Kind::Bedrock || (may_be_bedrock && !bedrock.is_empty())
}

/// Where the instance is: on Bedrock, `BEDROCK_BASE_URL` before the region.
fn base_url(kind: Kind, on_bedrock: bool, protocol: Protocol, member: &Member, report: &mut Report) -> Option<BaseUrl> {
    let given = |field: &str| match member.field(field) {
        Some(Value::BaseUrl(url)) => Some(url.clone()),
        _ => None,
    };
    // What was given and is wrong was reported: saying that it is missing as well would mislead.
    let wrong = |field: &str| member.setting(field).is_some_and(|setting| setting.wrong);
    if !on_bedrock {
        if wrong("BASE_URL") {
            return None;
        }
        let url = given("BASE_URL").or_else(|| kind.default_base_url().and_then(|url| BaseUrl::parse(url).ok()));
        if url.is_none() {
            report.error(
                member.name_of("BASE_URL"),
                format!("is missing, and type `{}` has no default; set it to the provider's URL", kind.as_str()),
            );
        }
        return url;
    }
    if ["BEDROCK_BASE_URL", "BEDROCK_REGION", "BASE_URL"].into_iter().any(wrong) {
        return None;
    }
    let plain = given("BASE_URL");
    let special = given("BEDROCK_BASE_URL");
    if plain.is_some() && (special.is_some() || kind == Kind::Anthropic) {
        let why = "has no effect on an instance on Amazon Bedrock; use BEDROCK_BASE_URL";
        report.warn(member.name_of("BASE_URL"), why);
    }
    let url = special
        .or_else(|| plain.filter(|_| kind == Kind::Bedrock))
        .or_else(|| text(member, "BEDROCK_REGION").and_then(|region| bedrock::base_url(protocol, region)));
    if url.is_none() {
        let other = member.name_of("BEDROCK_BASE_URL");
        report.error(member.name_of("BEDROCK_REGION"), format!("is missing; set it, or {other}"));
    }
    url
}

/// The pairs of access key id and secret.
fn credentials(member: &Member, report: &mut Report) -> Vec<KeyPair> {
    let keys = list(member, "BEDROCK_ACCESS_KEY", "BEDROCK_ACCESS_KEYS", report);
    let secrets = list(member, "BEDROCK_ACCESS_KEY_SECRET", "BEDROCK_ACCESS_KEY_SECRETS", report);
    let name = |one: &str, many: &str| member.name_of(if member.setting(many).is_some() { many } else { one });
    let given = |one: &str, many: &str| member.setting(one).is_some() || member.setting(many).is_some();
    let wrong = |keys: &[Secret], one: &str, many: &str| keys.is_empty() && given(one, many);
    let any_wrong = wrong(&keys, "BEDROCK_ACCESS_KEY", "BEDROCK_ACCESS_KEYS")
        || wrong(&secrets, "BEDROCK_ACCESS_KEY_SECRET", "BEDROCK_ACCESS_KEY_SECRETS");
    if keys.len() != secrets.len() && !any_wrong {
        let keys_name = name("BEDROCK_ACCESS_KEY", "BEDROCK_ACCESS_KEYS");
        let secrets_name = name("BEDROCK_ACCESS_KEY_SECRET", "BEDROCK_ACCESS_KEY_SECRETS");
        report.error(
            format!("{keys_name} and {secrets_name}"),
            format!("differ in number ({} and {}); give each access key its secret", keys.len(), secrets.len()),
        );
    }
    keys.into_iter().zip(secrets).map(|(id, secret)| KeyPair { id, secret }).collect()
}

/// The keys under one of two names that mean the same, and may not both be set.
fn list(member: &Member, one: &str, many: &str, report: &mut Report) -> Vec<Secret> {
    if member.setting(one).is_some() && member.setting(many).is_some() {
        let names = format!("{} and {}", member.name_of(one), member.name_of(many));
        report.error(names, "are both set; put all keys into one of them, separated by commas");
    }
    match member.field(one).or_else(|| member.field(many)) {
        Some(Value::Keys(keys)) => keys.clone(),
        _ => Vec::new(),
    }
}

/// How the field that holds the keys was spelt, if it was given.
fn key_name(member: &Member) -> Option<String> {
    ["KEY", "KEYS"].into_iter().find(|field| member.setting(field).is_some()).map(|field| member.name_of(field))
}

fn models(member: &Member) -> ModelRules {
    let pattern = |field: &str| match member.field(field) {
        Some(Value::Pattern(pattern)) => Some(pattern.clone()),
        _ => None,
    };
    let mut rules = ModelRules::default();
    rules.allow = pattern("MODELS_ALLOW");
    rules.deny = pattern("MODELS_DENY");
    rules
}

fn text<'a>(member: &'a Member, field: &str) -> Option<&'a str> {
    match member.field(field) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}
