use std::{error::Error, fmt};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::BoxFuture;

/// The tokens that users have for the servers that want one: what an actor's account linked, kept and refreshed by the host.
///
/// The host keeps tokens fresh: [`token`](Self::token) gives one that has not expired, and what [`refresh`](Self::refresh)
/// gets is what `token` gives from then on. It also sees to it that one token is refreshed once at a time, also among
/// replicas.
pub trait Credentials: Send + Sync + 'static {
    /// The actor's token for the server of this id; `None` if the actor has none, which means: no tools, and no
    /// connection is tried.
    ///
    /// Asked for before a call and every few seconds of use, so it should come from memory or a fast look-up.
    fn token(&self, actor: Uuid, server: &str) -> BoxFuture<Result<Option<Token>, CredentialsError>>;

    /// A new token in place of `used`, which the server has refused with 401; `None` if there is no way to get one.
    ///
    /// Asked for once. If the server refuses the new one too, its tools stay away until [`token`](Self::token) gives
    /// another.
    fn refresh(&self, actor: Uuid, server: &str, used: &Token) -> BoxFuture<Result<Option<Token>, CredentialsError>>;
}

/// Why credentials could not be had. What it says is logged, so it must not hold secrets.
pub type CredentialsError = Box<dyn Error + Send + Sync>;

/// A bearer token (RFC 6750). Nobody sees it in `Debug`, and its memory is wiped.
///
/// ```
/// let token = aibridge_mcp::Token::new("gho_secret");
/// assert_eq!(format!("{token:?}"), "Token(..)");
/// assert_eq!(token.expose(), "gho_secret");
/// ```
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// The token, without `Bearer `.
    pub fn new(token: impl Into<String>) -> Token {
        Token(SecretString::from(token.into()))
    }

    /// The token in the clear.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(crate) fn digest(&self) -> TokenDigest {
        TokenDigest(Some(Sha256::digest(self.expose()).into()))
    }
}

impl From<SecretString> for Token {
    fn from(token: SecretString) -> Token {
        Token(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Tells credentials apart without being one. The default is that of no token.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TokenDigest(Option<[u8; 32]>);
