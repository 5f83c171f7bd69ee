//! Every option there is, as data: the spellings, `--help`, look-up and `check` are derived from these rows.

use super::definition::{Definition, Family, Group, Kind, Scope};

const ANY: u64 = u32::MAX as u64;

/// The options that are given once.
pub(crate) static OPTIONS: &[Definition] = &[
    single("OPENAI_BASE_URL", Kind::BaseUrl, "https://api.openai.com/v1/", "base URL of the instance `openai`"),
    single("OPENAI_KEY", Kind::Keys, "", "key of the instance `openai`"),
    single("ANTHROPIC_BASE_URL", Kind::BaseUrl, "https://api.anthropic.com/", "base URL of the instance `anthropic`"),
    single("ANTHROPIC_KEY", Kind::Keys, "", "key of the instance `anthropic`"),
    single("BEDROCK_REGION", Kind::Region, "", "makes `anthropic` an Amazon Bedrock instance in this region"),
    single("BEDROCK_BASE_URL", Kind::BaseUrl, "", "the same, at this URL; wins over the region's own URL"),
    single("BEDROCK_ACCESS_KEY", Kind::Keys, "", "AWS access key id; without one, the AWS default credential chain"),
    single("BEDROCK_ACCESS_KEY_SECRET", Kind::Keys, "", "AWS secret access key; both or neither"),
    single("BEDROCK_MODEL", Kind::Text, BEDROCK_MODEL, "model used on Bedrock"),
    single("BEDROCK_SMALL_FAST_MODEL", Kind::Text, BEDROCK_SMALL_FAST_MODEL, "model used for Haiku-class requests")
        .also(&["--aibridge-bedrock-small-fastmodel", "--ai-gateway-bedrock-small-fastmodel"]),
    //
    gateway("ENABLED", Kind::Switch, "true", "false: provider routes answer 503, everything else is served"),
    gateway("RETENTION", Kind::Duration, "60d", "how long records are kept: 30m, 12h, 90d, 2w; 0 is for ever"),
    gateway("STRUCTURED_LOGGING", Kind::Switch, "false", "one `interception log` line per record"),
    gateway("DISABLE_CONTENT_RECORDING", Kind::Switch, "false", "record no prompt, tool input or thought"),
    gateway(
        "RECORDING_POLICY",
        Kind::Choice(&["require", "best-effort"]),
        "require",
        "require: no record, no request; best-effort: serve and count the loss",
    ),
    gateway("ALLOW_BYOK", Kind::Switch, "true", "users may bring their own provider credential"),
    gateway("SEND_ACTOR_HEADERS", Kind::Switch, "false", "tell the provider who is asking"),
    gateway("ACTOR_HEADER_ID", Kind::HeaderName, "X-AI-Bridge-Actor-ID", "header for the user's id"),
    gateway(
        "ACTOR_HEADER_USERNAME",
        Kind::HeaderName,
        "X-AI-Bridge-Actor-Metadata-Username",
        "header for the user's name",
    ),
    gateway("ACTOR_HEADER_EMAIL", Kind::HeaderName, "", "header for the user's e-mail address; none is sent without"),
    gateway("CIRCUIT_BREAKER_ENABLED", Kind::Switch, "false", "stop asking a provider that keeps failing"),
    gateway("CIRCUIT_BREAKER_FAILURE_THRESHOLD", Kind::Count(1, ANY), "5", "consecutive failures that open it"),
    gateway("CIRCUIT_BREAKER_INTERVAL", Kind::Duration, "10s", "how often the failures are forgotten"),
    gateway("CIRCUIT_BREAKER_TIMEOUT", Kind::Duration, "30s", "how long it stays open"),
    gateway("CIRCUIT_BREAKER_MAX_REQUESTS", Kind::Count(1, ANY), "3", "probes at a time once half-open"),
    gateway("MAX_RETRIES", Kind::Count(0, 10), "0", "attempts after a failed one; clients retry by themselves"),
    gateway("MAX_CONCURRENCY", Kind::Count(0, ANY), "0", "requests in flight; 0 is without limit"),
    gateway("RATE_LIMIT", Kind::Count(0, ANY), "0", "requests per second and user; 0 is without limit"),
    gateway("MAX_REQUEST_BYTES", Kind::Bytes, "64MiB", "largest request body, decoded: plain bytes, 64MiB, 64MB"),
    gateway("UPSTREAM_HEADER_TIMEOUT", Kind::Duration, "600s", "how long a provider may take to answer headers"),
    gateway("TOOL_MAX_ROUNDS", Kind::Count(1, 1000), "25", "rounds of injected tool calls a request may take"),
    gateway(
        "TOOL_CALL_TIMEOUT",
        Kind::Duration,
        "60s",
        "how long a call of an injected tool may take; 0 is without limit",
    ),
    gateway(
        "TOOL_CONNECT_TIMEOUT",
        Kind::Duration,
        "120s",
        "how long a request waits for an MCP server that has to be connected first",
    ),
    gateway("TOOL_MAX_RESULT_BYTES", Kind::Bytes, "1MiB", "largest result of an injected tool; what exceeds it is cut"),
    gateway("DUMP_DIR", Kind::Path, "", "directory for request/response pairs"),
    //
    host("HTTP_ADDRESS", Kind::Address, "127.0.0.1:3000", "address to serve on; :3000 is every interface")
        .also(&["networking.http.httpAddress"]),
    host("ACCESS_URL", Kind::Url, "", "URL users reach the gateway at; without one, made from the address")
        .also(&["networking.accessURL"]),
    host("TLS_CERT_FILE", Kind::Path, "", "certificate chain, PEM; with the key, HTTPS is served")
        .also(&["networking.tls.certFiles"]),
    host("TLS_KEY_FILE", Kind::Path, "", "private key, PEM").also(&["networking.tls.keyFiles"]),
    host("PG_CONNECTION_URL", Kind::Secret, "", "PostgreSQL instead of the embedded SQLite").flag("postgres-url"),
    host("DATA_DIR", Kind::Path, "./data", "directory of the embedded SQLite store"),
    host("PROMETHEUS_ENABLE", Kind::Switch, "false", "serve metrics").also(&["introspection.prometheus.enable"]),
    host("PROMETHEUS_ADDRESS", Kind::Address, "127.0.0.1:2112", "address to serve metrics on")
        .also(&["introspection.prometheus.address"]),
    host("TRACE_ENABLE", Kind::Switch, "false", "export traces (OTLP); the standard OTEL_* variables apply")
        .also(&["--trace", "introspection.tracing.enable"]),
    host("LOGGING_HUMAN", Kind::Path, "/dev/stderr", "file for logs in text form; --log-human= writes none")
        .flag("log-human")
        .also(&["introspection.logging.humanPath"]),
    host("LOGGING_JSON", Kind::Path, "", "file for logs as JSON")
        .flag("log-json")
        .also(&["introspection.logging.jsonPath"]),
    host("LOG_FILTER", Kind::Text, "info", "what is logged, e.g. info,aibridge_tower=debug")
        .also(&["introspection.logging.filter"]),
    host("SHUTDOWN_GRACE", Kind::Duration, "30s", "how long requests may take to finish on shutdown"),
    host("CONFIG_PATH", Kind::Path, "", "YAML file with any of these options").flag("config"),
    //
    auth("URL", Kind::Url, "", "a Coder deployment whose session tokens and API keys are accepted")
        .also(&["--coder-url", "coder_url"]),
    auth("OIDC_ISSUER_URL", Kind::Url, "", "issuer (`iss`) of the JWTs that are accepted"),
    auth("OIDC_CLIENT_ID", Kind::Text, "", "audience (`aud`) of the JWTs that are accepted"),
    auth("OIDC_JWKS_URL", Kind::Url, "", "where the issuer's keys are; without one, they are found through the issuer"),
    auth("OIDC_PUBLIC_KEY_FILE", Kind::Path, "", "the issuer's public key, PEM, instead of a JWKS URL"),
    auth("OIDC_HMAC_SECRET", Kind::Secret, "", "a shared secret (HS256, ...), instead of a public key"),
    auth("OIDC_USERNAME_FIELD", Kind::Text, "preferred_username", "claim with the user's name"),
    auth("OIDC_EMAIL_FIELD", Kind::Text, "email", "claim with the user's e-mail address"),
    //
    Definition::gateway(
        Group::Mcp,
        "INJECT_CODER_MCP_TOOLS",
        Kind::Switch,
        "false",
        "add the tools of the Coder deployment's own MCP server",
    ),
    Definition::host(
        Group::Mcp,
        "EXPERIMENTS",
        Kind::Words(','),
        "",
        "Coder experiments; oauth2 with mcp-server-http does the same as INJECT_CODER_MCP_TOOLS",
    ),
    Definition::host(
        Group::Mcp,
        "EXTERNAL_TOKEN_ENCRYPTION_KEY",
        Kind::Secret,
        "",
        "key under which users' OAuth tokens are stored (openssl rand -base64 32); of several, the first encrypts",
    ),
    Definition::host(Group::Mcp, "EXTERNAL_TOKEN_ENCRYPTION_KEYS", Kind::Secret, "", "the same; not beside it"),
];

