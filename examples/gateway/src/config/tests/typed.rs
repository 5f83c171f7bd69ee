use std::{path::Path, time::Duration};

use aibridge_tower::breaker::Policy;

use super::{env, flags};
use crate::config::{LogSink, RecordingPolicy, typed::authentication::OidcKey};

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = env("").config();
    let gateway = config.gateway;
    assert!(gateway.enabled && gateway.allow_byok);
    assert!(!gateway.structured_logging && !gateway.disable_content_recording);
    assert_eq!(gateway.retention, Some(Duration::from_secs(60 * 86_400)));
    assert_eq!(gateway.recording_policy, RecordingPolicy::Require);
    assert_eq!((gateway.max_concurrency, gateway.rate_limit), (None, None));
    assert_eq!((gateway.breaker, gateway.max_retries), (None, 0));
    assert_eq!(gateway.max_request_bytes, 64 << 20);
    let host = config.host;
    assert_eq!(host.http_address.to_string(), "127.0.0.1:3000");
    assert_eq!(host.access_url.as_str(), "http://127.0.0.1:3000/");
    assert_eq!(host.data_dir, Path::new("./data"));
    assert_eq!((host.log.human, host.log.json), (Some(LogSink::Stderr), None));
    assert_eq!(host.log.filter, "info");
    assert_eq!(host.shutdown_grace, Duration::from_secs(30));
    assert_eq!(host.tls, None);
    assert!(config.authentication.coder_url.is_none() && config.authentication.oidc.is_none());
}

#[test]
fn the_access_url_follows_the_address() {
    let url = |line: &str| flags(line).and_file("/pem", "PEM").config().host.access_url.to_string();
    assert_eq!(url("--http-address :8080"), "http://127.0.0.1:8080/");
    assert_eq!(url("--http-address [::]:80"), "http://[::1]/");
    assert_eq!(url("--http-address 10.0.0.1:443 --tls-cert-file /pem --tls-key-file /pem"), "https://10.0.0.1/");
    assert_eq!(url("--http-address :8080 --access-url https://ai.example"), "https://ai.example/");
}

#[test]
fn limits_of_zero_are_none() {
    let gateway = flags("--aibridge-max-concurrency 5 --aibridge-rate-limit 7").config().gateway;
    assert_eq!(gateway.max_concurrency.map(usize::from), Some(5));
    assert_eq!(gateway.rate_limit.map(u32::from), Some(7));
    let gateway = flags("--aibridge-max-concurrency 0 --aibridge-upstream-header-timeout 0").config().gateway;
    assert_eq!((gateway.max_concurrency, gateway.upstream_header_timeout), (None, None));
}

#[test]
fn the_circuit_breaker_is_on_when_it_is_enabled() {
    let breaker = |line: &str| flags(line).config().gateway.breaker;
    assert_eq!(breaker("--aibridge-circuit-breaker-enabled"), Some(Policy::default()));
    let own = Policy { failures: 2, interval: Duration::from_secs(60), open: Duration::from_secs(5), probes: 1 };
    let line = "--aibridge-circuit-breaker-failure-threshold 2 --aibridge-circuit-breaker-interval 1m \
                --aibridge-circuit-breaker-timeout 5s --aibridge-circuit-breaker-max-requests 1";
    assert_eq!(breaker(&format!("{line} --aibridge-circuit-breaker-enabled true")), Some(own));
    assert_eq!(breaker(line), None);
    assert_eq!(flags("--aibridge-max-retries 2").config().gateway.max_retries, 2);
}

#[test]
fn the_limits_of_tools_are_those_that_are_set() {
    let limits = |line: &str| {
        let gateway = flags(line).config().gateway;
        let limits = gateway.tool_limits;
        (gateway.tool_max_rounds, limits.call, limits.cold_start, limits.max_result, limits.idle)
    };
    let seconds = Duration::from_secs;
    assert_eq!(limits(""), (25, seconds(60), seconds(120), 1 << 20, seconds(15 * 60)));
    let line = "--aibridge-tool-max-rounds 2 --aibridge-tool-call-timeout 3s --aibridge-tool-connect-timeout 4s \
                --aibridge-tool-max-result-bytes 5";
    assert_eq!(limits(line), (2, seconds(3), seconds(4), 5, seconds(15 * 60)));
    let (_, call, connect, ..) = limits("--aibridge-tool-call-timeout 0 --aibridge-tool-connect-timeout 0");
    assert_eq!((call, connect), (seconds(86_400), seconds(86_400)), "without a limit a day is one");
}

#[test]
fn several_keys_are_a_pool_in_their_order() {
    let keys = |line: &str| {
        let config = env(line).config();
        config.providers[0].instance().keys.iter().map(|key| key.expose().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        keys("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\nCODER_AIBRIDGE_PROVIDER_0_KEYS=one,two,three"),
        ["one", "two", "three"]
    );
    assert_eq!(keys("CODER_AIBRIDGE_OPENAI_KEY=one,two"), ["one", "two"]);
}

#[test]
fn logs_go_to_standard_streams_or_files() {
    let log = flags("--log-human /dev/stdout --log-json /var/log/gateway.json").config().host.log;
    assert_eq!(log.human, Some(LogSink::Stdout));
    assert_eq!(log.json, Some(LogSink::File("/var/log/gateway.json".into())));
}

#[test]
fn a_log_filter_that_is_a_regular_expression_does_not_keep_a_deployment_from_starting() {
    let filter = |text: &str| env(&format!("CODER_LOG_FILTER={text}")).config().host.log.filter;
    assert_eq!(filter("info,aibridge_tower=debug"), "info,aibridge_tower=debug");
    assert_eq!(filter(".*"), "debug");
    assert_eq!(filter("aibridged.*=(x"), "info");
    let warnings = env("CODER_LOG_FILTER=aibridged.*=(x\nCODER_AIBRIDGE_OPENAI_KEY=k").warnings();
    assert_eq!(warnings, ["CODER_LOG_FILTER: is not a filter such as info,aibridge_tower=debug; `info` is used"]);
}

#[test]
fn the_issuer_is_kept_byte_for_byte_and_its_key_found() {
    let pem = rcgen::KeyPair::generate().expect("a key").public_key_pem();
    let secret = " 0123456789abcdef0123456789abcdef";
    let named = "CODER_OIDC_ISSUER_URL=https://issuer.example\nCODER_OIDC_CLIENT_ID=gateway\n";
    let with = |variable: &str| {
        let config = env(&format!("{named}{variable}")).and_file("/key", &pem).config();
        let oidc = config.authentication.oidc.expect("configured");
        assert_eq!((oidc.issuer.as_str(), oidc.audience.as_str()), ("https://issuer.example", "gateway"));
        assert_eq!(oidc.username_field, "preferred_username");
        oidc
    };
    assert!(matches!(with("").key, OidcKey::Discover));
    let jwks = with("CODER_OIDC_JWKS_URL=https://issuer.example/keys");
    assert!(matches!(&jwks.key, OidcKey::Jwks(url) if url.as_str() == "https://issuer.example/keys"));
    let file = with("CODER_OIDC_PUBLIC_KEY_FILE=/key");
    assert!(matches!(&file.key, OidcKey::Pem(text) if *text == pem));
    assert!(file.source().is_ok());
    let shared = with(&format!("CODER_OIDC_HMAC_SECRET={secret}"));
    assert!(matches!(&shared.key, OidcKey::Secret(text) if text.expose() == secret));
}
