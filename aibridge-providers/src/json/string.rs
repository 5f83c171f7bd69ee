//! What JSON strings mean.

use std::borrow::Cow;

/// What the text between the quotes of a valid JSON string means.
pub(super) fn unescape(raw: &[u8]) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw) else {
        // Valid already, so this borrows.
        return String::from_utf8_lossy(raw);
    };
    let mut text = String::with_capacity(raw.len());
    text.push_str(&String::from_utf8_lossy(&raw[..first]));
    let mut rest = &raw[first..];
    while let [b'\\', kind, after @ ..] = rest {
        let (character, after) = match kind {
            b'n' => ('\n', after),
            b't' => ('\t', after),
            b'r' => ('\r', after),
            b'b' => ('\u{8}', after),
            b'f' => ('\u{c}', after),
            b'u' => unicode(after),
            other => (char::from(*other), after),
        };
        text.push(character);
        let plain = memchr::memchr(b'\\', after).unwrap_or(after.len());
        text.push_str(&String::from_utf8_lossy(&after[..plain]));
        rest = &after[plain..];
    }
    Cow::Owned(text)
}

/// The character that begins with the four hex digits at the start of `text`, and what follows it.
fn unicode(text: &[u8]) -> (char, &[u8]) {
    let Some((first, rest)) = hex(text) else { return (char::REPLACEMENT_CHARACTER, &[]) };
    if let Some(character) = char::from_u32(first) {
        return (character, rest);
    }
    // A high surrogate followed by a low one is one character; any other surrogate stands alone.
    if let (0xd800..0xdc00, Some((second @ 0xdc00..0xe000, after))) = (first, rest.strip_prefix(b"\\u").and_then(hex)) {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), after);
    }
    (char::REPLACEMENT_CHARACTER, rest)
}

fn hex(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let mut code = 0;
    for digit in digits {
        code = code << 4 | char::from(*digit).to_digit(16)?;
    }
    Some((code, rest))
}

/// Whether the text between the quotes of a valid JSON string means `text`.
#[inline]
pub(super) fn means(raw: &[u8], text: &str) -> bool {
    // An escape is longer than what it stands for, except that `\\`, looked at alone, is two bytes for one.
    match raw.len().cmp(&text.len()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => raw == text.as_bytes() && !raw.contains(&b'\\'),
        std::cmp::Ordering::Greater => raw.contains(&b'\\') && unescape(raw) == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_the_rfc_says() {
        assert_eq!(unescape(br#"a\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00z"#), "a\"\\/\u{8}\u{c}\n\r\té€😀z");
        assert!(matches!(unescape("plain é".as_bytes()), Cow::Borrowed("plain é")));
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        assert_eq!(unescape(br"\ud83d"), "\u{fffd}");
        assert_eq!(unescape(br"\ude00x"), "\u{fffd}x");
        assert_eq!(unescape(br"\ud83d\n"), "\u{fffd}\n");
        assert_eq!(unescape(br"\ud83d\ud83d\ude00"), "\u{fffd}😀");
        assert_eq!(unescape(br"\ud83d\u0041"), "\u{fffd}A");
    }

    #[test]
    fn keys_are_compared_by_meaning() {
        assert!(means(b"model", "model"));
        assert!(means(br"m\u006fdel", "model"));
        assert!(means(br"\u006dodel", "model"));
        assert!(!means(b"models", "model"));
        assert!(!means(b"nodel", "model"));
        assert!(!means(b"", "model"));
        assert!(means(b"", ""));
        assert!(!means(b"model", ""));
        assert!(!means(b"mode", "model"));
        assert!(means(br"\\", "\\"));
        assert!(!means(br"\\", "\\\\"));
    }
}
