//! Every start-up error about provider instances, in full: the option as it was spelt, and what to do.

use super::{env, flags, refused};

/// The variables of instances, without `CODER_AIBRIDGE_PROVIDER_`; what is reported likewise.
#[track_caller]
fn instances_refused(variables: &str, errors: &[&str]) {
    for prefix in ["CODER_AIBRIDGE_PROVIDER_", "CODER_AI_GATEWAY_PROVIDER_"] {
        let variables: String = variables.split_whitespace().map(|variable| format!("{prefix}{variable}\n")).collect();
        let errors: Vec<String> = errors.iter().map(|error| error.replace('%', prefix)).collect();
        assert_eq!(env(&variables).errors(), errors);
    }
}

#[test]
fn indices_start_at_zero_and_have_no_gap() {
    instances_refused("1_TYPE=openai", &["%1_TYPE: the first index is 1; number PROVIDER from 0"]);
    instances_refused(
        "0_TYPE=openai 2_TYPE=anthropic",
        &["%2_TYPE: index 2 follows index 0; number PROVIDER 0, 1, 2, ... without gaps"],
    );
    let nine: String = (0..9).map(|n| format!("{n}_TYPE=openai {n}_NAME=n{n} ")).collect();
    instances_refused(
        &format!("{nine} 10_TYPE=openai 10_NAME=n10"),
        &["%10_TYPE: index 10 follows index 8; number PROVIDER 0, 1, 2, ... without gaps"],
    );
}

#[test]
fn ten_sorts_after_nine() {
    let all: String = (0..=10)
        .map(|n| format!("CODER_AIBRIDGE_PROVIDER_{n}_TYPE=openai\nCODER_AIBRIDGE_PROVIDER_{n}_NAME=n{n}\n"))
        .collect();
    let names: Vec<String> = env(&all).config().providers.into_iter().map(|provider| provider.name).collect();
    assert_eq!(names, (0..=10).map(|n| format!("n{n}")).collect::<Vec<_>>());
}

#[test]
fn the_type_is_required_and_known() {
    const TYPES: &str = "openai, anthropic, copilot, bedrock, azure, google, openrouter, vercel, openai-compat";
    instances_refused("0_NAME=a", &[&format!("%0_TYPE: is missing; set it to one of {TYPES}")]);
    instances_refused(
        "0_TYPE=opnai",
        &[&format!("%0_TYPE: `opnai` is not known; use one of {TYPES}; did you mean openai?")],
    );
    instances_refused("0_TYPE=gemini", &[&format!("%0_TYPE: `gemini` is not known; use one of {TYPES}")]);
}

#[test]
fn names_fit_into_a_path() {
    for name in ["Upper", "-a", "a-", "a--b", "a_b", "a.b", "a/b", "ä"] {
        let error =
            format!("%0_NAME: `{name}` is not a name; use lower-case letters, digits and single hyphens between them");
        instances_refused(&format!("0_TYPE=openai 0_NAME={name}"), &[&error]);
    }
    for name in
        ["interceptions", "sessions", "models", "clients", "providers", "mcp", "proxy", "healthz", "readyz", "metrics"]
    {
        let error = format!("%0_NAME: `{name}` is reserved; choose another name");
        instances_refused(&format!("0_TYPE=openai 0_NAME={name}"), &[&error]);
    }
}

#[test]
fn no_two_instances_have_one_name() {
    instances_refused(
        "0_TYPE=openai 0_NAME=a 1_TYPE=anthropic 1_NAME=a",
        &["%0_NAME and %1_NAME: two instances are named `a`; set %1_NAME to another name"],
    );
    instances_refused(
        "0_TYPE=openai 1_TYPE=openai",
        &["%0_NAME and %1_NAME: two instances are named `openai` (the default, its type); set %1_NAME to another name"],
    );
    instances_refused(
        "0_TYPE=openai 1_TYPE=anthropic 1_NAME=openai",
        &["%0_NAME and %1_NAME: two instances are named `openai`; set %1_NAME to another name"],
    );
}

