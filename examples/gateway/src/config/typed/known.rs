//! What is known of the types of external applications. URLs and scopes are those that Coder fills in.

use url::Url;

use super::external_auth::{ClientAuth, Revocation};

/// The type that no standard client can speak to.
pub(super) const AZURE_DEVOPS: &str = "azure-devops";

/// The id under which Microsoft Entra knows Azure DevOps.
const AZURE_DEVOPS_RESOURCE: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// What a type fills in.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) display_name: Option<&'static str>,
    pub(super) auth_url: Option<Url>,
    pub(super) token_url: Option<Url>,
    pub(super) validate_url: Option<Url>,
    pub(super) revoke_url: Option<Url>,
    pub(super) scopes: &'static [&'static str],
    pub(super) client_auth: ClientAuth,
    pub(super) revocation: Revocation,
    pub(super) extra: &'static [(&'static str, &'static str)],
}

impl Known {
    /// What type `kind` fills in. Those that organisations host themselves have their other URLs beside `auth_url`.
    pub(super) fn of(kind: &str, auth_url: Option<&Url>, client_id: &str) -> Known {
        let nothing = Known {
            display_name: None,
            auth_url: None,
            token_url: None,
            validate_url: None,
            revoke_url: None,
            scopes: &[],
            client_auth: ClientAuth::Standard,
            revocation: Revocation::Standard,
            extra: &[],
        };
        let beside = |path: &str| auth_url.and_then(|url| url.join(path).ok());
        match kind {
            "github" => {
                let api = |path: &str| github_api(auth_url)?.join(path).ok();
                let grant = api("applications/").and_then(|mut url| {
                    url.path_segments_mut().ok()?.pop_if_empty().push(client_id).push("grant");
                    Some(url)
                });
                let token = "/login/oauth/access_token";
                Known {
                    display_name: Some("GitHub"),
                    auth_url: fixed("https://github.com/login/oauth/authorize"),
                    token_url: beside(token).or_else(|| fixed("https://github.com/")?.join(token).ok()),
                    validate_url: api("user"),
                    revoke_url: grant,
                    scopes: &["repo", "workflow"],
                    revocation: Revocation::GitHub,
                    ..nothing
                }
            }
            "gitlab" => {
                let at = |path: &str| beside(path).or_else(|| fixed("https://gitlab.com/")?.join(path).ok());
                Known {
                    display_name: Some("GitLab"),
                    auth_url: at("/oauth/authorize"),
                    token_url: at("/oauth/token"),
                    validate_url: at("/oauth/token/info"),
                    revoke_url: at("/oauth/revoke"),
                    scopes: &["write_repository", "read_api"],
                    ..nothing
                }
            }
            "gitea" => {
                let at = |path: &str| beside(path).or_else(|| fixed("https://gitea.com/")?.join(path).ok());
                Known {
                    display_name: Some("Gitea"),
                    auth_url: at("/login/oauth/authorize"),
                    token_url: at("/login/oauth/access_token"),
                    validate_url: at("/login/oauth/userinfo"),
                    scopes: &["read:repository", "write:repository", "read:user"],
                    ..nothing
                }
            }
            "slack" => Known {
                display_name: Some("Slack"),
                auth_url: fixed("https://slack.com/oauth/v2/authorize"),
                token_url: fixed("https://slack.com/api/oauth.v2.access"),
                revoke_url: fixed("https://slack.com/api/auth.revoke"),
                ..nothing
            },
            "bitbucket-cloud" | "bitbucket" => Known {
                display_name: Some("Bitbucket"),
                auth_url: fixed("https://bitbucket.org/site/oauth2/authorize"),
                token_url: fixed("https://bitbucket.org/site/oauth2/access_token"),
                validate_url: fixed("https://api.bitbucket.org/2.0/user"),
                scopes: &["account", "repository:write"],
                ..nothing
            },
            "bitbucket-server" => Known {
                display_name: Some("Bitbucket Server"),
                token_url: beside("/rest/oauth2/latest/token"),
                validate_url: beside("/rest/api/latest/inbox/pull-requests/count"),
                scopes: &["PUBLIC_REPOS", "REPO_READ", "REPO_WRITE"],
                ..nothing
            },
            "jfrog" => Known {
                display_name: Some("JFrog Artifactory"),
                token_url: beside("/access/api/v1/integrations/").and_then(|mut url| {
                    url.path_segments_mut().ok()?.pop_if_empty().push(client_id).push("token");
                    Some(url)
                }),
                validate_url: beside("/access/api/v1/system/ping"),
                scopes: &["applied-permissions/user"],
                client_auth: ClientAuth::Bearer,
                ..nothing
            },
            "azure-devops-entra" => Known {
                display_name: Some("Azure DevOps"),
                // `/{tenant}/oauth2/authorize`
                token_url: auth_url
                    .filter(|url| url.path().ends_with("/oauth2/authorize"))
                    .and_then(|_| beside("token")),
                extra: &[("resource", AZURE_DEVOPS_RESOURCE)],
                ..nothing
            },
            _ => nothing,
        }
    }
}

