use secrecy::{ExposeSecret, SecretString};

/// A credential. It has no `Debug` or `Display` that shows it, and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the value in.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(SecretString::from(value.into()))
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// First and last characters of the value, as recorded: see [`hint`].
    pub fn hint(&self) -> String {
        hint(self.expose())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// First and last characters of a key (4+4 from 20 characters on, 2+2 from 10, 1+1 from 5, otherwise none), joined
/// by `...`.
pub fn hint(key: &str) -> String {
    todo!("{key}")
}
