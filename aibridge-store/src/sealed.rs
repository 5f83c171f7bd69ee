//! Secrets at rest: AES-256-GCM under keys that are not in the database.
//!
//! A sealed value is bound to its place: it opens only with the same context it was sealed with, so that a row cannot be
//! moved to another user by whoever can write to the database.
//!
//! ```
//! use aibridge_store::sealed::{Key, Keyring};
//!
//! let (old, new) = (Key::generate()?.0, Key::generate()?.0);
//! let before = Keyring::new([old.clone()]).expect("a key");
//! let (key_id, sealed) = before.seal(b"alice", "token")?;
//!
//! // The first key seals, all of them open: that is how keys are changed.
//! let keys = Keyring::new([new, old]).expect("a key");
//! assert_eq!(keys.open(&key_id, b"alice", &sealed)?, "token");
//! assert!(keys.open(&key_id, b"bob", &sealed).is_err());
//! # Ok::<(), aibridge_store::sealed::SealError>(())
//! ```

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{SecretString, zeroize::Zeroizing};
use sha2::{Digest, Sha256};

/// Bytes of a key.
const KEY: usize = 32;

/// A 256-bit key.
#[derive(Clone)]
pub struct Key {
    id: String,
    key: Arc<RandomizedNonceKey>,
}

impl Key {
    /// Reads 32 bytes in base64, as `openssl rand -base64 32` prints them.
    ///
    /// # Errors
    ///
    /// When it is not base64, or not of 32 bytes. The text is not quoted.
    pub fn from_base64(text: &str) -> Result<Key, SealError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| SealError::NotBase64)?);
        Key::new(&bytes)
    }

    /// A new key, and its text for [`from_base64`](Key::from_base64).
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn generate() -> Result<(Key, SecretString), SealError> {
        let mut bytes = Zeroizing::new([0; KEY]);
        rand::fill(&mut *bytes).map_err(|_| SealError::Failed)?;
        Ok((Key::new(&*bytes)?, STANDARD.encode(bytes.as_slice()).into()))
    }

    fn new(bytes: &[u8]) -> Result<Key, SealError> {
        if bytes.len() != KEY {
            return Err(SealError::Length(bytes.len()));
        }
        // Eight characters tell a handful of keys apart and say nothing of them.
        let id = Sha256::digest(bytes).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| SealError::Failed)?;
        Ok(Key { id, key: Arc::new(key) })
    }

    /// Names the key without giving it away: the beginning of its SHA-256.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One key or several, of which the first seals and all open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<[Key]>);

impl Keyring {
    /// These keys; `None` without any.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Option<Keyring> {
        let keys: Arc<[Key]> = keys.into_iter().collect();
        (!keys.is_empty()).then_some(Keyring(keys))
    }

    /// Whether it has the key of that id.
    pub fn holds(&self, key_id: &str) -> bool {
        self.0.iter().any(|key| key.id == key_id)
    }

    /// Seals `secret` for the place that `context` names. Returns the key's id and the sealed bytes: a random nonce of 96
    /// bits, the ciphertext, the tag.
    ///
    /// # Errors
    ///
    /// When the cipher fails, which it does only without randomness.
    pub fn seal(&self, context: &[u8], secret: &str) -> Result<(String, Vec<u8>), SealError> {
        let key = self.0.first().ok_or(SealError::Failed)?;
        let mut sealed = secret.as_bytes().to_vec();
        let nonce = key.key.seal_in_place_append_tag(Aad::from(context), &mut sealed).map_err(|_| SealError::Failed)?;
        sealed.splice(..0, *nonce.as_ref());
        Ok((key.id.clone(), sealed))
    }

    /// Opens what was sealed under the key of that id, for the same place.
    ///
    /// # Errors
    ///
    /// When the key is not on the ring, or the bytes were changed or moved.
    pub fn open(&self, key_id: &str, context: &[u8], sealed: &[u8]) -> Result<String, SealError> {
        let key = self.0.iter().find(|key| key.id == key_id).ok_or_else(|| SealError::Key(key_id.to_owned()))?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Changed)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let secret = key.key.open_in_place(nonce, Aad::from(context), &mut opened).map_err(|_| SealError::Changed)?;
        str::from_utf8(secret).map(str::to_owned).map_err(|_| SealError::Changed)
    }
}

/// Why a secret could not be sealed or opened, or a key not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key is not base64.
    #[error("not base64")]
    NotBase64,
    /// The key is not of 32 bytes.
    #[error("{0} bytes long and not 32")]
    Length(usize),
    /// The key it is sealed under is not there.
    #[error("it is encrypted under the key {0}, which is not configured")]
    Key(String),
    /// It does not open: it was changed, or is not where it was sealed for.
    #[error("it does not decrypt: it was changed or moved")]
    Changed,
    /// The cipher or the source of randomness failed.
    #[error("encryption failed")]
    Failed,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn key() -> Key {
        Key::generate().unwrap().0
    }

    fn ring(keys: impl IntoIterator<Item = Key>) -> Keyring {
        Keyring::new(keys).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_and_does_not_show() {
        let keys = ring([key()]);
        for secret in ["", "t", "gho_0123456789", &"long ".repeat(1000)] {
            let (id, sealed) = keys.seal(b"alice", secret).unwrap();
            assert_eq!(keys.open(&id, b"alice", &sealed).unwrap(), secret);
            assert_eq!(sealed.len(), 12 + secret.len() + 16);
            assert!(secret.len() < 2 || !sealed.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }

    #[test]
    fn the_same_secret_is_sealed_differently_each_time() {
        let keys = ring([key()]);
        assert_ne!(keys.seal(b"", "token").unwrap().1, keys.seal(b"", "token").unwrap().1);
    }

    #[test]
    fn no_bit_can_be_changed_and_no_place() {
        let keys = ring([key()]);
        let (id, sealed) = keys.seal(b"alice", "token").unwrap();
        for at in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert_eq!(keys.open(&id, b"alice", &changed), Err(SealError::Changed), "bit {at}");
        }
        for length in 0..sealed.len() {
            assert_eq!(keys.open(&id, b"alice", &sealed[..length]), Err(SealError::Changed), "{length} bytes");
        }
        assert_eq!(keys.open(&id, b"bob", &sealed), Err(SealError::Changed));
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let (old, new) = (key(), key());
        let (id, sealed) = ring([old.clone()]).seal(b"", "token").unwrap();
        let both = ring([new.clone(), old.clone()]);
        assert_eq!(both.open(&id, b"", &sealed).unwrap(), "token");
        assert_eq!(both.seal(b"", "token").unwrap().0, new.id());
        assert!(both.holds(old.id()) && !ring([new.clone()]).holds(old.id()));
        assert_eq!(ring([new]).open(&id, b"", &sealed), Err(SealError::Key(id.clone())));
        assert!(Keyring::new([]).is_none());
    }

    #[test]
    fn keys_are_32_bytes_of_base64() {
        let (key, text) = Key::generate().unwrap();
        let again = Key::from_base64(&format!(" {}\n", text.expose_secret())).unwrap();
        assert_eq!(again.id(), key.id());
        assert_eq!(Key::from_base64("canary!").unwrap_err(), SealError::NotBase64);
        assert_eq!(Key::from_base64(&STANDARD.encode([0; 31])).unwrap_err(), SealError::Length(31));
        assert_eq!(Key::from_base64("").unwrap_err(), SealError::Length(0));
        assert_eq!(format!("{key:?}"), format!("Key {{ id: {:?}, .. }}", key.id()));
    }
}
