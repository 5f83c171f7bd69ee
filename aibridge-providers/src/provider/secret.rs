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
    let count = key.chars().count();
    let shown = match count {
        20.. => 4,
        10.. => 2,
        5.. => 1,
        _ => return String::new(),
    };
    let mut hint: String = key.chars().take(shown).collect();
    hint.push_str("...");
    hint.extend(key.chars().skip(count - shown));
    hint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_shows_more_of_longer_keys_and_nothing_of_short_ones() {
        for (key, shown) in [
            ("", ""),
            ("abcd", ""),
            ("abcde", "a...e"),
            ("abcdefghi", "a...i"),
            ("abcdefghij", "ab...ij"),
            ("abcdefghijklmnopqrs", "ab...rs"),
            ("abcdefghijklmnopqrst", "abcd...qrst"),
            ("sk-ant-api03-0123456789", "sk-a...6789"),
        ] {
            assert_eq!(hint(key), shown, "{key}");
            assert_eq!(Secret::new(key).hint(), shown, "{key}");
        }
    }

    #[test]
    fn a_hint_counts_characters_not_bytes() {
        assert_eq!(hint("äöüß"), "");
        assert_eq!(hint("äöüßé"), "ä...é");
        assert_eq!(hint(&"ä".repeat(19)), "ää...ää");
    }

    #[test]
    fn debug_output_does_not_show_the_value() {
        assert_eq!(format!("{:?}", Secret::new("sk-secret")), "Secret");
    }
}
