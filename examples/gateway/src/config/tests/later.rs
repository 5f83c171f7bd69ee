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
    let given = served().and_env("CODER_AIBRIDGE_SEND_ACTOR_HEADERS=false\nCODER_PROMETHEUS_ENABLE=0");
    assert_eq!(given.warnings(), [""; 0]);
}

#[test]
fn postgres_is_refused_rather_than_ignored() {
    let errors = served().and_flags("--postgres-url=postgres://user:canary@host/db").errors();
    assert_eq!(errors, ["--postgres-url: this version stores in SQLite only; unset it, and see DATA_DIR"]);
}
