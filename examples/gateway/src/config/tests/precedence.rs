use std::time::Duration;

use super::{env, flags, yaml};

const DAY: u64 = 86_400;

fn retention(given: &super::Given) -> Option<u64> {
    given.config().gateway.retention.map(|retention| retention.as_secs() / DAY)
}

#[test]
fn flag_before_environment_before_yaml_before_default() {
    let yaml = yaml("aibridge:\n  retention: 1d\n");
    let both = yaml.clone().and_env("CODER_AIBRIDGE_RETENTION=2d");
    let all = both.clone().and_flags("--aibridge-retention=3d");
    assert_eq!(retention(&flags("")), Some(60));
    assert_eq!(retention(&yaml), Some(1));
    assert_eq!(retention(&both), Some(2));
    assert_eq!(retention(&all), Some(3));
}

#[test]
fn a_higher_level_wins_under_either_name() {
    let given = yaml("ai_gateway:\n  retention: 1d\n").and_env("CODER_AIBRIDGE_RETENTION=2d");
    assert_eq!(retention(&given), Some(2));
    assert_eq!(retention(&given.and_flags("--ai-gateway-retention 3d")), Some(3));
}

#[test]
fn both_names_may_agree_in_other_words() {
    assert_eq!(retention(&env("CODER_AIBRIDGE_RETENTION=14d\nCODER_AI_GATEWAY_RETENTION=2w")), Some(14));
    assert!(env("CODER_AIBRIDGE_ENABLED=true\nCODER_AI_GATEWAY_ENABLED=1").config().gateway.enabled);
}

#[test]
fn what_is_overruled_need_not_be_valid() {
    assert_eq!(retention(&env("CODER_AIBRIDGE_RETENTION=soon").and_flags("--aibridge-retention 3d")), Some(3));
}

#[test]
fn of_a_repeated_flag_the_last_counts() {
    assert_eq!(retention(&flags("--aibridge-retention 3d --aibridge-retention=4d")), Some(4));
}

#[test]
fn a_variable_set_to_nothing_is_not_set() {
    assert_eq!(retention(&env("CODER_AIBRIDGE_RETENTION=")), Some(60));
    assert!(env("CODER_AIBRIDGE_OPENAI_KEY=\nCODER_AIBRIDGE_PROVIDER_3_KEY=").config().providers.is_empty());
}

#[test]
fn a_flag_set_to_nothing_takes_away_what_is_below() {
    let given = env("CODER_LOGGING_JSON=/var/log/a").and_flags("--log-json= --log-human=");
    assert_eq!(given.config().host.log.json, None);
    assert_eq!(given.config().host.log.human, None);
}

#[test]
fn a_yaml_key_without_value_is_not_given() {
    assert_eq!(retention(&yaml("aibridge:\n  retention:\nai_gateway:\n")), Some(60));
    assert_eq!(retention(&yaml("")), Some(60));
    assert_eq!(retention(&yaml("# nothing\n")), Some(60));
}

#[test]
fn the_file_is_named_by_flag_before_environment() {
    let given = env("CODER_CONFIG_PATH=/a")
        .and_file("/a", "aibridge: {retention: 1d}")
        .and_file("/b", "aibridge: {retention: 2d}");
    assert_eq!(retention(&given), Some(1));
    assert_eq!(retention(&given.clone().and_flags("--config /b")), Some(2));
    assert_eq!(retention(&given.and_flags("-c /b")), Some(2));
}

#[test]
fn fields_of_one_instance_may_come_from_flags_and_environment() {
    let given = env("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\nCODER_AIBRIDGE_PROVIDER_0_NAME=a")
        .and_flags("--ai-gateway-provider-0-name=b");
    assert_eq!(given.config().providers[0].name, "b");
}

#[test]
fn the_environment_wins_over_the_whole_list() {
    let given = yaml("aibridge:\n  providers:\n    - type: google\n    - type: vercel\n")
        .and_env("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai");
    let names: Vec<String> = given.config().providers.into_iter().map(|provider| provider.name).collect();
    assert_eq!(names, ["openai"]);
    assert_eq!(
        given.warnings(),
        ["aibridge.providers: has no effect: CODER_AIBRIDGE_PROVIDER_0_TYPE and its like win over the whole list"]
    );
}

#[test]
fn zero_keeps_records_for_ever() {
    assert_eq!(env("CODER_AIBRIDGE_RETENTION=0").config().gateway.retention, None);
    assert_eq!(yaml("aibridge: {retention: 0}").config().gateway.retention, None);
    assert_eq!(env("").config().gateway.upstream_header_timeout, Some(Duration::from_secs(600)));
}
