//! No secret is shown: not in errors, warnings, `check`, `--help` or `Debug`.

use super::{Given, env, flags, yaml};
use crate::config::{
    check,
    table::{FAMILIES, OPTIONS},
};

const CANARY: &str = "canary-0123456789-canary";

/// Everything that is said about `given`.
fn said(given: &Given) -> String {
    match given.load() {
        Ok((config, warnings)) => format!("{}\n{config:#?}\n{warnings:?}", check::report(&config, &warnings)),
        Err(errors) => format!("{}\n{errors:?}", check::refusal(&errors)),
    }
}

#[track_caller]
fn silent(given: &Given) {
    let said = said(given);
    assert!(!said.contains(CANARY) && !said.contains("0123456789"), "{said}");
}

/// The secret as it should be, and in each way that makes it wrong.
fn spoilt() -> [String; 6] {
    [
        CANARY.to_owned(),
        format!("{CANARY},{CANARY}"),
        format!("{CANARY},,b"),
        format!("{CANARY}\u{7}"),
        format!("a,{CANARY},{CANARY}"),
        format!("*{CANARY}"),
    ]
}

#[test]
fn options_that_are_secrets_are_never_shown() {
    for option in OPTIONS.iter().filter(|option| option.kind.is_secret()) {
        for value in spoilt() {
            for variable in option.variables() {
                silent(&env(&format!("{variable}={value}")));
                silent(&env(&format!("{variable}={value}\n{variable}_FILE={value}")));
                silent(&env(&format!("{variable}_FILE=/f")).and_file("/f", &value));
            }
            if let [old, new] = option.variables().as_slice() {
                silent(&env(&format!("{old}={value}\n{new}={value}-other")));
            }
            for flag in option.flags() {
                silent(&flags(&format!("{flag}={value}")));
                silent(&flags(&format!("{flag}x {value}")));
                silent(&flags(&format!("{flag} {value} {value}")));
            }
            for path in option.yaml_paths() {
                let key = path.rsplit('.').next().unwrap_or_default();
                silent(&yaml(&format!("aibridge:\n  {key}: {value}\n{key}: {value}\n")));
                silent(&yaml(&format!("aibridge:\n  {key}: \"{value}\n{key}: {value}\n")));
                silent(&yaml(&format!("aibridge:\n  {key}:\n    {value}: {value}: x\n  {key}: !{value}\n")));
            }
        }
    }
}

#[test]
fn fields_that_are_secrets_are_never_shown() {
    for family in FAMILIES {
        for field in family.fields.iter().filter(|field| field.kind.is_secret()) {
            for value in spoilt() {
                let prefix = format!("{}{}_0_", family.scope.prefixes()[0], family.name);
                for kind in ["openai", "anthropic", "copilot", "bedrock", "github"] {
                    let given = env(&format!("{prefix}TYPE={kind}\n{prefix}{}={value}", field.name));
                    silent(&given);
                    silent(&given.and_env(&format!("{prefix}{}S={value}", field.name)));
                }
            }
        }
    }
}

#[test]
fn a_url_with_credentials_is_not_quoted() {
    for variable in ["CODER_AIBRIDGE_OPENAI_BASE_URL", "CODER_URL", "CODER_ACCESS_URL", "CODER_OIDC_JWKS_URL"] {
        silent(&env(&format!("{variable}=https://user:{CANARY}@host/")));
        silent(&env(&format!("{variable}=https://host/?key={CANARY}")));
    }
    silent(&env(&format!("CODER_PG_CONNECTION_URL=postgres://user:{CANARY}@host/db")));
}

#[test]
fn check_shows_hints_of_keys_and_where_options_come_from() {
    let given = env(&format!(
        "CODER_AIBRIDGE_OPENAI_KEY={CANARY}\nCODER_AI_GATEWAY_RETENTION=2w\nCODER_AIBRIDGE_PROVIDER_0_TYPE=google\n\
         CODER_AIBRIDGE_PROVIDER_0_KEY=abc\nCODER_AIBRIDGE_PROVIDER_0_MODELS_DENY=pro\nCODER_TRACE_ENABLE=on"
    ))
    .and_yaml("aibridge:\n  allow_byok: off\n")
    .and_flags("--http-address :80");
    let (config, warnings) = given.load().unwrap_or_else(|errors| panic!("{errors:?}"));
    let report = check::report(&config, &warnings);
    let expected = "\
Providers:
  openai (openai) at https://api.openai.com/v1/, 1 key (cana...nary)
  google (google) at https://generativelanguage.googleapis.com/v1beta/openai/, 1 key, no models that match `pro`

Options that are not at their default:
  OPENAI_KEY = 1 key (cana...nary) (environment: CODER_AIBRIDGE_OPENAI_KEY)
  RETENTION = 14d (environment: CODER_AI_GATEWAY_RETENTION)
  ALLOW_BYOK = false (YAML: aibridge.allow_byok (line 2))
  HTTP_ADDRESS = 0.0.0.0:80 (flag: --http-address)
  TRACE_ENABLE = true (environment: CODER_TRACE_ENABLE)
  CONFIG_PATH = /config.yaml (environment: CODER_CONFIG_PATH)

Warnings:
  CODER_TRACE_ENABLE: is understood, but this version does not act on it yet

The configuration is valid.
";
    assert_eq!(report, expected);
}

#[test]
fn check_says_what_a_refused_configuration_must_change() {
    let errors = env("CODER_AIBRIDGE_ENABLED=maybe").load().expect_err("refused");
    assert_eq!(
        check::refusal(&errors),
        "\nErrors:\n  CODER_AIBRIDGE_ENABLED: `maybe` is neither yes nor no; use true or false\n\nThe configuration is \
         refused.\n"
    );
}
