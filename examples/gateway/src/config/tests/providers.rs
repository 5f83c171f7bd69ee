use aibridge_providers::{bedrock::Protocol, provider::Kind};

use super::{Given, env};
use crate::config::ProviderConfig;

#[track_caller]
fn only(given: &Given) -> ProviderConfig {
    let mut providers = given.config().providers;
    assert_eq!(providers.len(), 1);
    providers.remove(0)
}

fn indexed(variables: &str) -> Given {
    let variables: String =
        variables.split_whitespace().map(|variable| format!("CODER_AIBRIDGE_PROVIDER_0_{variable}\n")).collect();
    env(&variables)
}

#[test]
fn every_type_has_its_name_and_url() {
    for kind in Kind::ALL {
        let more = match kind {
            Kind::Azure | Kind::OpenAiCompat => "BASE_URL=https://own.example/v1",
            Kind::Bedrock => "BEDROCK_REGION=us-east-1",
            _ => "",
        };
        let provider = only(&indexed(&format!("TYPE={} {more}", kind.as_str())));
        assert_eq!((provider.name.as_str(), provider.kind), (kind.as_str(), kind));
        let expected = match kind {
            Kind::Bedrock => Some("https://bedrock-runtime.us-east-1.amazonaws.com"),
            _ => kind.default_base_url().or(Some("https://own.example/v1")),
        };
        assert_eq!(
            Some(provider.base_url.as_str().trim_end_matches('/')),
            expected.map(|url| url.trim_end_matches('/'))
        );
    }
}

#[test]
fn models_are_allowed_and_denied_by_pattern() {
    let provider = only(&indexed("TYPE=openai MODELS_ALLOW=^gpt MODELS_DENY=mini$"));
    assert!(provider.models.permit("gpt-5"));
    assert!(!provider.models.permit("gpt-5-mini"));
    assert!(!provider.models.permit("o3"));
}

#[test]
fn the_instance_is_what_was_configured() {
    let instance = only(&indexed("TYPE=openai NAME=corp KEY=sk-one BASE_URL=https://h/v1 MODELS_DENY=x")).instance();
    assert_eq!((instance.name.as_str(), instance.kind, instance.keys.len()), ("corp", Kind::OpenAi, 1));
    assert_eq!(instance.keys[0].expose(), "sk-one");
    assert!(instance.models.deny.is_some() && instance.disabled.is_none());
}

#[test]
fn bedrock_s_own_url_wins_over_the_region_and_mantle_has_another() {
    let region = "TYPE=bedrock BEDROCK_REGION=eu-west-1";
    let url = |more: &str| only(&indexed(&format!("{region} {more}"))).base_url.as_str().to_owned();
    assert_eq!(url(""), "https://bedrock-runtime.eu-west-1.amazonaws.com/");
    assert_eq!(url("BEDROCK_BASE_URL=https://vpc.example/"), "https://vpc.example/");
    assert_eq!(url("BASE_URL=https://vpc.example/"), "https://vpc.example/");
    assert_eq!(url("BEDROCK_PROTOCOL=mantle"), "https://bedrock-mantle.eu-west-1.api.aws/anthropic");
    let china = only(&indexed("TYPE=bedrock BEDROCK_REGION=cn-north-1"));
    assert_eq!(china.base_url.as_str(), "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/");
}

