//! Passing over values of text that is already known to be valid, from either end.

/// The end of the value that begins at `start`.
pub(super) fn value_end(text: &[u8], start: usize) -> usize {
    match text.get(start) {
        Some(b'"') => string_end(text, start),
        Some(b'{' | b'[') => container_end(text, start),
        _ => scalar_end(text, start),
    }
}

/// The end of the string whose opening quote is at `start`.
#[inline]
pub(super) fn string_end(text: &[u8], start: usize) -> usize {
    let mut from = start + 1;
    while let Some(length) = memchr::memchr(b'"', text.get(from..).unwrap_or_default()) {
        let quote = from + length;
        // Escaped, if an odd number of backslashes comes before it.
        let backslashes = text[from..quote].iter().rev().take_while(|&&byte| byte == b'\\').count();
        from = quote + 1;
        if backslashes % 2 == 0 {
            return from;
        }
    }
    text.len()
}

fn container_end(text: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut pos = start;
    while let Some(byte) = text.get(pos) {
        match byte {
            b'"' => {
                pos = string_end(text, pos);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return pos + 1;
                }
            }
            _ => {}
        }
        pos += 1;
    }
    text.len()
}

fn scalar_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.iter().position(|&byte| !is_scalar(byte)).unwrap_or(rest.len())
}

/// The start of the value that ends where `text` ends.
pub(super) fn last_value_start(text: &[u8]) -> usize {
    match text.last() {
        Some(b'"') => last_string_start(text),
        Some(b'}' | b']') => last_container_start(text),
        _ => text.iter().rposition(|&byte| !is_scalar(byte)).map_or(0, |before| before + 1),
    }
}

/// The start of the string whose closing quote is the last byte.
fn last_string_start(text: &[u8]) -> usize {
    let mut end = text.len().saturating_sub(1);
    loop {
        // A quote inside a string follows a backslash; the opening quote follows punctuation or whitespace.
        match memchr::memrchr(b'"', &text[..end]) {
            Some(quote) if quote > 0 && text[quote - 1] == b'\\' => end = quote,
            Some(quote) => return quote,
            None => return 0,
        }
    }
}

fn last_container_start(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut end = text.len();
    while let Some(last) = end.checked_sub(1) {
        match text[last] {
            b'"' => {
                end = last_string_start(&text[..end]);
                continue;
            }
            b'}' | b']' => depth += 1,
            b'{' | b'[' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return last;
                }
            }
            _ => {}
        }
        end = last;
    }
    0
}

/// Whether a byte can belong to a number or a literal.
#[inline]
fn is_scalar(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.')
}
