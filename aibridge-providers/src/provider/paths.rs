//! What is done to a path before routes are looked up: refusing what could mean two things, and stripping what a
//! client's base URL doubled.

use std::borrow::Cow;

/// Names the first thing in `path` that two servers could read differently, if there is one.
///
/// A path that means one route here and another one upstream would pass the allow-list, so it is refused, never
/// normalised.
pub(super) fn unsafe_part(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    if memchr::memchr(b'\\', bytes).is_some() {
        return Some("a backslash");
    }
    for at in memchr::memchr_iter(b'%', bytes) {
        match bytes.get(at + 1..at + 3) {
            Some([b'2', b'f' | b'F']) => return Some("%2f"),
            Some([b'5', b'c' | b'C']) => return Some("%5c"),
            Some([b'0', b'0']) => return Some("%00"),
            _ => {}
        }
    }
    if path.contains("//") {
        return Some("//");
    }
    path.split('/').any(is_dot_segment).then_some("a dot segment")
}

/// Whether `segment` is `.` or `..`, each dot possibly percent-encoded (WHATWG URL, "single-dot" and "double-dot
/// URL path segment").
fn is_dot_segment(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    for _ in 0..2 {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return false,
        };
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// `path` without its leading `/v1`, or the `/v1/v1` that a base URL ending in `/v1` leads to.
pub(super) fn without_version(path: &str) -> &str {
    let once = |path| match str::strip_prefix(path, "/v1") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    once(once(path))
}

/// `path` with every percent-encoded byte decoded, for comparing only.
///
/// Without this, `/v1/responses/%63ompact` would pass as a response id here and be the intercepted route upstream.
pub(crate) fn decoded(path: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', path.as_bytes()).is_none() {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                bytes.push(high << 4 | low);
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(path), Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_servers_could_read_differently_is_named() {
        for (path, part) in [
            ("//v1/messages", "//"),
            ("/v1//messages", "//"),
            ("/v1/messages//", "//"),
            ("/v1/models/../organization", "a dot segment"),
            ("/v1/models/.", "a dot segment"),
            ("/./v1/models", "a dot segment"),
            ("..", "a dot segment"),
            ("/v1/models/%2e%2E/organization", "a dot segment"),
            ("/v1/models/.%2e", "a dot segment"),
            ("/v1/models/%2E/", "a dot segment"),
            ("/v1/models/..%2forganization", "%2f"),
            ("/v1/models/a%2Fb", "%2f"),
            ("/v1/models/a%5cb", "%5c"),
            ("/v1/models/a%5Cb", "%5c"),
            ("/v1/models/a%00", "%00"),
            ("/v1\\messages", "a backslash"),
        ] {
            assert_eq!(unsafe_part(path), Some(part), "{path}");
        }
    }

    #[test]
    fn dots_and_percent_signs_within_a_name_are_safe() {
        for path in ["", "/", "/v1/models/gpt-4.1", "/v1/models/...", "/v1/models/a%2e1", "/v1/models/%2e%2e%2e", "/x%"]
        {
            assert_eq!(unsafe_part(path), None, "{path}");
        }
    }

    #[test]
    fn at_most_two_whole_version_segments_are_stripped() {
        for (path, rest) in [
            ("/v1/messages", "/messages"),
            ("/v1/v1/messages", "/messages"),
            ("/v1/v1/v1/messages", "/v1/messages"),
            ("/v1", ""),
            ("/v1beta/models", "/v1beta/models"),
            ("/messages", "/messages"),
            ("", ""),
        ] {
            assert_eq!(without_version(path), rest, "{path}");
        }
    }

    #[test]
    fn malformed_escapes_are_left_as_they_are() {
        for (path, plain) in
            [("/a%", "/a%"), ("/a%6", "/a%6"), ("/a%zz", "/a%zz"), ("/%63%4F", "/cO"), ("/%ff", "/%ff"), ("/ä", "/ä")]
        {
            assert_eq!(decoded(path), plain);
        }
    }
}
