//! What a line of an event stream says.

/// The fields that count here. `id` and `retry` are for clients that reconnect; nobody resumes a model's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// `data`
    Data,
    /// `event`
    Name,
    /// A field without meaning here.
    Other,
    /// A line that begins with a colon.
    Comment,
}

/// UTF-8's byte order mark, which may open a stream.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The field that a line sets, and its value: what follows the colon and one optional space.
///
/// Also right for the beginning of a line, if it has seven bytes at least.
pub(super) fn field(line: &[u8]) -> (Field, &[u8]) {
    let (field, rest) = if let Some(rest) = line.strip_prefix(b"data") {
        (Field::Data, rest)
    } else if let Some(rest) = line.strip_prefix(b"event") {
        (Field::Name, rest)
    } else {
        return (if line.first() == Some(&b':') { Field::Comment } else { Field::Other }, &[]);
    };
    match rest {
        [b':', b' ', value @ ..] | [b':', value @ ..] => (field, value),
        // A field without colon has an empty value.
        [] => (field, &[]),
        _ => (Field::Other, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart_and_lose_one_space() {
        for (line, expected) in [
            ("data: a", (Field::Data, "a")),
            ("data:a: b", (Field::Data, "a: b")),
            ("data:  a ", (Field::Data, " a ")),
            ("data:", (Field::Data, "")),
            ("data", (Field::Data, "")),
            ("event: ping", (Field::Name, "ping")),
            ("event", (Field::Name, "")),
            ("data : a", (Field::Other, "")),
            ("datas: a", (Field::Other, "")),
            (" data: a", (Field::Other, "")),
            ("Data: a", (Field::Other, "")),
            ("events", (Field::Other, "")),
            ("id: 1", (Field::Other, "")),
            (": data: a", (Field::Comment, "")),
            (":", (Field::Comment, "")),
        ] {
            assert_eq!(field(line.as_bytes()), (expected.0, expected.1.as_bytes()), "{line}");
        }
    }
}
