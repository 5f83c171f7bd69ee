//! MCP servers, and the applications that users link for them.

use super::{env, flags, refused, yaml};
use crate::config::{ClientAuth, Mcp, Revocation, Transport, check};

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Variables of applications, without `CODER_EXTERNAL_AUTH_`, read as `%` in what is reported.
#[track_caller]
fn applications_refused(variables: &str, errors: &[&str]) {
    let prefix = "CODER_EXTERNAL_AUTH_";
    let variables: String = variables.split_whitespace().map(|variable| format!("{prefix}{variable}\n")).collect();
    let errors: Vec<String> = errors.iter().map(|error| error.replace('%', prefix)).collect();
    assert_eq!(env(&variables).errors(), errors);
}

/// The same for servers.
#[track_caller]
fn servers_refused(variables: &str, errors: &[&str]) {
    for prefix in ["CODER_AIBRIDGE_MCP_", "CODER_AI_GATEWAY_MCP_"] {
        let variables: String = variables.split('\t').map(|variable| format!("{prefix}{variable}\n")).collect();
        let errors: Vec<String> = errors.iter().map(|error| error.replace('%', prefix)).collect();
        assert_eq!(env(&variables).errors(), errors);
    }
}

fn mcp(variables: &str) -> Mcp {
    env(variables).config().mcp
}

#[test]
fn a_server_needs_a_name_and_a_url() {
    let tools = mcp("CODER_AIBRIDGE_MCP_0_NAME=tools\nCODER_AIBRIDGE_MCP_0_URL=https://tools.example/mcp?all=1\n\
         CODER_AIBRIDGE_MCP_0_TOOL_DENY_REGEX=drop\nCODER_AIBRIDGE_MCP_1_NAME=old\n\
         CODER_AIBRIDGE_MCP_1_URL=http://localhost:1/sse\nCODER_AIBRIDGE_MCP_1_TRANSPORT=sse\n\
         CODER_AIBRIDGE_MCP_1_HEADER=X-Key: a: b");
    let [tools, old] = tools.servers.as_slice() else { panic!("{tools:?}") };
    assert_eq!((&*tools.name, tools.url.as_str()), ("tools", "https://tools.example/mcp?all=1"));
    assert_eq!(tools.transport, Transport::StreamableHttp);
    assert!(tools.header.is_none() && tools.rules.permit("list") && !tools.rules.permit("drop_table"));
    let (name, value) = old.header.as_ref().expect("a header");
    assert_eq!((name.as_str(), value.expose(), old.transport), ("x-key", "a: b", Transport::Sse));

    let missing = "is missing; set it, or remove the other variables of that index";
    servers_refused("0_TRANSPORT=sse", &[&format!("%0_NAME: {missing}"), &format!("%0_URL: {missing}")]);
    servers_refused("0_NAME=a\t0_URL=nowhere", &["%0_URL: is not a URL; use e.g. https://host/path"]);
    servers_refused(
        "0_NAME=a\t0_URL=https://h/\t0_TRANSPORT=stdio",
        &["%0_TRANSPORT: `stdio` is not known; use one of streamable-http, sse"],
    );
    servers_refused(
        "0_NAME=a\t0_URL=https://h/\t0_TOOL_ALLOW_REGEX=(",
        &["%0_TOOL_ALLOW_REGEX: is not a regular expression (unclosed group); correct it"],
    );
    servers_refused(
        "0_NAME=a\t0_URL=https://h/#f",
        &["%0_URL: must not have a query or a fragment; remove what follows the ? or #"],
    );
    servers_refused("1_NAME=a\t1_URL=https://h/", &["%1_NAME: the first index is 1; number MCP from 0"]);
}

#[test]
fn a_header_has_a_name_and_a_value_and_is_not_the_protocol_s() {
    for (header, problem) in [
        ("canary", "is not a header; write it as `Name: value`"),
        ("Bearer canary: x", "does not begin with the name of a header; write it as `Name: value`"),
        ("X-Key:", "has no value a header can carry; write it as `Name: value`, in one line"),
        ("X-Key: a\u{7}b", "has no value a header can carry; write it as `Name: value`, in one line"),
        ("Mcp-Session-Id: x", "names a header that the protocol sets; use another one"),
    ] {
        servers_refused(&format!("0_NAME=a\t0_URL=https://h/\t0_HEADER={header}"), &[&format!("%0_HEADER: {problem}")]);
    }
}