#[test]
fn a_legacy_variable_and_an_indexed_instance_do_not_share_a_name() {
    for (legacy, kind) in [
        ("OPENAI_KEY=k", "openai"),
        ("OPENAI_BASE_URL=https://h/", "openai"),
        ("ANTHROPIC_KEY=k", "anthropic"),
        ("BEDROCK_REGION=us-east-1", "anthropic"),
    ] {
        let variable = legacy.split('=').next().expect("NAME=value");
        refused(
            env(&format!("CODER_AIBRIDGE_{legacy}\nCODER_AIBRIDGE_PROVIDER_0_TYPE={kind}")),
            &[&format!(
                "CODER_AIBRIDGE_{variable} and CODER_AIBRIDGE_PROVIDER_0_NAME: both make an instance named `{kind}` \
                 (the default, its type); remove one, or set CODER_AIBRIDGE_PROVIDER_0_NAME to another name"
            )],
        );
    }
    refused(
        env(
            "CODER_AIBRIDGE_OPENAI_KEY=k\nCODER_AIBRIDGE_PROVIDER_0_TYPE=google\nCODER_AIBRIDGE_PROVIDER_0_NAME=openai",
        ),
        &[
            "CODER_AIBRIDGE_OPENAI_KEY and CODER_AIBRIDGE_PROVIDER_0_NAME: both make an instance named `openai`; remove \
           one, or set CODER_AIBRIDGE_PROVIDER_0_NAME to another name",
        ],
    );
}

#[test]
fn a_pool_of_keys_is_given_once_and_holds_no_key_twice() {
    instances_refused(
        "0_TYPE=openai 0_KEY=a 0_KEYS=b",
        &["%0_KEY and %0_KEYS: are both set; put all keys into one of them, separated by commas"],
    );
    instances_refused("0_TYPE=openai 0_KEYS=a,,b", &["%0_KEYS: key 2 of 3 is empty; remove it, or the comma"]);
    instances_refused("0_TYPE=openai 0_KEY=a,b,", &["%0_KEY: key 3 of 3 is empty; remove it, or the comma"]);
    instances_refused("0_TYPE=openai 0_KEYS=a,b,a", &["%0_KEYS: key 3 repeats key 1; remove one of them"]);
    let many = (0..101).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    instances_refused(&format!("0_TYPE=openai 0_KEYS={many}"), &["%0_KEYS: has 101 keys; use at most 100"]);
}

#[test]
fn bedrock_is_for_its_own_types_and_not_beside_a_key() {
    for kind in ["openai", "google", "openrouter", "vercel", "copilot"] {
        instances_refused(
            &format!("0_TYPE={kind} 0_BEDROCK_REGION=us-east-1 0_BEDROCK_MODEL=m"),
            &[&format!(
                "%0_BEDROCK_REGION and %0_BEDROCK_MODEL: only instances of type anthropic or bedrock have it, this is \
                 `{kind}`; remove it, or correct %0_TYPE"
            )],
        );
    }
    for kind in ["anthropic", "bedrock"] {
        instances_refused(
            &format!("0_TYPE={kind} 0_KEY=k 0_BEDROCK_REGION=us-east-1"),
            &[
                "%0_KEY and %0_BEDROCK_REGION: an instance has either a key or is on Amazon Bedrock; remove one or the other",
            ],
        );
    }
    instances_refused(
        "0_TYPE=bedrock 0_KEYS=k 0_BASE_URL=https://h/",
        &["%0_KEYS: requests to Amazon Bedrock are signed; remove it, and set %0_BEDROCK_ACCESS_KEY"],
    );
    instances_refused("0_TYPE=bedrock", &["%0_BEDROCK_REGION: is missing; set it, or %0_BEDROCK_BASE_URL"]);
    instances_refused(
        "0_TYPE=anthropic 0_BEDROCK_MODEL=m",
        &["%0_BEDROCK_REGION: is missing; set it, or %0_BEDROCK_BASE_URL"],
    );
    instances_refused(
        "0_TYPE=bedrock 0_BEDROCK_REGION=evil.example/?",
        &["%0_BEDROCK_REGION: `evil.example/?` is not an AWS region; use e.g. us-east-1"],
    );
    instances_refused(
        "0_TYPE=bedrock 0_BEDROCK_REGION=us-east-1 0_BEDROCK_PROTOCOL=mantel",
        &["%0_BEDROCK_PROTOCOL: `mantel` is not known; use one of invoke-model, mantle; did you mean mantle?"],
    );
}

