//! Gateway tokens: `<10 characters>-<22 characters>` of `[A-Za-z0-9]`. The first part names the key, the second is its
//! secret, of which only the SHA-256 is kept.

use rand::{RngExt, distr::Alphanumeric};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::accounts::ApiKey;

const ID: usize = 10;
/// log2(62) bits each: 131 in all.
const SECRET: usize = 22;

/// A new key's id, the whole token, and what is kept of its secret.
pub(crate) fn generate() -> (String, SecretString, [u8; 32]) {
    let random = |length| rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect::<String>();
    let (id, secret): (String, String) = (random(ID), random(SECRET));
    let hash = hash_secret(&secret);
    let token = SecretString::from(format!("{id}-{secret}"));
    (id, token, hash)
}

/// What is kept of a secret.
pub fn hash_secret(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

impl ApiKey {
    /// Whether `secret` is this key's, in a time that does not depend on how much of it is right. Says nothing about
    /// whether the key may still be used.
    pub fn verify_secret(&self, secret: &str) -> bool {
        self.hashed_secret.ct_eq(&hash_secret(secret)).into()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_have_the_documented_form_and_differ() {
        let (id, token, hash) = generate();
        let (before, secret) = token.expose_secret().split_once('-').unwrap();
        assert_eq!((before, secret.len()), (&*id, 22));
        assert_eq!(id.len(), 10);
        assert!((id.clone() + secret).bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(hash, hash_secret(secret));
        assert_ne!(generate().2, hash);
    }
}