/// The options that are given any number of times.
pub(crate) static FAMILIES: &[Family] = &[PROVIDER, MCP, EXTERNAL_AUTH];

/// `PROVIDER_<N>_*`: provider instances.
pub(crate) const PROVIDER: Family = Family {
    name: "PROVIDER",
    scope: Scope::Gateway,
    list: "providers",
    also_list: None,
    group: Group::Indexed,
    fields: &[
        indexed("TYPE", Kind::Choice(PROVIDER_TYPES), "", "required"),
        indexed("NAME", Kind::Text, "", "the name in the path; default: the type"),
        indexed("KEY", Kind::Keys, "", "the key, or several separated by commas"),
        indexed("KEYS", Kind::Keys, "", "the same; not beside KEY"),
        indexed("BASE_URL", Kind::BaseUrl, "", "default: the type's; required for azure and openai-compat"),
        indexed("BEDROCK_BASE_URL", Kind::BaseUrl, "", "wins over the region's own URL"),
        indexed("BEDROCK_REGION", Kind::Region, "", "e.g. us-east-1"),
        indexed(
            "BEDROCK_ACCESS_KEY",
            Kind::Keys,
            "",
            "AWS access key id, or several; default: the AWS credential chain",
        ),
        indexed("BEDROCK_ACCESS_KEYS", Kind::Keys, "", "the same; not beside BEDROCK_ACCESS_KEY"),
        indexed("BEDROCK_ACCESS_KEY_SECRET", Kind::Keys, "", "AWS secret access key, one for each access key"),
        indexed("BEDROCK_ACCESS_KEY_SECRETS", Kind::Keys, "", "the same; not beside BEDROCK_ACCESS_KEY_SECRET"),
        indexed("BEDROCK_MODEL", Kind::Text, BEDROCK_MODEL, "model used on Bedrock"),
        indexed("BEDROCK_SMALL_FAST_MODEL", Kind::Text, BEDROCK_SMALL_FAST_MODEL, "the same for Haiku-class requests"),
        indexed(
            "BEDROCK_ROLE_ARN",
            Kind::Text,
            "",
            "AWS role to assume, with the access keys or the AWS credential chain",
        ),
        indexed("BEDROCK_EXTERNAL_ID", Kind::Text, "", "the external id that the role asks for"),
        indexed("BEDROCK_PROTOCOL", Kind::Choice(&["invoke-model", "mantle"]), "invoke-model", "which Bedrock API"),
        indexed("MODELS_ALLOW", Kind::Pattern, "", "only models that match may be asked for"),
        indexed("MODELS_DENY", Kind::Pattern, "", "models that match may not be asked for; wins over MODELS_ALLOW"),
    ],
};

