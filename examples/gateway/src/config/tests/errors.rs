//! Every other start-up error, in full: the option as it was spelt, and what to do.

use super::{env, flags, refused, yaml};

#[test]
fn the_old_and_the_new_name_do_not_disagree() {
    refused(
        env("CODER_AIBRIDGE_RETENTION=30d\nCODER_AI_GATEWAY_RETENTION=60d"),
        &["CODER_AIBRIDGE_RETENTION and CODER_AI_GATEWAY_RETENTION: are two names of one option and have different \
           values; remove one"],
    );
    refused(
        flags("--aibridge-retention=30d --ai-gateway-retention 60d"),
        &["--aibridge-retention and --ai-gateway-retention: are two names of one option and have different values; \
           remove one"],
    );
    refused(
        yaml("aibridge:\n  retention: 30d\nai_gateway:\n  retention: 60d\n"),
        &["aibridge.retention (line 2) and ai_gateway.retention (line 4): are two names of one option and have \
           different values; remove one"],
    );
    refused(
        env("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\nCODER_AI_GATEWAY_PROVIDER_0_TYPE=anthropic"),
        &["CODER_AIBRIDGE_PROVIDER_0_TYPE and CODER_AI_GATEWAY_PROVIDER_0_TYPE: are two names of one option and have \
           different values; remove one"],
    );
    refused(
        yaml("aibridge:\n  providers: [{type: openai}]\nai_gateway:\n  providers: [{type: google}]\n"),
        &["aibridge.providers and ai_gateway.providers: are two names of one list; put all elements into one of them"],
    );
}

#[test]
fn a_secret_is_given_as_a_value_or_as_a_file() {
    refused(
        env("CODER_AIBRIDGE_OPENAI_KEY=k\nCODER_AIBRIDGE_OPENAI_KEY_FILE=/key").and_file("/key", "k"),
        &["CODER_AIBRIDGE_OPENAI_KEY and CODER_AIBRIDGE_OPENAI_KEY_FILE: are both set; remove one: the value, or the \
           file it is in"],
    );
    refused(
        env("CODER_AIBRIDGE_OPENAI_KEY_FILE=/canary"),
        &["CODER_AIBRIDGE_OPENAI_KEY_FILE: the file cannot be read (entity not found); give the path of a file"],
    );
    refused(
        flags("--aibridge-openai-key-file /key").and_file("/key", "\n"),
        &["--aibridge-openai-key-file: the file is empty; put the secret into it"],
    );
}

#[test]
fn values_are_of_their_kind() {
    let cases = [
        ("CODER_AIBRIDGE_ENABLED=maybe", "`maybe` is neither yes nor no; use true or false"),
        (
            "CODER_AIBRIDGE_RETENTION=90",
            "`90` is not a duration; use a number with a unit, such as 10s, 30m, 12h, 90d or 2w",
        ),
        ("CODER_AIBRIDGE_MAX_REQUEST_BYTES=64X", "`64X` is not a number of bytes; use e.g. 67108864, 64MiB or 64MB"),
        ("CODER_AIBRIDGE_MAX_CONCURRENCY=-1", "`-1` is not a whole number from 0 to 4294967295"),
        ("CODER_AIBRIDGE_MAX_RETRIES=11", "`11` is not a whole number from 0 to 10"),
        ("CODER_AIBRIDGE_CIRCUIT_BREAKER_MAX_REQUESTS=0", "`0` is not a whole number from 1 to 4294967295"),
        (
            "CODER_AIBRIDGE_RECORDING_POLICY=best_effort",
            "`best_effort` is not known; use one of require, best-effort; did you mean best-effort?",
        ),
        (
            "CODER_HTTP_ADDRESS=example.com:3000",
            "`example.com:3000` is not an address to listen on; use e.g. 127.0.0.1:3000, [::1]:3000, localhost:3000 or \
             :3000",
        ),
        ("CODER_ACCESS_URL=gateway.example.com", "is not a URL; use e.g. https://host/path"),
        (
            "CODER_URL=https://coder.example.com/?x=1",
            "must not have a query or a fragment; remove what follows the ? or #",
        ),
        ("CODER_AIBRIDGE_ACTOR_HEADER_ID=a b", "`a b` is not a header name; use letters, digits and hyphens"),
        ("CODER_AIBRIDGE_OPENAI_KEY=a b", "key 1 of 1 has blanks or control characters in it; remove them"),
    ];
    for (variable, problem) in cases {
        let name = variable.split('=').next().expect("NAME=value");
        refused(env(variable), &[&format!("{name}: {problem}")]);
    }
    refused(
        flags("--aibridge-retention="),
        &["--aibridge-retention: is empty; give it a value, or leave it out for the default"],
    );
}

