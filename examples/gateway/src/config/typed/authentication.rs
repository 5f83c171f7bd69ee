use aibridge_providers::provider::Secret;
use url::Url;

use super::cannot_read;
use crate::config::{report::Report, resolve::ReadFile, settings::Settings};

/// Where identities come from, besides the gateway's own keys, which always count.
#[derive(Clone, Debug)]
pub(crate) struct Authentication {
    /// A Coder deployment.
    pub(crate) coder_url: Option<Url>,
    /// An issuer of JWTs.
    pub(crate) oidc: Option<Oidc>,
}

/// An issuer of JWTs. At least one of the three kinds of key is there.
#[derive(Clone, Debug)]
pub(crate) struct Oidc {
    /// `iss`, byte for byte.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// Where the issuer's keys are.
    pub(crate) jwks_url: Option<Url>,
    /// The issuer's public key.
    pub(crate) public_key_pem: Option<String>,
    /// A shared secret.
    pub(crate) hmac_secret: Option<Secret>,
    /// The claim with the user's name.
    pub(crate) username_field: String,
    /// The claim with the user's e-mail address.
    pub(crate) email_field: String,
}

impl Authentication {
    pub(in crate::config) fn new(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Authentication {
        Authentication { coder_url: settings.url("URL").cloned(), oidc: oidc(settings, read_file, report) }
    }
}

fn oidc(settings: &Settings, read_file: ReadFile<'_>, report: &mut Report) -> Option<Oidc> {
    let public_key_pem = settings.path("OIDC_PUBLIC_KEY_FILE").and_then(|path| {
        let origin = &settings.given("OIDC_PUBLIC_KEY_FILE")?.name;
        match read_file(path) {
            Ok(text) if text.contains("-----BEGIN ") => return Some(text),
            Ok(_) => report.error(origin, "the file holds no PEM; give the path of a public key in PEM format"),
            Err(why) => report.error(origin, cannot_read(path, &why)),
        }
        None
    });
    let keys = ["OIDC_JWKS_URL", "OIDC_PUBLIC_KEY_FILE", "OIDC_HMAC_SECRET"].map(|name| settings.given(name));
    let named = ["OIDC_ISSUER_URL", "OIDC_CLIENT_ID"].map(|name| settings.given(name));
    let Some(key) = keys.into_iter().flatten().next() else {
        // Deployments of Coder set these two for their own sign-in page.
        if let Some(origin) = named.into_iter().flatten().next() {
            report.warn(
                &origin.name,
                "JWTs are not accepted without the issuer's key; set CODER_OIDC_JWKS_URL, CODER_OIDC_PUBLIC_KEY_FILE \
                 or CODER_OIDC_HMAC_SECRET",
            );
        }
        return None;
    };
    for (name, claim) in [("OIDC_ISSUER_URL", "iss"), ("OIDC_CLIENT_ID", "aud")] {
        if settings.given(name).is_none() {
            report.error(&key.name, format!("needs CODER_{name}: set it to the tokens' `{claim}`"));
        }
    }
    // RFC 7518, 3.2: a key for HS256 has at least 256 bits.
    if let (Some(secret), Some(origin)) = (settings.secret("OIDC_HMAC_SECRET"), settings.given("OIDC_HMAC_SECRET"))
        && secret.expose().len() < 32
    {
        report.warn(&origin.name, "is shorter than 32 bytes and can be guessed; use a longer one");
    }
    Some(Oidc {
        issuer: settings.text("OIDC_ISSUER_URL")?.to_owned(),
        audience: settings.text("OIDC_CLIENT_ID")?.to_owned(),
        jwks_url: settings.url("OIDC_JWKS_URL").cloned(),
        public_key_pem,
        hmac_secret: settings.secret("OIDC_HMAC_SECRET").cloned(),
        username_field: settings.text("OIDC_USERNAME_FIELD").unwrap_or("preferred_username").to_owned(),
        email_field: settings.text("OIDC_EMAIL_FIELD").unwrap_or("email").to_owned(),
    })
}