/// `MCP_<N>_*`: MCP servers without authentication, or with a fixed header.
pub(crate) const MCP: Family = Family {
    name: "MCP",
    scope: Scope::Gateway,
    list: "mcp",
    also_list: None,
    group: Group::Mcp,
    fields: &[
        mcp("NAME", Kind::Text, "", "required; part of the names of its tools"),
        mcp("URL", Kind::Endpoint, "", "required"),
        mcp("TRANSPORT", Kind::Choice(&["streamable-http", "sse"]), "streamable-http", "how it is spoken to"),
        mcp("HEADER", Kind::Secret, "", "a header sent with every request, `Name: value`"),
        mcp("TOOL_ALLOW_REGEX", Kind::Pattern, "", "only tools that match"),
        mcp("TOOL_DENY_REGEX", Kind::Pattern, "", "no tools that match; wins over TOOL_ALLOW_REGEX"),
    ],
};

/// `CODER_EXTERNAL_AUTH_<N>_*`: applications that users authorise, some of them with an MCP server.
pub(crate) const EXTERNAL_AUTH: Family = Family {
    name: "EXTERNAL_AUTH",
    scope: Scope::Host,
    list: "external_auth",
    also_list: Some("externalAuthProviders"),
    group: Group::Mcp,
    fields: &[
        external("TYPE", Kind::Text, "github, gitlab, slack, ...; of any other name, with URLs of its own"),
        external("ID", Kind::Text, "default: the type"),
        external("CLIENT_ID", Kind::Text, "OAuth2 client id"),
        external("CLIENT_SECRET", Kind::Secret, "OAuth2 client secret"),
        external("AUTH_URL", Kind::Endpoint, "where users authorise it; default: the type's"),
        external("TOKEN_URL", Kind::Endpoint, "where tokens are issued; default: the type's"),
        external("VALIDATE_URL", Kind::Endpoint, "asked whether a new token works; default: the type's"),
        external("REVOKE_URL", Kind::Endpoint, "told when a user unlinks; default: the type's"),
        external("SCOPES", Kind::Words(' '), "default: the type's"),
        external("DISPLAY_NAME", Kind::Text, "default: the type's, or the id"),
        external("MCP_URL", Kind::Endpoint, "its MCP server; without one it is not used"),
        external("MCP_TOOL_ALLOW_REGEX", Kind::Pattern, "only tools that match"),
        external("MCP_TOOL_DENY_REGEX", Kind::Pattern, "no tools that match; wins over MCP_TOOL_ALLOW_REGEX"),
    ],
};