#[test]
fn files_that_are_needed_later_can_be_read_now() {
    refused(
        env("CODER_TLS_CERT_FILE=/cert\nCODER_TLS_KEY_FILE=/key").and_file("/cert", "PEM"),
        &["CODER_TLS_KEY_FILE: /key cannot be read (entity not found); give the path of a readable file"],
    );
    refused(
        env("CODER_TLS_CERT_FILE=/cert").and_file("/cert", "PEM"),
        &["CODER_TLS_CERT_FILE: needs CODER_TLS_KEY_FILE beside it; set both, or neither for plain HTTP"],
    );
    refused(
        flags("--tls-key-file /key").and_file("/key", "PEM"),
        &["--tls-key-file: needs CODER_TLS_CERT_FILE beside it; set both, or neither for plain HTTP"],
    );
    refused(
        flags("--config /nowhere.yaml"),
        &["--config: /nowhere.yaml cannot be read (entity not found); give the path of a readable file"],
    );
}

#[test]
fn jwts_need_issuer_and_audience_and_one_key() {
    refused(
        env("CODER_OIDC_JWKS_URL=https://issuer/keys"),
        &[
            "CODER_OIDC_JWKS_URL: needs CODER_OIDC_ISSUER_URL beside it; set it to the `iss` of the tokens",
            "CODER_OIDC_JWKS_URL: needs CODER_OIDC_CLIENT_ID beside it; set it to the `aud` of the tokens",
        ],
    );
    refused(
        flags("--oidc-issuer-url https://issuer"),
        &["--oidc-issuer-url: needs CODER_OIDC_CLIENT_ID beside it; set it to the `aud` of the tokens"],
    );
    let named = "CODER_OIDC_ISSUER_URL=https://issuer\nCODER_OIDC_CLIENT_ID=id\n";
    refused(
        env(&format!("{named}CODER_OIDC_JWKS_URL=https://issuer/keys\nCODER_OIDC_PUBLIC_KEY_FILE=/key")),
        &["CODER_OIDC_JWKS_URL and CODER_OIDC_PUBLIC_KEY_FILE: each say which key the issuer has; keep one of them"],
    );
    refused(
        env(&format!("{named}CODER_OIDC_PUBLIC_KEY_FILE=/key")).and_file("/key", "text"),
        &["CODER_OIDC_PUBLIC_KEY_FILE: not the PEM of an RSA, P-256, P-384 or Ed25519 public key; use another key"],
    );
    refused(
        env(&format!("{named}CODER_OIDC_PUBLIC_KEY_FILE=/key")),
        &["CODER_OIDC_PUBLIC_KEY_FILE: /key cannot be read (entity not found); give the path of a readable file"],
    );
    refused(
        env(&format!("{named}CODER_OIDC_HMAC_SECRET=canary")),
        &["CODER_OIDC_HMAC_SECRET: the shared secret is shorter than 32 bytes; use another key"],
    );
}

#[test]
fn actor_headers_have_names_of_their_own() {
    for name in
        ["Authorization", "X-Api-Key", "Cookie", "Host", "X-Forwarded-For", "Proxy-Authorization", "X-Coder-Token"]
    {
        refused(
            env(&format!("CODER_AIBRIDGE_ACTOR_HEADER_ID={name}")),
            &[&format!(
                "CODER_AIBRIDGE_ACTOR_HEADER_ID: `{}` has a meaning of its own; choose another name",
                name.to_ascii_lowercase()
            )],
        );
    }
    refused(
        env("CODER_AIBRIDGE_ACTOR_HEADER_EMAIL=X-AI-Bridge-Actor-Mail"),
        &["CODER_AIBRIDGE_ACTOR_HEADER_EMAIL: names that begin with `x-ai-bridge-actor` are reserved for \
           x-ai-bridge-actor-id and x-ai-bridge-actor-metadata-username"],
    );
    refused(
        env("CODER_AIBRIDGE_ACTOR_HEADER_ID=X-User\nCODER_AIBRIDGE_ACTOR_HEADER_EMAIL=x-user"),
        &["CODER_AIBRIDGE_ACTOR_HEADER_EMAIL: `x-user` is the name of ACTOR_HEADER_ID as well; choose another name"],
    );
    refused(
        env("CODER_AIBRIDGE_ACTOR_HEADER_ID=x-ai-bridge-actor-metadata-username"),
        &[
            "CODER_AIBRIDGE_ACTOR_HEADER_ID: `x-ai-bridge-actor-metadata-username` is the name of ACTOR_HEADER_USERNAME as \
           well; choose another name",
        ],
    );
}

