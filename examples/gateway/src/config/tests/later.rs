use super::{Given, env};
use crate::config::{later::LATER, later::Later};

const NOT_YET: &str = "is understood, but this version does not act on it yet";

fn served() -> Given {
    env("CODER_AIBRIDGE_OPENAI_KEY=k")
}

#[test]
fn what_is_to_come_says_so_and_starts() {
    for (variable, value) in [
        ("CODER_AIBRIDGE_SEND_ACTOR_HEADERS", "true"),
        ("CODER_AIBRIDGE_CIRCUIT_BREAKER_ENABLED", "true"),
        ("CODER_AIBRIDGE_MAX_RETRIES", "2"),
        ("CODER_AIBRIDGE_DUMP_DIR", "/dumps"),
        ("CODER_PROMETHEUS_ENABLE", "true"),
        ("CODER_TRACE_ENABLE", "true"),
        ("CODER_OIDC_EMAIL_FIELD", "mail"),
    ] {
        let name = variable.trim_start_matches("CODER_").trim_start_matches("AIBRIDGE_");
        let listed = LATER.iter().any(|later| matches!(later, Later::Option(option) if *option == name));
        let expected: Vec<String> = listed.then(|| format!("{variable}: {NOT_YET}")).into_iter().collect();
        assert_eq!(served().and_env(&format!("{variable}={value}")).warnings(), expected);
    }
}

#[test]
fn defaults_do_not_warn() {
    let given = served().and_env(
        "CODER_AIBRIDGE_MAX_RETRIES=0\nCODER_AIBRIDGE_CIRCUIT_BREAKER_ENABLED=false\nCODER_PROMETHEUS_ENABLE=0",
    );
    assert_eq!(given.warnings(), [""; 0]);
}

#[test]
fn postgres_is_refused_rather_than_ignored() {
    let errors = served().and_flags("--postgres-url=postgres://user:canary@host/db").errors();
    assert_eq!(errors, ["--postgres-url: this version stores in SQLite only; unset it, and see DATA_DIR"]);
}

#[test]
fn of_several_keys_the_first_is_used() {
    let given = env("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\nCODER_AIBRIDGE_PROVIDER_0_KEYS=one,two");
    let keys: Vec<String> = given.config().providers[0].keys.iter().map(|key| key.expose().to_owned()).collect();
    assert_eq!(keys, ["one"]);
    assert_eq!(
        given.warnings(),
        [
            "CODER_AIBRIDGE_PROVIDER_0_KEYS: several keys for one instance are understood, but this version uses only the \
          first"
        ]
    );
}