/// The types of provider instances, as [`aibridge_providers::provider::Kind`] has them.
const PROVIDER_TYPES: &[&str] =
    &["openai", "anthropic", "copilot", "bedrock", "azure", "google", "openrouter", "vercel", "openai-compat"];

/// The model used on Bedrock unless another is set.
const BEDROCK_MODEL: &str = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// The same for Haiku-class requests.
const BEDROCK_SMALL_FAST_MODEL: &str = "global.anthropic.claude-haiku-4-5-20251001-v1:0";

const fn single(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Definition {
    Definition::gateway(Group::Single, name, kind, default, help)
}

const fn gateway(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Definition {
    Definition::gateway(Group::Gateway, name, kind, default, help)
}

const fn host(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Definition {
    Definition::host(Group::Host, name, kind, default, help)
}

const fn auth(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Definition {
    Definition::host(Group::Authentication, name, kind, default, help)
}

const fn indexed(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Definition {
    Definition::gateway(Group::Indexed, name, kind, default, help)
}

const fn mcp(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Definition {
    Definition::gateway(Group::Mcp, name, kind, default, help)
}

const fn external(name: &'static str, kind: Kind, help: &'static str) -> Definition {
    Definition::host(Group::Mcp, name, kind, "", help)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aibridge_providers::provider;

    use super::*;
    use crate::config::value::Value;

    #[test]
    fn no_two_options_share_a_spelling() {
        let mut seen = HashSet::new();
        for option in OPTIONS {
            let mut spellings = [option.variables(), option.flags(), option.yaml_paths()].concat();
            spellings.extend(option.also.iter().map(|&also| also.to_owned()));
            if option.kind.is_secret() {
                spellings.extend(option.variables().iter().map(|name| format!("{name}_FILE")));
            }
            for spelling in spellings {
                assert!(seen.insert(spelling.clone()), "{spelling} is there twice");
            }
        }
    }

    #[test]
    fn every_default_is_a_valid_value() {
        let fields = FAMILIES.iter().flat_map(|family| family.fields);
        for option in OPTIONS.iter().chain(fields).filter(|option| !option.default.is_empty()) {
            assert!(!option.kind.is_secret(), "{} is a secret with a default", option.name);
            Value::parse(option.kind, option.default).unwrap_or_else(|why| panic!("{}: {why}", option.name));
        }
    }

    #[test]
    fn types_and_base_urls_are_those_of_the_providers() {
        assert_eq!(PROVIDER_TYPES, provider::Kind::ALL.map(provider::Kind::as_str));
        let default = |name: &str| OPTIONS.iter().find(|option| option.name == name).map(|option| option.default);
        assert_eq!(default("OPENAI_BASE_URL"), provider::Kind::OpenAi.default_base_url());
        assert_eq!(default("ANTHROPIC_BASE_URL"), provider::Kind::Anthropic.default_base_url());
    }
}
