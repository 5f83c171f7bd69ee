//! Every option in every spelling, from the table.

use super::{Given, env, flags, yaml};
use crate::config::{
    definition::{Definition, Kind},
    table::{FAMILIES, OPTIONS, PROVIDER},
};

/// A value that is not the option's default.
fn sample(option: &Definition) -> &'static str {
    match option.kind {
        Kind::Switch if option.default == "true" => "false",
        Kind::Switch => "true",
        Kind::Duration => "77m",
        Kind::Bytes => "77MiB",
        Kind::Count(..) => "7",
        Kind::Secret | Kind::Keys => "sample-secret-with-some-length-to-it",
        Kind::Text | Kind::Path => "/sample",
        Kind::Url | Kind::Endpoint | Kind::BaseUrl => "https://sample.example/",
        Kind::Words(_) => "sample",
        Kind::Address => "127.0.0.7:7",
        Kind::Choice(words) => words.last().expect("a choice has words"),
        Kind::HeaderName => "X-Sample",
        Kind::Pattern => "sample",
        Kind::Region => "eu-west-7",
    }
}

/// The value that is understood, as `Debug` has it, and how many options differ from their default.
fn understood(given: &Given, option: &Definition) -> (String, usize) {
    let read_file = |path: &std::path::Path| match path.to_str().and_then(|path| given.files.get(path)) {
        Some(content) => Ok(content.clone()),
        None => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    let mut report = crate::config::Report::default();
    let mut all = crate::config::source::flags(&given.arguments, &mut report);
    all.extend(crate::config::source::environment(given.environment.clone(), &mut report));
    let in_file = crate::config::file(&all, &read_file, &mut report);
    all.extend(in_file);
    let settings = crate::config::resolve::resolve(&all, &read_file, &mut report);
    assert!(report.errors.is_empty() && report.warnings.is_empty(), "{}: {report:?}", option.name);
    let differing =
        settings.options.iter().filter(|setting| setting.differs() && setting.definition.name != "CONFIG_PATH");
    let setting = settings.option(option.name);
    let value = match (settings.secret(option.name), settings.keys(option.name)) {
        (Some(secret), _) => secret.expose().to_owned(),
        (_, [key]) => key.expose().to_owned(),
        _ => format!("{:?}", setting.value),
    };
    (value, differing.count())
}

fn nested(path: &str, value: &str) -> String {
    let keys: Vec<&str> = path.split('.').collect();
    let mut text = String::new();
    for (depth, key) in keys.iter().enumerate() {
        let value = if depth + 1 == keys.len() { format!(" {value}") } else { String::new() };
        text.push_str(&format!("{}{key}:{value}\n", "  ".repeat(depth)));
    }
    text
}

#[test]
fn every_option_means_the_same_in_every_spelling() {
    for option in OPTIONS.iter().filter(|option| option.name != "CONFIG_PATH") {
        let value = sample(option);
        let mut ways: Vec<(String, Given)> = Vec::new();
        for variable in option.variables() {
            ways.push((variable.clone(), env(&format!("{variable}={value}"))));
        }
        let also = |flag: bool| {
            option.also.iter().filter(move |also| also.starts_with("--") == flag).map(|&also| also.to_owned())
        };
        for flag in option.flags().into_iter().chain(also(true)) {
            ways.push((flag.clone(), flags(&format!("{flag} {value}"))));
            ways.push((format!("{flag}="), flags(&format!("{flag}={value}"))));
            if option.kind == Kind::Switch && value == "true" {
                ways.push((format!("bare {flag}"), flags(&flag)));
            }
        }
        for path in option.yaml_paths().into_iter().chain(also(false)) {
            ways.push((path.clone(), yaml(&nested(&path, value))));
            let hyphens = path.replace('_', "-");
            ways.push((hyphens.clone(), yaml(&nested(&hyphens, value))));
        }
        let expected = understood(&ways[0].1, option);
        assert_eq!(expected.1, 1, "{}", option.name);
        for (spelling, given) in ways {
            assert_eq!(understood(&given, option), expected, "{spelling}");
        }
    }
}

#[test]
fn every_secret_can_be_a_file_in_every_spelling() {
    for option in OPTIONS.iter().filter(|option| option.kind.is_secret()) {
        let mut ways = Vec::new();
        ways.extend(option.variables().iter().map(|variable| env(&format!("{variable}_FILE=/secret"))));
        ways.extend(option.flags().iter().map(|flag| flags(&format!("{flag}-file /secret"))));
        ways.extend(option.yaml_paths().iter().map(|path| yaml(&nested(&format!("{path}_file"), "/secret"))));
        for given in ways {
            for content in ["sample-secret", "sample-secret\n", "sample-secret\r\n"] {
                let given = given.clone().and_file("/secret", content);
                assert_eq!(understood(&given, option), ("sample-secret".to_owned(), 1), "{}", option.name);
            }
        }
    }
}

#[test]
fn every_field_of_an_instance_is_known_in_every_spelling() {
    for family in FAMILIES {
        for field in family.fields {
            let value = sample(field);
            for (prefix, group) in family.scope.prefixes().iter().zip(family.scope.yaml_prefixes()) {
                let variable = format!("{prefix}{}_0_{}", family.name, field.name);
                let flag = crate::config::definition::flag_of(&variable);
                let list = nested(
                    &format!("{group}{}", family.list),
                    &format!("[{{{}: \"{value}\"}}]", field.name.to_ascii_lowercase()),
                );
                for given in [env(&format!("{variable}={value}")), flags(&format!("{flag}={value}")), yaml(&list)] {
                    // Alone the field is not enough; but it is understood.
                    let texts = match given.load() {
                        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
                        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    };
                    assert!(
                        texts.iter().all(|text| !text.contains("not known") && !text.contains("flag")),
                        "{texts:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_list_of_instances_means_the_same_as_indexed_variables() {
    let listed = yaml(
        "ai_gateway:\n  providers:\n    - type: openai\n      name: corp\n      keys: [key-one, key-two]\n      base-url: \
         https://llm.example/v1\n      models_allow: ^gpt\n    - type: anthropic\n      key: key-three\n",
    );
    let indexed = env("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\nCODER_AIBRIDGE_PROVIDER_0_NAME=corp\n\
         CODER_AIBRIDGE_PROVIDER_0_KEYS=key-one,key-two\nCODER_AIBRIDGE_PROVIDER_0_BASE_URL=https://llm.example/v1\n\
         CODER_AIBRIDGE_PROVIDER_0_MODELS_ALLOW=^gpt\nCODER_AIBRIDGE_PROVIDER_1_TYPE=anthropic\n\
         CODER_AIBRIDGE_PROVIDER_1_KEY=key-three");
    let flagged = flags(
        "--aibridge-provider-0-type openai --aibridge-provider-0-name corp --aibridge-provider-0-keys key-one,key-two \
         --aibridge-provider-0-base-url https://llm.example/v1 --aibridge-provider-0-models-allow ^gpt \
         --aibridge-provider-1-type anthropic --aibridge-provider-1-key key-three",
    );
    let seen = |given: &Given| {
        let providers = given.config().providers;
        let keys: Vec<String> = providers.iter().flat_map(|of| &of.keys).map(|key| key.expose().to_owned()).collect();
        format!("{providers:?} {keys:?}")
    };
    assert_eq!(seen(&listed), seen(&indexed));
    assert_eq!(seen(&listed), seen(&flagged));
    assert!(PROVIDER.fields.iter().any(|field| field.name == "MODELS_ALLOW"));
}

#[test]
fn switches_take_every_spelling_of_yes_and_no() {
    for (yes, no) in [("true", "false"), ("1", "0"), ("yes", "no"), ("on", "off")] {
        for (word, expected) in [(yes, true), (no, false)] {
            for given in [
                flags(&format!("--aibridge-structured-logging {word}")),
                flags(&format!("--aibridge-structured-logging={word}")),
                env(&format!("CODER_AIBRIDGE_STRUCTURED_LOGGING={word}")),
                yaml(&format!("aibridge:\n  structured_logging: {word}\n")),
            ] {
                assert_eq!(given.config().gateway.structured_logging, expected, "{word}");
            }
        }
    }
}

#[test]
fn unknown_variables_and_keys_warn_and_suggest() {
    let warnings =
        env("CODER_AIBRIDGE_RETENSION=1d\nCODER_AIBRIDGE_PROXY_ENABLED=true\nCODER_AIBRIDGE_PROVIDER_0_TYPE=openai\n\
         CODER_AIBRIDGE_PROVIDER_0_KYE=k\nCODER_EXTERNAL_AUTH_0_DEVICE_FLOW=true\nCODER_TELEMETRY=false\nPATH=/bin")
        .and_yaml("retention: 90d\naibridge:\n  retension: 1d\nnetworking:\n  wildcardAccessURL: x\nhttp_adress: x\n")
        .warnings();
    assert_eq!(
        warnings,
        [
            "CODER_AIBRIDGE_PROVIDER_0_KYE: is not known and has no effect; did you mean CODER_AIBRIDGE_PROVIDER_0_KEY?",
            "CODER_AIBRIDGE_PROXY_ENABLED: is not known and has no effect",
            "CODER_AIBRIDGE_RETENSION: is not known and has no effect; did you mean CODER_AIBRIDGE_RETENTION?",
            "CODER_EXTERNAL_AUTH_0_DEVICE_FLOW: is not known and has no effect",
            "retention (line 1): is not known and has no effect; did you mean aibridge.retention?",
            "aibridge.retension (line 3): is not known and has no effect; did you mean aibridge.retention?",
            "networking.wildcardAccessURL (line 5): is not known and has no effect",
            "http_adress (line 6): is not known and has no effect; did you mean http_address?",
        ]
    );
}
