use std::collections::HashMap;

use aibridge_mcp::ToolRules;
use aibridge_providers::provider::Secret;
use aibridge_store::sealed::{Key, Keyring};
use http::{HeaderName, HeaderValue};
use url::Url;

use super::external_auth::{self, Application};
use crate::config::{
    report::Report,
    settings::{Member, Settings},
    table::{EXTERNAL_AUTH, MCP},
};

/// The id of the Coder deployment's own MCP server.
pub(crate) const CODER: &str = "coder";

/// Where that server is, below the deployment's URL.
const CODER_PATH: &str = "/api/experimental/mcp/http";

/// The experiments that switch it on in a deployment.
const CODER_EXPERIMENTS: [&str; 2] = ["oauth2", "mcp-server-http"];

/// How long an id may be: it is part of the names of tools, which are at most 64 characters.
const MAX_ID: usize = 32;

/// Headers that the protocol sets.
const RESERVED_HEADERS: [&str; 10] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
];

/// Where injected tools come from.
#[derive(Clone, Debug)]
pub(crate) struct Mcp {
    /// Servers without authentication, or with a fixed header.
    pub(crate) servers: Vec<McpServer>,
    /// Applications that users link, each with a server.
    pub(crate) applications: Vec<Application>,
    /// The Coder deployment's own server, if its tools are wanted.
    pub(crate) coder: Option<Url>,
    /// What users' tokens are stored under, if it was given.
    pub(crate) keys: Option<Keyring>,
}

/// A server without authentication, or with a fixed header.
#[derive(Clone, Debug)]
pub(crate) struct McpServer {
    /// Its id.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) url: Url,
    /// How it is spoken to.
    pub(crate) transport: Transport,
    /// Sent with every request.
    pub(crate) header: Option<(HeaderName, Secret)>,
    /// Which of its tools are given.
    pub(crate) rules: ToolRules,
}

/// How an MCP server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Streamable HTTP, of MCP since 2025-03-26.
    StreamableHttp,
    /// HTTP with SSE, of MCP 2024-11-05.
    Sse,
}

impl Mcp {
    pub(in crate::config) fn new(settings: &Settings, report: &mut Report) -> Mcp {
        let mut ids = Ids::default();
        let members = |family: &'static str| settings.members.iter().filter(move |member| member.family.name == family);
        let servers = members(MCP.name).filter_map(|member| server(member, &mut ids, report)).collect();
        let applications: Vec<Application> =
            members(EXTERNAL_AUTH.name).filter_map(|member| external_auth::read(member, &mut ids, report)).collect();
        let coder = coder(settings, &mut ids, report);
        let keys = keys(settings, report);
        if settings.given("ACCESS_URL").is_none() && !applications.is_empty() {
            report.warn(
                "CODER_ACCESS_URL",
                "is not set: who links an application is sent back to this machine; set it to the URL users reach the \
                 gateway at",
            );
        }
        if keys.is_none() && !applications.is_empty() {
            report.warn(
                "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY",
                "is not set: users' tokens are encrypted under a key that is kept beside them, in external-token.key in the \
                 data directory; set it to one that is kept elsewhere, made with: openssl rand -base64 32 (and to that \
                 file's, after a comma, to keep what is linked)",
            );
        }
        Mcp { servers, applications, coder, keys }
    }
}

/// The ids of servers and applications, each with the option that took it.
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<String, String>);

impl Ids {
    /// Takes `id` for what `option` names.
    pub(super) fn take(&mut self, id: &str, option: String, report: &mut Report) {
        if !is_id(id) {
            let problem = format!(
                "`{id}` is not an id; use letters, digits, and single hyphens or underscores between them, at most \
                 {MAX_ID} of them"
            );
            report.error(option.clone(), problem);
        }
        match self.0.get(id) {
            Some(other) => report.error(format!("{other} and {option}"), format!("both are `{id}`; give each its own")),
            None => drop(self.0.insert(id.to_owned(), option)),
        }
    }
}