#[test]
fn ids_are_of_one_server_each_and_fit_into_paths_and_tool_names() {
    let two = "CODER_AIBRIDGE_MCP_0_NAME=github\nCODER_AIBRIDGE_MCP_0_URL=https://h/\nCODER_EXTERNAL_AUTH_0_TYPE=github\n\
               CODER_EXTERNAL_AUTH_0_CLIENT_ID=i\nCODER_EXTERNAL_AUTH_0_MCP_URL=https://h/";
    refused(
        env(two),
        &["CODER_AIBRIDGE_MCP_0_NAME and CODER_EXTERNAL_AUTH_0_ID: both are `github`; give each its own"],
    );
    assert_eq!(env(&format!("{two}\nCODER_EXTERNAL_AUTH_0_ID=github-2")).config().mcp.applications.len(), 1);
    servers_refused(
        "0_NAME=a\t0_URL=https://h/\t1_NAME=a\t1_URL=https://h/",
        &["%0_NAME and %1_NAME: both are `a`; give each its own"],
    );
    refused(
        env("CODER_AIBRIDGE_MCP_0_NAME=coder\nCODER_AIBRIDGE_MCP_0_URL=https://h/\n\
             CODER_AIBRIDGE_INJECT_CODER_MCP_TOOLS=true\nCODER_URL=https://coder.example"),
        &["CODER_AIBRIDGE_MCP_0_NAME and CODER_AIBRIDGE_INJECT_CODER_MCP_TOOLS: both are `coder`; give each its own"],
    );
    for id in ["a/b", "a b", "-a", "a--b", "ä", "..", "a?b", &"a".repeat(33)] {
        let error = format!(
            "%0_NAME: `{id}` is not an id; use letters, digits, and single hyphens or underscores between them, at most \
             32 of them"
        );
        servers_refused(&format!("0_NAME={id}\t0_URL=https://h/"), &[&error]);
    }
    for id in ["Jira", "my_tools-2", &"a".repeat(32)] {
        assert_eq!(
            mcp(&format!("CODER_AIBRIDGE_MCP_0_NAME={id}\nCODER_AIBRIDGE_MCP_0_URL=https://h/")).servers[0].name,
            id
        );
    }
}

#[test]
fn an_application_with_an_mcp_server_is_completed_by_its_type() {
    let mcp =
        mcp("CODER_EXTERNAL_AUTH_0_TYPE=GitHub\nCODER_EXTERNAL_AUTH_0_ID=gh\nCODER_EXTERNAL_AUTH_0_CLIENT_ID=Iv1\n\
         CODER_EXTERNAL_AUTH_0_CLIENT_SECRET=s\nCODER_EXTERNAL_AUTH_0_MCP_URL=https://h/mcp\n\
         CODER_EXTERNAL_AUTH_0_SCOPES=gist  read:org\nCODER_EXTERNAL_AUTH_1_TYPE=jfrog\n\
         CODER_EXTERNAL_AUTH_1_CLIENT_ID=c\nCODER_EXTERNAL_AUTH_1_AUTH_URL=https://art.example/ui/authorization\n\
         CODER_EXTERNAL_AUTH_1_MCP_URL=https://art.example/mcp");
    let [github, jfrog] = mcp.applications.as_slice() else { panic!("{mcp:?}") };
    assert_eq!((&*github.id, &*github.display_name, &*github.client_id), ("gh", "GitHub", "Iv1"));
    assert_eq!(github.scopes, ["gist", "read:org"]);
    let revoke = github.revoke_url.as_ref().map(url::Url::as_str);
    assert_eq!(
        (revoke, github.revocation),
        (Some("https://api.github.com/applications/Iv1/grant"), Revocation::GitHub)
    );
    assert_eq!((&*jfrog.id, jfrog.client_auth), ("jfrog", ClientAuth::Bearer));
    assert_eq!(jfrog.token_url.as_str(), "https://art.example/access/api/v1/integrations/c/token");
}

