use aibridge_providers::{
    bedrock::{KeyPair, Protocol, Settings as BedrockSettings},
    provider::{Kind, ModelRules, Secret},
};

use super::{ProviderConfig, bedrock as aws, names::Names};
use crate::config::{
    report::Report,
    settings::{Origin, Settings},
};

/// What makes the instance `anthropic` one on Bedrock. The models do not: they have defaults, and deployments set them
/// beside a key of Anthropic's.
const BEDROCK: [&str; 4] = ["BEDROCK_REGION", "BEDROCK_BASE_URL", "BEDROCK_ACCESS_KEY", "BEDROCK_ACCESS_KEY_SECRET"];

/// The instances `openai` and `anthropic`: each is there if a variable of its own is set, to anything but its default,
/// which the files that Coder writes spell out.
pub(super) fn read(settings: &Settings, names: &mut Names, report: &mut Report) -> Vec<ProviderConfig> {
    let given = |options: &[&str]| options.iter().find_map(|option| settings.changed(option));
    let openai = given(&["OPENAI_KEY", "OPENAI_BASE_URL"])
        .and_then(|origin| with_key(Kind::OpenAi, "OPENAI", origin, settings, names));
    let anthropic = match (given(&BEDROCK), given(&["ANTHROPIC_KEY", "ANTHROPIC_BASE_URL"])) {
        (Some(origin), _) => bedrock(origin, settings, names, report),
        (None, Some(origin)) => {
            unused_models(settings, report);
            with_key(Kind::Anthropic, "ANTHROPIC", origin, settings, names)
        }
        (None, None) => {
            unused_models(settings, report);
            None
        }
    };
    openai.into_iter().chain(anthropic).collect()
}

fn with_key(
    kind: Kind,
    prefix: &str,
    origin: &Origin,
    settings: &Settings,
    names: &mut Names,
) -> Option<ProviderConfig> {
    names.take_legacy(kind.as_str(), &origin.name);
    Some(ProviderConfig {
        name: kind.as_str().to_owned(),
        kind,
        base_url: settings.base_url(&format!("{prefix}_BASE_URL"))?.clone(),
        keys: settings.keys(&format!("{prefix}_KEY")).to_vec(),
        bedrock: None,
        models: ModelRules::default(),
    })
}

/// Bedrock wins over a key of Anthropic's, as it does in Coder.
fn bedrock(origin: &Origin, settings: &Settings, names: &mut Names, report: &mut Report) -> Option<ProviderConfig> {
    let name = Kind::Anthropic.as_str();
    names.take_legacy(name, &origin.name);
    for ignored in ["ANTHROPIC_KEY", "ANTHROPIC_BASE_URL"].into_iter().filter_map(|option| settings.changed(option)) {
        let why = format!("has no effect beside {}: `{name}` is on Amazon Bedrock; unset one of them", origin.name);
        report.warn(&ignored.name, why);
    }
    let keys: [&[Secret]; 2] = ["BEDROCK_ACCESS_KEY", "BEDROCK_ACCESS_KEY_SECRET"].map(|option| settings.keys(option));
    match [settings.given("BEDROCK_ACCESS_KEY"), settings.given("BEDROCK_ACCESS_KEY_SECRET")] {
        [Some(key), None] => {
            let why =
                "needs CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET; set both, or neither for the AWS credential chain";
            report.error(&key.name, why);
        }
        [None, Some(secret)] => {
            let why = "needs CODER_AIBRIDGE_BEDROCK_ACCESS_KEY; set both, or neither for the AWS credential chain";
            report.error(&secret.name, why);
        }
        [Some(key), Some(secret)] if keys[0].len() != keys[1].len() && keys.iter().all(|keys| !keys.is_empty()) => {
            report.error(
                format!("{} and {}", key.name, secret.name),
                format!("differ in number ({} and {}); give each access key its secret", keys[0].len(), keys[1].len()),
            );
        }
        _ => {}
    }
    let protocol = Protocol::InvokeModel;
    let region = settings.text("BEDROCK_REGION");
    let base_url = match (settings.base_url("BEDROCK_BASE_URL"), region) {
        (Some(url), _) => url.clone(),
        (None, Some(region)) => aws::base_url(protocol, region)?,
        (None, None) => {
            if !["BEDROCK_REGION", "BEDROCK_BASE_URL"].iter().any(|option| settings.option(option).origin.is_some()) {
                report.error(
                    &origin.name,
                    "has no region; set CODER_AIBRIDGE_BEDROCK_REGION or CODER_AIBRIDGE_BEDROCK_BASE_URL",
                );
            }
            return None;
        }
    };
    let region = aws::region(region, &base_url, "CODER_AIBRIDGE_BEDROCK_REGION", report);
    let pairs = keys[0].iter().zip(keys[1]);
    Some(ProviderConfig {
        name: name.to_owned(),
        kind: Kind::Bedrock,
        base_url,
        keys: Vec::new(),
        bedrock: Some(BedrockSettings {
            protocol,
            region,
            model: settings.text("BEDROCK_MODEL").unwrap_or_default().to_owned(),
            small_fast_model: settings.text("BEDROCK_SMALL_FAST_MODEL").unwrap_or_default().to_owned(),
            credentials: pairs.map(|(id, secret)| KeyPair { id: id.clone(), secret: secret.clone() }).collect(),
            role_arn: None,
            external_id: None,
        }),
        models: ModelRules::default(),
    })
}

fn unused_models(settings: &Settings, report: &mut Report) {
    for option in ["BEDROCK_MODEL", "BEDROCK_SMALL_FAST_MODEL"] {
        if let Some(origin) = settings.changed(option) {
            report.warn(
                &origin.name,
                "has no effect without CODER_AIBRIDGE_BEDROCK_REGION or CODER_AIBRIDGE_BEDROCK_BASE_URL",
            );
        }
    }
}