/// Ids are path segments and parts of tool names.
fn is_id(id: &str) -> bool {
    id.len() <= MAX_ID
        && id.split(['-', '_']).all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn server(member: &Member, ids: &mut Ids, report: &mut Report) -> Option<McpServer> {
    for field in ["NAME", "URL"].into_iter().filter(|field| member.setting(field).is_none()) {
        report.error(member.name_of(field), "is missing; set it, or remove the other variables of that index");
    }
    let name = member.text("NAME");
    if let Some(name) = name {
        ids.take(name, member.name_of("NAME"), report);
    }
    let header = member.secret("HEADER").and_then(|text| {
        let header = header(text.expose());
        header.map_err(|problem| report.error(member.name_of("HEADER"), problem)).ok()
    });
    Some(McpServer {
        name: name?.to_owned(),
        url: member.url("URL")?.clone(),
        transport: match member.text("TRANSPORT") {
            Some("sse") => Transport::Sse,
            _ => Transport::StreamableHttp,
        },
        header,
        rules: rules(member, "TOOL_ALLOW_REGEX", "TOOL_DENY_REGEX"),
    })
}

pub(super) fn rules(member: &Member, allow: &str, deny: &str) -> ToolRules {
    let mut rules = ToolRules::new();
    if let Some(pattern) = member.pattern(allow) {
        rules = rules.allow(pattern.clone());
    }
    if let Some(pattern) = member.pattern(deny) {
        rules = rules.deny(pattern.clone());
    }
    rules
}

/// `Name: value`, of which nothing is quoted: someone may give the value alone.
fn header(text: &str) -> Result<(HeaderName, Secret), &'static str> {
    let (name, value) = text.split_once(':').ok_or("is not a header; write it as `Name: value`")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| "does not begin with the name of a header; write it as `Name: value`")?;
    let value = value.trim();
    if value.is_empty() || HeaderValue::from_str(value).is_err() {
        return Err("has no value a header can carry; write it as `Name: value`, in one line");
    }
    match RESERVED_HEADERS.contains(&name.as_str()) {
        true => Err("names a header that the protocol sets; use another one"),
        false => Ok((name, Secret::new(value))),
    }
}

/// The deployment's own server: asked for by its own option, or by the experiments that make it.
fn coder(settings: &Settings, ids: &mut Ids, report: &mut Report) -> Option<Url> {
    let experiments = settings.words("EXPERIMENTS");
    let option = if settings.switch("INJECT_CODER_MCP_TOOLS") {
        "INJECT_CODER_MCP_TOOLS"
    } else if CODER_EXPERIMENTS.iter().all(|needed| experiments.iter().any(|given| given == needed)) {
        "EXPERIMENTS"
    } else {
        return None;
    };
    let name = settings.given(option).map(|origin| origin.name.clone()).unwrap_or_default();
    let Some(url) = settings.url("URL") else {
        // The deployment's own configuration has it without a URL, being at home there.
        if settings.given("URL").is_none() {
            report.warn(name, "has no effect without a Coder deployment; set CODER_URL to its URL");
        }
        return None;
    };
    ids.take(CODER, name, report);
    let mut server = url.clone();
    server.set_path(&format!("{}{CODER_PATH}", url.path().trim_end_matches('/')));
    Some(server)
}

fn keys(settings: &Settings, report: &mut Report) -> Option<Keyring> {
    let names = ["EXTERNAL_TOKEN_ENCRYPTION_KEY", "EXTERNAL_TOKEN_ENCRYPTION_KEYS"];
    let given: Vec<_> =
        names.into_iter().filter_map(|name| Some((settings.given(name)?, settings.secret(name)?))).collect();
    if let [(one, _), (other, _)] = given.as_slice() {
        let names = format!("{} and {}", one.name, other.name);
        report.error(names, "are both set; put all keys into one of them, separated by commas");
    }
    let (origin, list) = given.first()?;
    let texts: Vec<&str> = list.expose().split(',').collect();
    let mut keys = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match Key::from_base64(text) {
            Ok(key) => keys.push(key),
            Err(why) => {
                let which =
                    if texts.len() == 1 { String::new() } else { format!("key {} of {} ", at + 1, texts.len()) };
                report.error(&origin.name, format!("{which}is {why}; make one with: openssl rand -base64 32"));
            }
        }
    }
    Keyring::new(keys)
}