#[test]
fn each_access_key_has_its_secret() {
    instances_refused(
        "0_TYPE=bedrock 0_BEDROCK_REGION=us-east-1 0_BEDROCK_ACCESS_KEYS=a,b 0_BEDROCK_ACCESS_KEY_SECRET=s",
        &[
            "%0_BEDROCK_ACCESS_KEYS and %0_BEDROCK_ACCESS_KEY_SECRET: differ in number (2 and 1); give each access key its \
           secret",
        ],
    );
    instances_refused(
        "0_TYPE=bedrock 0_BEDROCK_REGION=us-east-1 0_BEDROCK_ACCESS_KEY=a",
        &[
            "%0_BEDROCK_ACCESS_KEY and %0_BEDROCK_ACCESS_KEY_SECRET: differ in number (1 and 0); give each access key its \
           secret",
        ],
    );
    instances_refused(
        "0_TYPE=bedrock 0_BEDROCK_REGION=us-east-1 0_BEDROCK_ACCESS_KEY=a 0_BEDROCK_ACCESS_KEYS=b \
         0_BEDROCK_ACCESS_KEY_SECRET=s",
        &[
            "%0_BEDROCK_ACCESS_KEY and %0_BEDROCK_ACCESS_KEYS: are both set; put all keys into one of them, separated by \
           commas",
        ],
    );
    instances_refused(
        "0_TYPE=bedrock 0_BEDROCK_REGION=us-east-1 0_BEDROCK_ACCESS_KEY=a,b 0_BEDROCK_ACCESS_KEY_SECRET=s,",
        &["%0_BEDROCK_ACCESS_KEY_SECRET: key 2 of 2 is empty; remove it, or the comma"],
    );
    refused(
        env("CODER_AIBRIDGE_BEDROCK_REGION=us-east-1\nCODER_AIBRIDGE_BEDROCK_ACCESS_KEY=a"),
        &[
            "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY: needs CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET; set both, or neither for \
           the AWS credential chain",
        ],
    );
    refused(
        flags("--aibridge-bedrock-region us-east-1 --aibridge-bedrock-access-key-secret s"),
        &[
            "--aibridge-bedrock-access-key-secret: needs CODER_AIBRIDGE_BEDROCK_ACCESS_KEY; set both, or neither for the \
           AWS credential chain",
        ],
    );
    refused(
        env("CODER_AIBRIDGE_BEDROCK_REGION=us-east-1\nCODER_AIBRIDGE_BEDROCK_ACCESS_KEY=a,b\n\
             CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET=s"),
        &[
            "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY and CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET: differ in number (2 and 1); \
           give each access key its secret",
        ],
    );
    refused(
        env("CODER_AIBRIDGE_BEDROCK_ACCESS_KEY=a\nCODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET=s"),
        &["CODER_AIBRIDGE_BEDROCK_ACCESS_KEY: has no region; set CODER_AIBRIDGE_BEDROCK_REGION or \
           CODER_AIBRIDGE_BEDROCK_BASE_URL"],
    );
}

#[test]
fn copilot_has_no_key() {
    for field in ["KEY", "KEYS"] {
        instances_refused(
            &format!("0_TYPE=copilot 0_{field}=k"),
            &[&format!("%0_{field}: instances of type copilot have no key, their users bring their own; remove it")],
        );
    }
}

#[test]
fn base_urls_are_plain_http_urls() {
    for (url, why) in [
        ("ftp://h/", "must start with http:// or https://"),
        ("https://", "is not a URL"),
        ("https://h/?key=canary", "must not have a query or a fragment"),
        ("https://h/#canary", "must not have a query or a fragment"),
        ("https://user:canary@h/", "must not carry credentials"),
    ] {
        let error = format!("BASE_URL: {why}; use e.g. https://host/path");
        instances_refused(&format!("0_TYPE=openai 0_BASE_URL={url}"), &[&format!("%0_{error}")]);
        instances_refused(&format!("0_TYPE=bedrock 0_BEDROCK_BASE_URL={url}"), &[&format!("%0_BEDROCK_{error}")]);
        for name in ["OPENAI", "ANTHROPIC", "BEDROCK"] {
            let error = format!("CODER_AIBRIDGE_{name}_{error}");
            refused(env(&format!("CODER_AIBRIDGE_{name}_BASE_URL={url}")), &[&error]);
        }
    }
    for kind in ["azure", "openai-compat"] {
        instances_refused(
            &format!("0_TYPE={kind} 0_KEY=k"),
            &[&format!("%0_BASE_URL: is missing, and type `{kind}` has no default; set it to the provider's URL")],
        );
    }
}

#[test]
fn patterns_are_regular_expressions() {
    for field in ["MODELS_ALLOW", "MODELS_DENY"] {
        instances_refused(
            &format!("0_TYPE=openai 0_{field}=(gpt"),
            &[&format!("%0_{field}: is not a regular expression (unclosed group); correct it")],
        );
    }
}
