use aibridge_mcp::ToolRules;
use aibridge_providers::provider::Secret;
use url::Url;

use super::{
    known::{self, Known},
    mcp::{Ids, rules},
};
use crate::config::{report::Report, settings::Member};

/// An application that users authorise, and its MCP server.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    /// Its id: in paths, and in the names of its tools.
    pub(crate) id: String,
    /// What users see.
    pub(crate) display_name: String,
    /// OAuth2's `client_id`.
    pub(crate) client_id: String,
    /// OAuth2's `client_secret`; a public client has none.
    pub(crate) client_secret: Option<Secret>,
    /// How it shows its secret to the token endpoint.
    pub(crate) client_auth: ClientAuth,
    /// Where users authorise it.
    pub(crate) auth_url: Url,
    /// Where tokens are issued.
    pub(crate) token_url: Url,
    /// Parameters that both want besides those of the standard.
    pub(crate) extra: &'static [(&'static str, &'static str)],
    /// Says whether a token works.
    pub(crate) validate_url: Option<Url>,
    /// Where a token is given back.
    pub(crate) revoke_url: Option<Url>,
    /// How.
    pub(crate) revocation: Revocation,
    /// What is asked for.
    pub(crate) scopes: Vec<String>,
    /// Its MCP server.
    pub(crate) mcp_url: Url,
    /// Which tools of it are given.
    pub(crate) rules: ToolRules,
}

/// How a client shows its secret to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// With HTTP Basic, or in the body if that is refused: RFC 6749, section 2.3.1.
    Standard,
    /// As a bearer token.
    Bearer,
}

/// How a token is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// RFC 7009.
    Standard,
    /// GitHub's "delete an app authorization".
    GitHub,
}

/// Reads one application. `None` if it has no MCP server or could not be understood; the report says so.
pub(super) fn read(member: &Member, ids: &mut Ids, report: &mut Report) -> Option<Application> {
    let kind = member.text("TYPE").or(member.text("ID"));
    if kind.is_none() && member.setting("TYPE").is_none() {
        report.error(member.name_of("TYPE"), "is missing; set it, or remove the other variables of that index");
    }
    let id = member.text("ID").or(kind);
    if let Some(id) = id {
        ids.take(id, member.name_of("ID"), report);
    }
    let (kind, id) = (kind?.to_ascii_lowercase(), id?);
    if member.setting("MCP_URL").is_none() {
        report.warn(member.name_of("MCP_URL"), "is not set: the application has no MCP server, and is not used");
        return None;
    }
    if kind == known::AZURE_DEVOPS {
        let problem = "speaks a protocol of its own, and is not used; use azure-devops-entra";
        report.warn(member.name_of("TYPE"), problem);
        return None;
    }
    let client_id = member.text("CLIENT_ID");
    if member.setting("CLIENT_ID").is_none() {
        report.error(member.name_of("CLIENT_ID"), "is missing; set it to the id the application has at its provider");
    }
    let known = Known::of(&kind, member.url("AUTH_URL"), client_id.unwrap_or_default());
    let mut needed = |field: &str, default: Option<Url>| {
        let url = member.url(field).cloned().or(default);
        if url.is_none() && member.setting(field).is_none() {
            let problem = format!("is missing, and type `{kind}` has no default; set it to the provider's URL");
            report.error(member.name_of(field), problem);
        }
        url
    };
    let (auth_url, token_url) = (needed("AUTH_URL", known.auth_url), needed("TOKEN_URL", known.token_url));
    let scopes = match member.words("SCOPES") {
        [] => known.scopes.iter().map(|&scope| scope.to_owned()).collect(),
        given => given.to_vec(),
    };
    Some(Application {
        id: id.to_owned(),
        display_name: member.text("DISPLAY_NAME").or(known.display_name).unwrap_or(id).to_owned(),
        client_id: client_id?.to_owned(),
        client_secret: member.secret("CLIENT_SECRET").map(|secret| Secret::new(secret.expose().trim())),
        client_auth: known.client_auth,
        auth_url: auth_url?,
        token_url: token_url?,
        extra: known.extra,
        validate_url: member.url("VALIDATE_URL").cloned().or(known.validate_url),
        revoke_url: member.url("REVOKE_URL").cloned().or(known.revoke_url),
        revocation: known.revocation,
        scopes,
        mcp_url: member.url("MCP_URL")?.clone(),
        rules: rules(member, "MCP_TOOL_ALLOW_REGEX", "MCP_TOOL_DENY_REGEX"),
    })
}
