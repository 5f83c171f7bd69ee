//! JSON Web Tokens (RFC 7519) as gateway tokens.

mod builder;
mod claims;
mod jwks;
mod keys;
#[cfg(test)]
mod tests;

use std::{fmt, slice, sync::Arc};

use aibridge_providers::provider::Secret;
use jsonwebtoken::{
    Algorithm, Header, Validation, dangerous::insecure_decode_claims, decode, decode_header, errors::ErrorKind,
};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use builder::JwtBuilder;

use self::{claims::ClaimNames, jwks::Jwks, keys::Key};
use super::SourceFuture;
use crate::auth::{Actor, AuthError, Authenticate};

/// Users whose tokens are signed by an issuer: HS, RS, PS, ES (P-256, P-384) and EdDSA, as fits the key.
///
/// A token must carry a good signature, `exp`, `sub`, the configured `iss` and one of the configured `aud`; `nbf` is
/// kept if it is there. What is not three base64url parts is [`Malformed`](AuthError::Malformed), so that the next
/// source of a [`Chain`](super::Chain) may take it; expired is [`Expired`](AuthError::Expired); everything else that
/// is wrong is [`Unknown`](AuthError::Unknown). A key set that cannot be had is
/// [`Unavailable`](AuthError::Unavailable).
///
/// [`Actor::id`] is `sub` if that is a UUID, else the UUIDv5 in the URL namespace of `iss`, NUL, `sub`; the username is
/// the first of `preferred_username`, `email`, `name` and `sub`; the metadata has `email`, `name`, `groups` and
/// `roles`, as far as the token has them.
///
/// ```
/// use aibridge_tower::auth::source::Jwt;
///
/// // OpenID Connect: the keys are found through the issuer, on the first token.
/// let jwt = Jwt::builder().issuer("https://id.example.com").audience("aibridge").discover().build()?;
/// # Ok::<_, aibridge_tower::auth::source::SourceError>(())
/// ```
#[derive(Clone)]
pub struct Jwt(Arc<Inner>);

struct Inner {
    issuer: String,
    /// `None`: any, or none.
    audiences: Option<Vec<String>>,
    /// In seconds.
    leeway: u64,
    names: ClaimNames,
    keys: Keys,
}

enum Keys {
    Fixed(Key),
    Remote(Arc<Jwks>),
}

impl Jwt {
    /// Starts with nothing configured.
    pub fn builder() -> JwtBuilder {
        JwtBuilder::default()
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

impl Authenticate for Jwt {
    type Future = SourceFuture;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        let inner = Arc::clone(&self.0);
        let token = token.clone();
        Box::pin(async move { inner.check(token.expose()).await })
    }
}

impl Inner {
    async fn check(&self, token: &str) -> Result<Actor, AuthError> {
        let header = self.screen(token)?;
        let claims = match &self.keys {
            Keys::Fixed(key) => self.verify(slice::from_ref(key), &header, token),
            Keys::Remote(jwks) => {
                let set = jwks.current().await?;
                match self.verify(&set.keys, &header, token) {
                    Err(Refused::NoKey) => match jwks.newer_than(&set).await? {
                        Some(newer) => self.verify(&newer.keys, &header, token),
                        None => Err(Refused::NoKey),
                    },
                    verified => verified,
                }
            }
        };
        match claims {
            Ok(claims) => self.names.actor(&claims),
            Err(Refused::NoKey) => Err(AuthError::Unknown),
            Err(Refused::Because(error)) => Err(error),
        }
    }

    /// Turns away what needs no key to be refused. In particular a token of another issuer: it must not make this one
    /// fetch keys, and has no part in it when they cannot be had.
    fn screen(&self, token: &str) -> Result<Header, AuthError> {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }

        if !has_three_parts(token) {
            return Err(AuthError::Malformed);
        }
        let header = decode_header(token).map_err(|_| AuthError::Unknown)?;
        // RFC 7515, section 4.1.11: extensions that must be understood. None is.
        if header.crit.is_some() {
            return Err(AuthError::Unknown);
        }
        match insecure_decode_claims::<Issuer>(token) {
            Ok(claims) if claims.iss == self.issuer => Ok(header),
            _ => Err(AuthError::Unknown),
        }
    }

    /// The claims, if one of `keys` has signed them and they hold.
    fn verify(&self, keys: &[Key], header: &Header, token: &str) -> Result<Map<String, Value>, Refused> {
        let kid = header.kid.as_deref();
        let validation = self.validation(header.alg);
        let mut refused = Refused::NoKey;
        for key in keys.iter().filter(|key| key.fits(header.alg, kid)) {
            match decode::<Map<String, Value>>(token, &key.key, &validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) => match error.kind() {
                    ErrorKind::ExpiredSignature => return Err(AuthError::Expired.into()),
                    // The signature is good, the claims are not.
                    ErrorKind::ImmatureSignature
                    | ErrorKind::InvalidAudience
                    | ErrorKind::InvalidIssuer
                    | ErrorKind::InvalidClaimFormat(_)
                    | ErrorKind::MissingRequiredClaim(_) => return Err(AuthError::Unknown.into()),
                    // The very key that the token names did not sign it: no other will have.
                    _ if key.is(kid) => refused = AuthError::Unknown.into(),
                    _ => {}
                },
            }
        }
        Err(refused)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway;
        validation.validate_nbf = true;
        validation.set_issuer(slice::from_ref(&self.issuer));
        match &self.audiences {
            Some(audiences) => {
                validation.set_audience(audiences);
                validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
            }
            None => {
                validation.validate_aud = false;
                validation.set_required_spec_claims(&["exp", "iss", "sub"]);
            }
        }
        validation
    }
}

enum Refused {
    /// No key is known that could have signed the token: there may be a newer one.
    NoKey,
    Because(AuthError),
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Refused {
        Refused::Because(error)
    }
}

/// RFC 7515, section 7.1. The signature is empty in an unsecured token, which is not accepted later on.
fn has_three_parts(token: &str) -> bool {
    let base64url = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let mut parts = token.split('.');
    let part = parts.next().zip(parts.next()).zip(parts.next());
    matches!(part, Some(((header, claims), signature))
        if !header.is_empty() && !claims.is_empty() && [header, claims, signature].into_iter().all(base64url))
        && parts.next().is_none()
}