/// The API of the GitHub that `auth_url` is of: that of GitHub Enterprise Server is on the same host, those of github.com and
/// of what is below ghe.com are on one beside it.
fn github_api(auth_url: Option<&Url>) -> Option<Url> {
    let host = auth_url.and_then(Url::host_str).unwrap_or("github.com");
    match auth_url {
        Some(url) if host != "github.com" && !host.ends_with(".ghe.com") => url.join("/api/v3/").ok(),
        _ => fixed(&format!("https://api.{host}/")),
    }
}

fn fixed(url: &str) -> Option<Url> {
    Url::parse(url).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The URLs to authorise, issue, validate and revoke at, and the first scope.
    fn urls(kind: &str, auth_url: Option<&str>) -> [String; 5] {
        let auth_url = auth_url.map(|url| Url::parse(url).expect(url));
        let known = Known::of(kind, auth_url.as_ref(), "the id");
        let text = |url: Option<Url>| url.map(String::from).unwrap_or_default();
        let scope = known.scopes.first().copied().unwrap_or_default();
        [
            text(known.auth_url),
            text(known.token_url),
            text(known.validate_url),
            text(known.revoke_url),
            scope.to_owned(),
        ]
    }

    #[test]
    fn services_on_the_net_are_known() {
        assert_eq!(
            urls("github", None),
            [
                "https://github.com/login/oauth/authorize",
                "https://github.com/login/oauth/access_token",
                "https://api.github.com/user",
                "https://api.github.com/applications/the%20id/grant",
                "repo",
            ]
        );
        assert_eq!(
            urls("gitlab", None),
            [
                "https://gitlab.com/oauth/authorize",
                "https://gitlab.com/oauth/token",
                "https://gitlab.com/oauth/token/info",
                "https://gitlab.com/oauth/revoke",
                "write_repository",
            ]
        );
        assert_eq!(urls("gitea", None)[1], "https://gitea.com/login/oauth/access_token");
        assert_eq!(urls("slack", None)[1], "https://slack.com/api/oauth.v2.access");
        assert_eq!(urls("bitbucket", None), urls("bitbucket-cloud", None));
        assert_eq!(urls("something", None), [""; 5]);
    }

    #[test]
    fn services_at_home_have_their_urls_beside_each_other() {
        let own = "https://git.example:8443/oauth/authorize";
        assert_eq!(urls("gitlab", Some(own))[1], "https://git.example:8443/oauth/token");
        assert_eq!(urls("gitlab", Some(own))[3], "https://git.example:8443/oauth/revoke");
        assert_eq!(urls("gitea", Some(own))[1], "https://git.example:8443/login/oauth/access_token");
        // GitHub Enterprise: nothing of it goes to github.com.
        for (auth_url, token_url, api) in [
            ("https://github.com/login/oauth/authorize?x=y", "https://github.com/login", "https://api.github.com"),
            (
                "https://git.example:8443/login/oauth/authorize",
                "https://git.example:8443/login",
                "https://git.example:8443/api/v3",
            ),
            ("https://octo.ghe.com/login/oauth/authorize", "https://octo.ghe.com/login", "https://api.octo.ghe.com"),
        ] {
            let urls = urls("github", Some(auth_url));
            assert_eq!(urls[1], format!("{token_url}/oauth/access_token"));
            assert_eq!(urls[2..4], [format!("{api}/user"), format!("{api}/applications/the%20id/grant")]);
        }
        assert_eq!(urls("bitbucket-server", Some(own))[1], "https://git.example:8443/rest/oauth2/latest/token");
        assert_eq!(urls("jfrog", Some(own))[1], "https://git.example:8443/access/api/v1/integrations/the%20id/token");
        let entra = "https://login.microsoftonline.com/tenant/oauth2/authorize";
        assert_eq!(urls("azure-devops-entra", Some(entra))[1], "https://login.microsoftonline.com/tenant/oauth2/token");
        assert_eq!(urls("azure-devops-entra", Some(own))[1], "");
        for kind in ["jfrog", "bitbucket-server", "azure-devops-entra"] {
            assert_eq!(urls(kind, None)[..4], [""; 4], "{kind}");
        }
    }
}
