use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::super::SourceError;

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// A key, with the algorithms it may be used with. It is never the token that decides what kind of key it is: else an
/// RSA public key, which everybody knows, would do as an HMAC secret (RFC 8725, section 2.1).
pub(super) struct Key {
    pub(super) key: DecodingKey,
    id: Option<String>,
    algorithms: Vec<Algorithm>,
}

impl Key {
    /// A public key of a key set. `None` if it is not for signatures, or not of a kind that is known, in which case
    /// RFC 7517, section 5 says to ignore it. Symmetric keys are not: a published one is no secret.
    fn from_jwk(jwk: &Jwk) -> Option<Key> {
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        if jwk.common.key_operations.as_ref().is_some_and(|allowed| !allowed.contains(&KeyOperations::Verify)) {
            return None;
        }
        let kind: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => &[Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => &[Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            _ => return None,
        };
        let algorithms = match jwk.common.key_algorithm {
            None => kind.to_vec(),
            Some(only) => vec![Algorithm::try_from(only).ok().filter(|only| kind.contains(only))?],
        };
        Some(Key { key: DecodingKey::from_jwk(jwk).ok()?, id: jwk.common.key_id.clone(), algorithms })
    }

    /// A public key in PEM: `PUBLIC KEY` (RFC 7468, section 13) or `RSA PUBLIC KEY`.
    pub(super) fn from_pem(pem: &str) -> Result<Key, SourceError> {
        let pem = pem.trim_start();
        // The library would look for something like a key in whatever else there is, e.g. in a certificate.
        if !["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"].iter().any(|label| pem.starts_with(label))
        {
            return Err(SourceError::Pem);
        }
        DecodingKey::from_rsa_pem(pem.as_bytes())
            .or_else(|_| DecodingKey::from_ec_pem(pem.as_bytes()))
            .or_else(|_| DecodingKey::from_ed_pem(pem.as_bytes()))
            // Reads the key, which the above do not, and tells the curve.
            .and_then(|key| Jwk::from_decoding_key(&key, None))
            .ok()
            .and_then(|jwk| Key::from_jwk(&jwk))
            .ok_or(SourceError::Pem)
    }

    /// A shared secret. RFC 7518, section 3.2 demands one at least as long as the hash.
    pub(super) fn from_secret(secret: &[u8]) -> Result<Key, SourceError> {
        let algorithms: Vec<_> = [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)]
            .into_iter()
            .filter_map(|(algorithm, length)| (secret.len() >= length).then_some(algorithm))
            .collect();
        if algorithms.is_empty() {
            return Err(SourceError::ShortSecret);
        }
        Ok(Key { key: DecodingKey::from_secret(secret), id: None, algorithms })
    }

    /// Whether the key may have signed a token with that `alg` and `kid`.
    pub(super) fn fits(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        self.algorithms.contains(&algorithm) && (self.id.is_none() || kid.is_none() || self.is(kid))
    }

    /// Whether it is the very key that the token names.
    pub(super) fn is(&self, kid: Option<&str>) -> bool {
        kid.is_some() && self.id.as_deref() == kid
    }
}

/// The usable keys of a JWK set (RFC 7517, section 5).
pub(super) fn from_jwks(body: &[u8]) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }

    let set: Set = serde_json::from_slice(body).map_err(|error| format!("not a key set: {error}"))?;
    let keys: Vec<_> =
        set.keys.into_iter().filter_map(|jwk| Key::from_jwk(&serde_json::from_value(jwk).ok()?)).collect();
    if keys.is_empty() { Err("the key set has no usable key".into()) } else { Ok(keys) }
}
