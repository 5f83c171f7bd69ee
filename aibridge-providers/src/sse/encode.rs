use bytes::Bytes;

/// An event: `event: NAME`, unless `name` is empty, then `data: DATA` and a blank line, with LF line ends.
///
/// `data` is JSON as a rule, one line; of several lines each becomes a `data` field, which readers join by LF again.
/// `name` must not contain a line end: what follows one is left out.
///
/// ```
/// use aibridge_providers::sse::encode;
///
/// assert_eq!(encode("ping", b"{}"), "event: ping\ndata: {}\n\n");
/// assert_eq!(encode("", b"[DONE]"), "data: [DONE]\n\n");
/// ```
pub fn encode(name: &str, data: &[u8]) -> Bytes {
    let mut event = Vec::new();
    encode_onto(&mut event, name, data);
    event.into()
}

/// Appends what [`encode`] returns to `event`.
pub(crate) fn encode_onto(event: &mut Vec<u8>, name: &str, data: &[u8]) {
    event.reserve(name.len() + data.len() + 24);
    if let Some(name) = name.split(['\n', '\r']).next().filter(|name| !name.is_empty()) {
        event.extend_from_slice(b"event: ");
        event.extend_from_slice(name.as_bytes());
        event.push(b'\n');
    }
    let mut rest = data;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
        rest = match after {
            [b'\r', b'\n', next @ ..] | [_, next @ ..] => next,
            [] => break,
        };
    }
    event.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::Decoder;

    #[test]
    fn what_is_written_is_read_again_with_lines_joined_by_lf() {
        for (data, read) in
            [("{}", "{}"), ("", ""), (" a", " a"), ("a\nb", "a\nb"), ("a\r\n\rb\n", "a\n\nb\n"), ("\r", "\n")]
        {
            let event = encode("name\ninjected: x", data.as_bytes());
            let mut seen = Vec::new();
            let complete = Decoder::new(1 << 10).feed(&event, &mut |event| {
                assert_eq!(event.name, b"name");
                seen.push(event.data.to_vec());
            });
            assert_eq!(seen, [read.as_bytes()]);
            assert_eq!(complete, event.len());
        }
    }
}