#[test]
fn what_is_given_wins_over_what_is_known() {
    let mcp = mcp("CODER_EXTERNAL_AUTH_0_TYPE=gitlab\nCODER_EXTERNAL_AUTH_0_CLIENT_ID=c\n\
         CODER_EXTERNAL_AUTH_0_AUTH_URL=https://git.example/authorize?audience=x\n\
         CODER_EXTERNAL_AUTH_0_TOKEN_URL=https://git.example/t\nCODER_EXTERNAL_AUTH_0_VALIDATE_URL=https://git.example/v\n\
         CODER_EXTERNAL_AUTH_0_REVOKE_URL=https://git.example/r\nCODER_EXTERNAL_AUTH_0_DISPLAY_NAME=Our Git\n\
         CODER_EXTERNAL_AUTH_0_MCP_URL=https://git.example/mcp");
    let git = &mcp.applications[0];
    let urls = [Some(&git.token_url), git.validate_url.as_ref(), git.revoke_url.as_ref()];
    assert_eq!(urls.map(|url| url.map(|url| url.path())), [Some("/t"), Some("/v"), Some("/r")]);
    assert_eq!((&*git.display_name, git.client_secret.is_some()), ("Our Git", false));
}

#[test]
fn an_application_of_an_unknown_type_needs_its_urls() {
    applications_refused(
        "0_TYPE=linear 0_MCP_URL=https://mcp.linear.app/mcp",
        &[
            "%0_CLIENT_ID: is missing; set it to the id the application has at its provider",
            "%0_AUTH_URL: is missing, and type `linear` has no default; set it to the provider's URL",
            "%0_TOKEN_URL: is missing, and type `linear` has no default; set it to the provider's URL",
        ],
    );
    applications_refused(
        "0_TYPE=linear 0_CLIENT_ID=c 0_AUTH_URL=nowhere 0_TOKEN_URL=https://u:p@h/ 0_MCP_URL=https://h/",
        &[
            "%0_AUTH_URL: is not a URL; use e.g. https://host/path",
            "%0_TOKEN_URL: must not carry credentials; remove what is before the @",
        ],
    );
    applications_refused(
        "0_MCP_URL=nowhere 0_MCP_TOOL_DENY_REGEX=(",
        &[
            "%0_MCP_URL: is not a URL; use e.g. https://host/path",
            "%0_MCP_TOOL_DENY_REGEX: is not a regular expression (unclosed group); correct it",
            "%0_TYPE: is missing; set it, or remove the other variables of that index",
        ],
    );
    applications_refused("1_TYPE=github", &["%1_TYPE: the first index is 1; number EXTERNAL_AUTH from 0"]);
    applications_refused("0_TYPE=github 1_TYPE=github", &["%0_ID and %1_ID: both are `github`; give each its own"]);
}

#[test]
fn applications_that_cannot_be_used_do_not_keep_a_deployment_from_starting() {
    let given =
        env("CODER_AIBRIDGE_OPENAI_KEY=k\nCODER_EXTERNAL_AUTH_0_TYPE=github\nCODER_EXTERNAL_AUTH_0_CLIENT_ID=c\n\
         CODER_EXTERNAL_AUTH_1_TYPE=azure-devops\nCODER_EXTERNAL_AUTH_1_MCP_URL=https://h/");
    assert!(given.config().mcp.applications.is_empty());
    assert_eq!(
        given.warnings(),
        [
            "CODER_EXTERNAL_AUTH_0_MCP_URL: is not set: the application has no MCP server, and is not used",
            "CODER_EXTERNAL_AUTH_1_TYPE: speaks a protocol of its own, and is not used; use azure-devops-entra",
        ]
    );
}

