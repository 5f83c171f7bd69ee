//! The examples of the documentation that deployments follow today: they start unchanged, and mean what it says.

use aibridge_providers::provider::Kind;

use super::{env, flags, yaml};

#[test]
fn activation() {
    for given in [env("CODER_AIBRIDGE_ENABLED=true"), flags("--aibridge-enabled=true")] {
        assert!(given.config().gateway.enabled);
    }
}

#[test]
fn data_retention() {
    for given in [flags("--aibridge-retention=90d"), yaml("aibridge:\n  retention: 90d\n")] {
        assert_eq!(given.config().gateway.retention.map(|retention| retention.as_secs()), Some(90 * 86_400));
    }
}

#[test]
fn structured_logging() {
    for given in [flags("--aibridge-structured-logging=true"), yaml("aibridge:\n  structured_logging: true\n")] {
        assert!(given.config().gateway.structured_logging);
    }
}

#[test]
fn one_provider_of_each_kind() {
    let given = env("CODER_AIBRIDGE_OPENAI_KEY=sk-one\nCODER_AIBRIDGE_OPENAI_BASE_URL=https://litellm.example.com/\n\
         CODER_AIBRIDGE_ANTHROPIC_KEY=sk-ant-two");
    let providers = given.config().providers;
    let seen: Vec<_> = providers.iter().map(|of| (of.name.as_str(), of.kind, of.base_url.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("openai", Kind::OpenAi, "https://litellm.example.com/"),
            ("anthropic", Kind::Anthropic, "https://api.anthropic.com/")
        ]
    );
}

