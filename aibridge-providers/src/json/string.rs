//! The inside of JSON strings: where they stop, what they mean.

use std::borrow::Cow;

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// How many bytes are tested at once; a multiple of 8. The test over them compiles to vector instructions.
const CHUNK: usize = 32;

/// The first position from `pos` on that holds a quote, a backslash or a control character; else the end of `text`.
#[inline]
pub(super) fn stop(text: &[u8], mut pos: usize) -> usize {
    // Keys and other short strings end within the first words.
    for _ in 0..CHUNK / 8 {
        match word_stop(text, pos) {
            Word::Stop(at) => return at,
            Word::Next(next) => pos = next,
            Word::Short => return slow_stop(text, pos),
        }
    }
    while let Some(chunk) = text.get(pos..).and_then(<[u8]>::first_chunk::<CHUNK>) {
        if chunk.iter().fold(false, |stop, &byte| stop | is_stop(byte)) {
            break;
        }
        pos += CHUNK;
    }
    loop {
        match word_stop(text, pos) {
            Word::Stop(at) => return at,
            Word::Next(next) => pos = next,
            Word::Short => return slow_stop(text, pos),
        }
    }
}

enum Word {
    Stop(usize),
    Next(usize),
    Short,
}

#[inline(always)]
fn word_stop(text: &[u8], pos: usize) -> Word {
    let Some(word) = text.get(pos..).and_then(<[u8]>::first_chunk::<8>) else { return Word::Short };
    let word = u64::from_le_bytes(*word);
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    // The high bit of each byte that is zero, or below 0x20. A borrow can only flag bytes above a true hit, so the
    // lowest flag is exact.
    let stops = ((quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGH;
    if stops == 0 { Word::Next(pos + 8) } else { Word::Stop(pos + stops.trailing_zeros() as usize / 8) }
}

fn slow_stop(text: &[u8], pos: usize) -> usize {
    let rest = text.get(pos..).unwrap_or_default();
    pos + rest.iter().position(|&byte| is_stop(byte)).unwrap_or(rest.len())
}

#[inline(always)]
fn is_stop(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

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
    fn a_string_stops_at_the_first_special_byte_wherever_it_lies() {
        for length in 0..140 {
            let plain = vec![b'a'; length];
            assert_eq!(stop(&plain, 0), length);
            for at in 0..length {
                for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                    let mut text = plain.clone();
                    text[at] = special;
                    if let Some(later) = text.get_mut(at + 1) {
                        *later = b'"';
                    }
                    assert_eq!(stop(&text, 0), at, "{special:#x} at {at} of {length}");
                    assert_eq!(stop(&text, at), at);
                }
            }
        }
    }

    #[test]
    fn bytes_above_ascii_and_delete_do_not_stop() {
        let text: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != b'"' && *byte != b'\\').cycle().take(900).collect();
        for start in 0..100 {
            assert_eq!(stop(&text, start), text.len());
        }
    }

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
        assert!(!means(b"models", "model"));
        assert!(!means(b"mode", "model"));
        assert!(means(br"\\", "\\"));
        assert!(!means(br"\\", "\\\\"));
    }
}
