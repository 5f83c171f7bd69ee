mod claims;
mod keys;
mod remote;

use std::time::Duration;

use aibridge_providers::provider::Secret;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::{Jwt, JwtBuilder};
use crate::auth::{Actor, AuthError, Authenticate as _};

const ISSUER: &str = "https://id.example.com";

/// An issuer's key.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    public_pem: String,
}

impl Signer {
    fn new(algorithm: Algorithm) -> Signer {
        let (pair, read): (_, fn(&[u8]) -> _) = match algorithm {
            Algorithm::ES256 => (&PKCS_ECDSA_P256_SHA256, EncodingKey::from_ec_pem),
            Algorithm::ES384 => (&PKCS_ECDSA_P384_SHA384, EncodingKey::from_ec_pem),
            _ => (&PKCS_RSA_SHA256, EncodingKey::from_rsa_pem),
        };
        let pair = KeyPair::generate_for(pair).unwrap();
        let key = read(pair.serialize_pem().as_bytes()).unwrap();
        Signer { algorithm, key, public_pem: pair.public_key_pem() }
    }

    /// Its public half, without `alg`.
    fn jwk(&self, more: Value) -> Value {
        let mut jwk = json!(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap());
        jwk.as_object_mut().unwrap().remove("alg");
        with(jwk, more)
    }

    fn sign(&self, kid: Option<&str>, claims: Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(Into::into);
        encode(&header, &claims, &self.key).unwrap()
    }
}

fn with(mut value: Value, more: Value) -> Value {
    for (name, new) in more.as_object().unwrap() {
        value[name] = new.clone();
    }
    value
}

fn now() -> u64 {
    get_current_timestamp()
}

/// Good claims.
fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "aibridge", "sub": "ada", "exp": now() + 3600 })
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn builder() -> JwtBuilder {
    Jwt::builder().issuer(ISSUER).audience("aibridge")
}

fn secret(length: usize) -> Secret {
    Secret::new("s".repeat(length))
}

fn hmac(algorithm: Algorithm, secret: &[u8], claims: Value) -> String {
    encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret)).unwrap()
}

impl Jwt {
    async fn ask(&self, token: &str) -> Result<Actor, AuthError> {
        self.authenticate(&Secret::new(token)).await
    }
}
