use aibridge_providers::provider::Secret;
use aibridge_tower::auth::source::{Jwt, SourceError};
use url::Url;

use super::cannot_read;
use crate::config::{
    report::Report,
    resolve::ReadFile,
    settings::{Origin, Settings},
};

/// Where identities come from, besides the gateway's own keys, which always count.
#[derive(Clone, Debug)]
pub(crate) struct Authentication {
    /// A Coder deployment.
    pub(crate) coder_url: Option<Url>,
    /// An issuer of JWTs.
    pub(crate) oidc: Option<Oidc>,
}

/// An issuer of JWTs.
#[derive(Clone, Debug)]
pub(crate) struct Oidc {
    /// `iss`, byte for byte.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// The issuer's key.
    pub(crate) key: OidcKey,
    /// The claim with the user's name.
    pub(crate) username_field: String,
    /// The claim with the e-mail address.
    pub(crate) email_field: String,
}

/// Where an issuer's key is.
#[derive(Clone, Debug)]
pub(crate) enum OidcKey {
    /// Where the issuer's discovery document says.
    Discover,
    /// A JWK set at this URL.
    Jwks(Url),
    /// This public key, in PEM format.
    Pem(String),
    /// This shared secret.
    Secret(Secret),
}

impl Authentication {
    pub(in crate::config) fn new(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Authentication {
        Authentication { coder_url: settings.url("URL").cloned(), oidc: oidc(settings, read_file, report) }
    }
}

impl Oidc {
    /// The source of identities.
    ///
    /// # Errors
    /// The HTTP client could not be set up. Everything else was checked when the configuration was read.
    pub(crate) fn source(&self) -> Result<Jwt, SourceError> {
        let builder = Jwt::builder().issuer(&self.issuer).audience(&self.audience).username_claim(&self.username_field);
        let builder = builder.email_claim(&self.email_field);
        match &self.key {
            OidcKey::Discover => builder.discover(),
            OidcKey::Jwks(url) => builder.jwks_url(url.clone()),
            OidcKey::Pem(pem) => builder.pem(pem),
            OidcKey::Secret(secret) => builder.secret(secret.clone()),
        }
        .build()
    }
}

fn oidc(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Option<Oidc> {
    let given = |name: &str| settings.given(name);
    let keys = ["OIDC_JWKS_URL", "OIDC_PUBLIC_KEY_FILE", "OIDC_HMAC_SECRET"].map(given);
    let keys: Vec<&Origin> = keys.into_iter().flatten().collect();
    let needed = [("OIDC_ISSUER_URL", "iss"), ("OIDC_CLIENT_ID", "aud")];
    let first = keys.first().copied().or_else(|| needed.iter().find_map(|(name, _)| given(name)))?;
    for (name, claim) in needed.into_iter().filter(|(name, _)| given(name).is_none()) {
        report.error(&first.name, format!("needs CODER_{name} beside it; set it to the `{claim}` of the tokens"));
    }
    if keys.len() > 1 {
        let names: Vec<&str> = keys.iter().map(|origin| origin.name.as_str()).collect();
        report.error(names.join(" and "), "each say which key the issuer has; keep one of them");
    }
    let key = key(settings, read_file, report)?;
    let is_fixed = matches!(key, OidcKey::Pem(_) | OidcKey::Secret(_));
    let oidc = Oidc {
        issuer: settings.text("OIDC_ISSUER_URL")?.to_owned(),
        audience: settings.text("OIDC_CLIENT_ID")?.to_owned(),
        key,
        email_field: settings.text("OIDC_EMAIL_FIELD").unwrap_or("email").to_owned(),
        username_field: settings.text("OIDC_USERNAME_FIELD").unwrap_or("preferred_username").to_owned(),
    };
    // A key that is here can be tried at once; others are fetched when they are needed.
    if is_fixed && let Err(why) = oidc.source() {
        report.error(&first.name, format!("{why}; use another key"));
    }
    Some(oidc)
}

/// The first kind of key that was given. `None` if it is wrong.
fn key(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Option<OidcKey> {
    if settings.given("OIDC_JWKS_URL").is_some() {
        return settings.url("OIDC_JWKS_URL").cloned().map(OidcKey::Jwks);
    }
    if let Some(origin) = settings.given("OIDC_PUBLIC_KEY_FILE") {
        let path = settings.path("OIDC_PUBLIC_KEY_FILE")?;
        let text = read_file(path).map_err(|why| report.error(&origin.name, cannot_read(path, &why)));
        return text.ok().map(OidcKey::Pem);
    }
    if settings.given("OIDC_HMAC_SECRET").is_some() {
        return settings.secret("OIDC_HMAC_SECRET").cloned().map(OidcKey::Secret);
    }
    Some(OidcKey::Discover)
}
