use std::{fmt, sync::Arc, time::Duration};

use aibridge_providers::provider::Secret;
use jsonwebtoken::crypto::aws_lc;
use url::Url;

use super::{
    super::{SourceError, fetch},
    ClaimNames, Inner, Jwt, Keys,
    jwks::{Endpoint, Jwks},
    keys::Key,
};

/// Beyond this a leeway is a mistake.
const MAX_LEEWAY: Duration = Duration::from_secs(3600);

/// Configures a [`Jwt`]. The issuer, where keys come from, and the audience (or that it does not matter) are needed.
#[derive(Default)]
#[must_use]
pub struct JwtBuilder {
    issuer: Option<String>,
    audiences: Option<Vec<String>>,
    any_audience: bool,
    leeway: Option<Duration>,
    username_claim: Option<String>,
    email_claim: Option<String>,
    keys: Option<KeySource>,
}

enum KeySource {
    Discover,
    Jwks(Url),
    Pem(String),
    Secret(Secret),
}

impl JwtBuilder {
    /// The `iss` of tokens, compared byte for byte (a trailing `/` matters).
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// An `aud` that is accepted. Called more than once: one of them is enough.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.get_or_insert_default().push(audience.into());
        self
    }

    /// Accepts any `aud`, and none: every token of the issuer, also those made for other applications, is then a
    /// gateway token.
    pub fn any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// Finds the keys through `{issuer}/.well-known/openid-configuration` (OpenID Connect Discovery 1.0). As all that
    /// say where keys come from, it replaces what was said before.
    pub fn discover(mut self) -> Self {
        self.keys = Some(KeySource::Discover);
        self
    }

    /// Fetches the keys from this URL, a JWK set (RFC 7517). Only asymmetric keys are taken from it, and `use`,
    /// `key_ops` and `alg` of a key are honoured.
    ///
    /// They are fetched when first needed, again in the background when older than 15 min, and at most every 30 s for
    /// a key that is not among them. While the URL is down the keys serve on for up to 24 h. 10 s and 1 MiB are the
    /// limits of a fetch.
    pub fn jwks_url(mut self, url: Url) -> Self {
        self.keys = Some(KeySource::Jwks(url));
        self
    }

    /// A public key: the PEM of an RSA (at least 2048 bits), P-256, P-384 or Ed25519 key.
    pub fn pem(mut self, pem: impl Into<String>) -> Self {
        self.keys = Some(KeySource::Pem(pem.into()));
        self
    }

    /// A secret shared with the issuer: 32 bytes at least for HS256, 48 for HS384, 64 for HS512.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.keys = Some(KeySource::Secret(secret));
        self
    }

    /// How far the issuer's clock may be off, in whole seconds up to an hour. 60 s by default.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = Some(leeway);
        self
    }

    /// The claim that holds the e-mail address, kept as the actor's `email`. Default: `email`.
    pub fn email_claim(mut self, name: impl Into<String>) -> Self {
        self.email_claim = Some(name.into());
        self
    }

    /// The claim that holds the username. When a token does not have it, the usual ones are looked at.
    pub fn username_claim(mut self, name: impl Into<String>) -> Self {
        self.username_claim = Some(name.into());
        self
    }

    /// Builds the source. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// When something needed is missing, a key or URL is not usable, or the HTTP client cannot be set up.
    pub fn build(self) -> Result<Jwt, SourceError> {
        // Which library verifies is decided per process. A host whose other dependencies switch on a second one in
        // `jsonwebtoken` would see it panic; if the host has decided itself, that stands.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();

        let issuer = self.issuer.filter(|issuer| !issuer.is_empty()).ok_or(SourceError::Missing("the token issuer"))?;
        let audiences = match self.audiences {
            _ if self.any_audience => None,
            Some(audiences) => Some(audiences),
            None => return Err(SourceError::Missing("the token audience")),
        };
        let remote = |endpoint| Jwks::new(endpoint).map(|jwks| Keys::Remote(Arc::new(jwks)));
        let keys = match self.keys.ok_or(SourceError::Missing("the source of token keys"))? {
            KeySource::Discover => remote(Endpoint::discover(&issuer)?)?,
            KeySource::Jwks(url) => remote(Endpoint::Jwks(fetch::http_url(url, "the key set URL")?))?,
            KeySource::Pem(pem) => Keys::Fixed(Key::from_pem(&pem)?),
            KeySource::Secret(secret) => Keys::Fixed(Key::from_secret(secret.expose().as_bytes())?),
        };
        let leeway = self.leeway.unwrap_or(Duration::from_secs(60)).min(MAX_LEEWAY).as_secs();
        let names = ClaimNames { username: self.username_claim, email: self.email_claim };
        Ok(Jwt(Arc::new(Inner { issuer, audiences, leeway, names, keys })))
    }
}

impl fmt::Debug for JwtBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