#[test]
fn an_anthropic_instance_with_bedrock_settings_is_on_bedrock() {
    let provider = only(&indexed(
        "TYPE=anthropic BEDROCK_BASE_URL=https://vpc.example/ BEDROCK_ACCESS_KEYS=a,b BEDROCK_ACCESS_KEY_SECRETS=c,d \
         BEDROCK_MODEL=m BEDROCK_ROLE_ARN=arn:aws:iam::1:role/r BEDROCK_EXTERNAL_ID=ext BEDROCK_PROTOCOL=mantle",
    ));
    assert_eq!((provider.name.as_str(), provider.kind), ("anthropic", Kind::Bedrock));
    let bedrock = provider.bedrock.expect("on Bedrock");
    let pairs: Vec<_> = bedrock.credentials.iter().map(|pair| (pair.id.expose(), pair.secret.expose())).collect();
    assert_eq!(pairs, [("a", "c"), ("b", "d")]);
    assert_eq!((bedrock.region.as_str(), bedrock.model.as_str()), ("us-east-1", "m"));
    assert_eq!(bedrock.small_fast_model, "global.anthropic.claude-haiku-4-5-20251001-v1:0");
    assert_eq!(bedrock.role_arn.as_deref(), Some("arn:aws:iam::1:role/r"));
    assert_eq!(bedrock.external_id.as_deref(), Some("ext"));
    assert_eq!(bedrock.protocol, Protocol::Mantle);
}

#[test]
fn a_bedrock_instance_is_in_service_and_signs_for_its_region() {
    let region = |variables: &str| {
        let given = indexed(&format!("TYPE=bedrock {variables}"));
        let instance = only(&given).instance();
        assert_eq!(instance.disabled, None);
        (instance.bedrock.expect("settings").region, given.warnings())
    };
    assert_eq!(region("BEDROCK_REGION=eu-west-1"), ("eu-west-1".to_owned(), vec![]));
    let both = "BEDROCK_REGION=eu-west-1 BEDROCK_BASE_URL=https://bedrock-runtime.us-west-2.amazonaws.com";
    assert_eq!(region(both), ("eu-west-1".to_owned(), vec![]));
    let url = "BEDROCK_BASE_URL=https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com";
    assert_eq!(region(url), ("us-west-2".to_owned(), vec![]));
    let why = "CODER_AIBRIDGE_PROVIDER_0_BEDROCK_REGION: is not set, and the URL does not tell: requests are signed for \
               us-east-1";
    assert_eq!(region("BEDROCK_BASE_URL=https://proxy.example/"), ("us-east-1".to_owned(), vec![why.to_owned()]));
}

#[test]
fn bedrock_wins_over_a_key_of_anthropic_s_with_a_warning() {
    let given = env("CODER_AIBRIDGE_ANTHROPIC_KEY=canary\nCODER_AIBRIDGE_BEDROCK_REGION=us-east-1");
    let provider = only(&given);
    assert_eq!((provider.kind, provider.keys.len()), (Kind::Bedrock, 0));
    assert_eq!(
        given.warnings()[0],
        "CODER_AIBRIDGE_ANTHROPIC_KEY: has no effect beside CODER_AIBRIDGE_BEDROCK_REGION: `anthropic` is on Amazon \
         Bedrock; unset one of them"
    );
}

#[test]
fn bedrock_s_models_alone_do_not_leave_anthropic() {
    let given = env("CODER_AIBRIDGE_ANTHROPIC_KEY=k\nCODER_AIBRIDGE_BEDROCK_MODEL=m");
    assert_eq!(only(&given).kind, Kind::Anthropic);
    assert_eq!(
        given.warnings(),
        ["CODER_AIBRIDGE_BEDROCK_MODEL: has no effect without CODER_AIBRIDGE_BEDROCK_REGION or \
          CODER_AIBRIDGE_BEDROCK_BASE_URL"]
    );
}

#[test]
fn a_base_url_alone_makes_an_instance_for_users_own_keys() {
    let provider = only(&env("CODER_AIBRIDGE_ANTHROPIC_BASE_URL=https://proxy.example"));
    assert_eq!((provider.kind, provider.keys.len()), (Kind::Anthropic, 0));
}

#[test]
fn instances_without_an_index_come_first() {
    let given = env("CODER_AIBRIDGE_ANTHROPIC_KEY=k\nCODER_AIBRIDGE_PROVIDER_0_TYPE=copilot\n");
    let names: Vec<String> = given.config().providers.into_iter().map(|provider| provider.name).collect();
    assert_eq!(names, ["anthropic", "copilot"]);
}

#[test]
fn no_provider_at_all_is_worth_a_warning() {
    let warnings = env("").warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("no provider is configured"), "{warnings:?}");
}