#[test]
fn coder_s_own_server_is_added_with_its_deployment() {
    let at = |variables: &str| mcp(variables).coder.map(String::from);
    let url = Some("https://coder.example/api/experimental/mcp/http".to_owned());
    assert_eq!(at("CODER_URL=https://coder.example\nCODER_AIBRIDGE_INJECT_CODER_MCP_TOOLS=true"), url);
    assert_eq!(at("CODER_URL=https://coder.example/\nCODER_EXPERIMENTS=mcp-server-http, oauth2,other"), url);
    let below = at("CODER_URL=https://example.com/coder/\nCODER_EXPERIMENTS=oauth2,mcp-server-http");
    assert_eq!(below.as_deref(), Some("https://example.com/coder/api/experimental/mcp/http"));
    for one in ["CODER_URL=https://coder.example", "CODER_URL=https://coder.example\nCODER_EXPERIMENTS=oauth2"] {
        assert_eq!(at(one), None, "{one}");
    }
    let listed = yaml("experiments: [oauth2, mcp-server-http]\n").and_env("CODER_URL=https://coder.example");
    assert_eq!(listed.config().mcp.coder.map(String::from), url);
    let warned = env("CODER_AIBRIDGE_OPENAI_KEY=k").and_flags("--aibridge-inject-coder-mcp-tools").warnings();
    assert_eq!(
        warned,
        ["--aibridge-inject-coder-mcp-tools: has no effect without a Coder deployment; set CODER_URL to its URL"]
    );
}

#[test]
fn keys_are_base64_of_32_bytes_under_either_name() {
    let id = |given: &super::Given| {
        let mcp = given.config().mcp;
        mcp.keys.map(|keys| keys.seal(b"", "x").expect("sealed").0)
    };
    let one = id(&env(&format!("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY={KEY}")));
    assert!(one.is_some());
    let other = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    assert_eq!(id(&flags(&format!("--external-token-encryption-keys {KEY},{other}"))), one, "the first one seals");
    let file = env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS_FILE=/key").and_file("/key", &format!("{KEY}\n"));
    assert_eq!(id(&file), one);
    assert_eq!(id(&env("")), None);
    for (value, problem) in [
        ("canary", "is not base64; make one with: openssl rand -base64 32"),
        ("Y2FuYXJ5", "is 6 bytes long and not 32; make one with: openssl rand -base64 32"),
        (&format!("{KEY},canary"), "key 2 of 2 is not base64; make one with: openssl rand -base64 32"),
        (&format!("{KEY},"), "key 2 of 2 is 0 bytes long and not 32; make one with: openssl rand -base64 32"),
    ] {
        refused(
            env(&format!("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY={value}")),
            &[&format!("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY: {problem}")],
        );
    }
    refused(
        env(&format!("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY={KEY}\nCODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS={other}")),
        &[
            "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY and CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS: are both set; put all keys into \
           one of them, separated by commas",
        ],
    );
}

#[test]
fn lists_are_read_as_coder_writes_them() {
    let given = yaml(
        "externalAuthProviders:\n  - type: github\n    client_id: c\n    mcp_url: https://h/\n    scopes: [gist, repo]\n",
    );
    let applications = given.config().mcp.applications;
    assert_eq!(applications[0].scopes, ["gist", "repo"]);
    assert_eq!(yaml("externalAuthProviders: []\n").and_env("CODER_AIBRIDGE_OPENAI_KEY=k").warnings(), [""; 0]);
}

#[test]
fn check_lists_servers_without_their_secrets() {
    let given = env("CODER_AIBRIDGE_MCP_0_NAME=plain\nCODER_AIBRIDGE_MCP_0_URL=https://a.example/mcp?key=canary\n\
         CODER_AIBRIDGE_MCP_1_NAME=keyed\nCODER_AIBRIDGE_MCP_1_URL=https://b.example/\n\
         CODER_AIBRIDGE_MCP_1_HEADER=X-Key: canary\nCODER_EXTERNAL_AUTH_0_TYPE=github\nCODER_EXTERNAL_AUTH_0_CLIENT_ID=c\n\
         CODER_EXTERNAL_AUTH_0_CLIENT_SECRET=canary\nCODER_EXTERNAL_AUTH_0_MCP_URL=https://c.example/\n\
         CODER_URL=https://coder.example\nCODER_AIBRIDGE_INJECT_CODER_MCP_TOOLS=true");
    let report = check::report(&given.config(), &[]);
    let expected = "
MCP servers:
  plain at https://a.example/mcp?..., without authentication
  keyed at https://b.example/, with a header
  github at https://c.example/, with the user's link
  coder at https://coder.example/api/experimental/mcp/http, with the user's token
";
    assert!(report.contains(expected) && !report.contains("canary"), "{report}");
}