#[test]
fn flags_are_known_and_have_their_value() {
    refused(
        flags("--aibridge-retension 90d"),
        &["--aibridge-retension: is not a known flag; did you mean --aibridge-retention?"],
    );
    refused(flags("--telemetry=false"), &["--telemetry: is not a known flag; see --help for the flags there are"]);
    refused(flags("--http-address"), &["--http-address: has no value; write --http-address=<address:port>"]);
    refused(
        flags("--http-address --aibridge-enabled"),
        &["--http-address: has no value; write --http-address=<address:port>"],
    );
    refused(
        flags("--aibridge-enabled canary"),
        &["argument 2: is not expected; flags begin with --, and see --help for the commands there are"],
    );
}

#[test]
fn yaml_mistakes_are_placed_and_not_quoted() {
    refused(
        yaml("aibridge:\n  openai_key: canary\n  openai_key: canary\n"),
        &["/config.yaml (line 3, column 3): is not valid YAML: the key `openai_key` is there twice; remove one"],
    );
    refused(
        yaml("aibridge:\n  openai_key: *canary\n"),
        &["/config.yaml (line 2, column 15): is not valid YAML: a value that begins with * must be in quotes"],
    );
    refused(
        yaml("aibridge:\n  openai_key: !canary\n"),
        &["/config.yaml (line 2, column 22): is not valid YAML: a value that begins with ! must be in quotes"],
    );
    let errors = yaml("aibridge:\n  openai_key: \"canary\n").errors();
    assert!(errors.len() == 1 && errors[0].starts_with("/config.yaml (line "), "{errors:?}");
    refused(
        yaml("aibridge:\n  openai_key: 0123\n  anthropic_key: yes\n  providers: 3\n  retention: {a: b}\n"),
        &[
            "aibridge.openai_key (line 2): reads as a number in YAML; put it in quotes",
            "aibridge.providers (line 4): must be a list; begin each element with a hyphen",
            "aibridge.retention (line 5): must be a single value",
        ],
    );
    refused(yaml("aibridge: 3\n"), &["aibridge (line 1): must be a mapping; write `name: value` in each line"]);
    refused(yaml("- a\n"), &["the file (line 1): must be a mapping; write `name: value` in each line"]);
    refused(
        yaml("aibridge:\n  providers:\n    - type: openai\n    - {}\n    - name: a\n"),
        &[
            "aibridge.providers[1] (line 4): is empty; give it its fields, or remove it",
            "aibridge.providers[2].type: is missing; set it to one of openai, anthropic, copilot, bedrock, azure, \
             google, openrouter, vercel, openai-compat",
        ],
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let errors = env("CODER_AIBRIDGE_ENABLED=maybe\nCODER_HTTP_ADDRESS=nowhere\nCODER_AIBRIDGE_PROVIDER_0_NAME=Bad\n\
                      CODER_AIBRIDGE_PROVIDER_2_TYPE=opnai\nCODER_TLS_CERT_FILE=/gone\nCODER_PG_CONNECTION_URL=postgres://h/d")
    .and_yaml("aibridge:\n  retention: soon\n")
    .and_flags("--aibridge-rate-limit=many --no-such-flag")
    .errors();
    for option in [
        "CODER_AIBRIDGE_ENABLED",
        "CODER_HTTP_ADDRESS",
        "CODER_AIBRIDGE_PROVIDER_0_NAME",
        "CODER_AIBRIDGE_PROVIDER_0_TYPE",
        "CODER_AIBRIDGE_PROVIDER_2_TYPE",
        "CODER_TLS_CERT_FILE",
        "CODER_PG_CONNECTION_URL",
        "aibridge.retention (line 2)",
        "--aibridge-rate-limit",
        "--no-such-flag",
    ] {
        assert!(errors.iter().any(|error| error.starts_with(&format!("{option}: "))), "{option} is not in {errors:#?}");
    }
}