#[test]
fn bedrock() {
    let given =
        env("CODER_AIBRIDGE_BEDROCK_REGION=us-east-1\nCODER_AIBRIDGE_BEDROCK_ACCESS_KEY=AKIAIOSFODNN7EXAMPLE\n\
         CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let providers = given.config().providers;
    assert_eq!((providers[0].name.as_str(), providers[0].kind), ("anthropic", Kind::Bedrock));
    assert_eq!(providers[0].base_url.as_str(), "https://bedrock-runtime.us-east-1.amazonaws.com/");
    assert_eq!(providers[0].bedrock.as_ref().map(|bedrock| bedrock.credentials.len()), Some(1));
}

#[test]
fn several_instances_of_one_type() {
    let given = env("CODER_AIBRIDGE_PROVIDER_0_TYPE=anthropic
         CODER_AIBRIDGE_PROVIDER_0_NAME=anthropic-corp
         CODER_AIBRIDGE_PROVIDER_0_KEY=sk-ant-corp-xxx
         CODER_AIBRIDGE_PROVIDER_0_BASE_URL=https://llm-proxy.internal.example.com/anthropic
         CODER_AIBRIDGE_PROVIDER_1_TYPE=anthropic
         CODER_AIBRIDGE_PROVIDER_1_NAME=anthropic-direct
         CODER_AIBRIDGE_PROVIDER_1_KEY=sk-ant-direct-yyy
         CODER_AIBRIDGE_PROVIDER_2_TYPE=openai
         CODER_AIBRIDGE_PROVIDER_2_NAME=azure-openai
         CODER_AIBRIDGE_PROVIDER_2_KEY=azure-key-zzz
         CODER_AIBRIDGE_PROVIDER_2_BASE_URL=https://my-deployment.openai.azure.com/
         CODER_AIBRIDGE_PROVIDER_3_TYPE=anthropic
         CODER_AIBRIDGE_PROVIDER_3_NAME=anthropic-bedrock
         CODER_AIBRIDGE_PROVIDER_3_BEDROCK_REGION=us-west-2
         CODER_AIBRIDGE_PROVIDER_3_BEDROCK_ACCESS_KEY=AKIAIOSFODNN7EXAMPLE
         CODER_AIBRIDGE_PROVIDER_3_BEDROCK_ACCESS_KEY_SECRET=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let providers = given.config().providers;
    let seen: Vec<_> = providers.iter().map(|of| (of.name.as_str(), of.kind, of.bedrock.is_some())).collect();
    assert_eq!(
        seen,
        [
            ("anthropic-corp", Kind::Anthropic, false),
            ("anthropic-direct", Kind::Anthropic, false),
            ("azure-openai", Kind::OpenAi, false),
            ("anthropic-bedrock", Kind::Bedrock, true),
        ]
    );
    assert_eq!(providers[0].base_url.as_str(), "https://llm-proxy.internal.example.com/anthropic");
}

#[test]
fn external_authentication_with_tools() {
    let given = env("CODER_EXTERNAL_AUTH_0_TYPE=github
         CODER_EXTERNAL_AUTH_0_CLIENT_ID=id
         CODER_EXTERNAL_AUTH_0_CLIENT_SECRET=secret
         CODER_EXTERNAL_AUTH_0_MCP_URL=https://api.githubcopilot.com/mcp/
         CODER_EXTERNAL_AUTH_0_MCP_TOOL_ALLOW_REGEX=(.+_gist.*)
         CODER_EXTERNAL_AUTH_0_MCP_TOOL_DENY_REGEX=(create_gist)
         CODER_AIBRIDGE_OPENAI_KEY=k");
    let given = given.and_env("CODER_ACCESS_URL=https://ai.example.com");
    let warnings = given.warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY: is not set"));
    let key = "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    assert_eq!(given.clone().and_env(key).warnings(), [""; 0]);
    let applications = given.config().mcp.applications;
    let [github] = applications.as_slice() else { panic!("{applications:?}") };
    assert_eq!((github.id.as_str(), github.mcp_url.as_str()), ("github", "https://api.githubcopilot.com/mcp/"));
    assert_eq!(github.token_url.as_str(), "https://github.com/login/oauth/access_token");
    let given = ["list_gists", "update_gist", "create_gist", "merge"].map(|tool| github.rules.permit(tool));
    assert_eq!(given, [true, true, false, false]);
}

#[test]
fn coder_s_own_tools_by_its_experiments() {
    let given = env("CODER_EXPERIMENTS=oauth2,mcp-server-http\nCODER_AIBRIDGE_OPENAI_KEY=k");
    let warned = "CODER_EXPERIMENTS: has no effect without a Coder deployment; set CODER_URL to its URL";
    assert_eq!(given.warnings(), [warned]);
    assert!(given.config().mcp.coder.is_none());
}

#[test]
fn yaml_that_lost_its_indentation_starts_and_says_where_the_key_belongs() {
    let given = yaml("aibridge:\nretention: 90d\n").and_env("CODER_AIBRIDGE_OPENAI_KEY=k");
    assert_eq!(
        given.warnings(),
        ["retention (line 2): is not known and has no effect; did you mean aibridge.retention?"]
    );
}

#[test]
fn the_yaml_of_a_coder_deployment_names_the_host_s_options_as_coder_does() {
    let given = yaml(
        "networking:\n  accessURL: https://dev.coder.example\n  http:\n    httpAddress: 0.0.0.0:80\nintrospection:\n  \
         logging:\n    humanPath: /dev/stdout\n    filter: [.*]\n",
    );
    let host = given.config().host;
    assert_eq!(host.access_url.as_str(), "https://dev.coder.example/");
    assert_eq!(host.http_address.to_string(), "0.0.0.0:80");
    assert_eq!(host.log.human, Some(crate::config::LogSink::Stdout));
    assert_eq!(host.log.filter, "debug");
}

#[test]
fn a_file_that_coder_wrote_spells_out_defaults_which_make_no_instance() {
    let given = yaml(
        "aibridge:\n  enabled: true\n  openai_base_url: https://api.openai.com/v1/\n  anthropic_base_url: \
         https://api.anthropic.com/\n  bedrock_base_url: \"\"\n  bedrock_region: \"\"\n  bedrock_model: \
         global.anthropic.claude-sonnet-4-5-20250929-v1:0\n  bedrock_small_fast_model: \
         global.anthropic.claude-haiku-4-5-20251001-v1:0\n  inject_coder_mcp_tools: false\n  retention: 1440h0m0s\n  \
         circuit_breaker_interval: 10s\nnetworking:\n  accessURL: null\n  tls:\n    certFiles: []\n    keyFiles: \
         []\nintrospection:\n  prometheus:\n    enable: false\n    address: 127.0.0.1:2112\n  logging:\n    filter: []\n    \
         humanPath: /dev/stderr\n    jsonPath: \"\"\n",
    )
    .and_env("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\nCODER_AIBRIDGE_PROVIDER_1_TYPE=anthropic");
    let config = given.config();
    assert_eq!(given.warnings(), [""; 0]);
    let names: Vec<&str> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["openai", "anthropic"]);
    assert_eq!(config.gateway.retention.map(|retention| retention.as_secs()), Some(60 * 86_400));
}
