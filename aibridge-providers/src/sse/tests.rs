use super::Decoder;

/// A reported event: name, data, oversize.
type Seen = (String, String, bool);

/// The events of `chunks`, and the boundary that `feed` returned for each.
fn decode_within<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Seen>, Vec<usize>) {
    let mut decoder = Decoder::new(limit);
    let mut seen = Vec::new();
    let mut on_event = |event: super::Event<'_>| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        seen.push((text(event.name), text(event.data), event.oversize));
    };
    let complete = chunks.into_iter().map(|chunk| decoder.feed(chunk, &mut on_event)).collect();
    decoder.finish(&mut on_event);
    (seen, complete)
}

fn decode(text: &str) -> Vec<Seen> {
    decode_within(1 << 20, [text.as_bytes()]).0
}

fn event(name: &str, data: &str) -> Seen {
    (name.to_owned(), data.to_owned(), false)
}

/// Streams of all shapes, with LF line ends.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    ("", &[]),
    ("\n\n\n", &[]),
    ("data: a\n\n", &[("", "a")]),
    ("event: ping\ndata: {}\n\n", &[("ping", "{}")]),
    ("data: {}\nevent: ping\n\n", &[("ping", "{}")]),
    ("event: a\ndata: 1\n\ndata: 2\n\nevent: b\ndata: 3\n\n", &[("a", "1"), ("", "2"), ("b", "3")]),
    ("event: a\nevent: bcd\ndata: 1\n\n", &[("bcd", "1")]),
    ("event: a\nevent\ndata: 1\n\n", &[("", "1")]),
    ("data: YHOO\ndata: +2\ndata: 10\n\n", &[("", "YHOO\n+2\n10")]),
    (
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[("", "first event"), ("", "second event"), ("", " third event")],
    ),
    ("data\n\ndata\ndata\n\ndata:", &[("", ""), ("", "\n"), ("", "")]),
    ("data:test\n\ndata: test\n\n", &[("", "test"), ("", "test")]),
    ("event: ping\n\ndata: a\n\n", &[("", "a")]),
    (": comment\n:\ndata: a\n: comment\ndata: b\n\n", &[("", "a\nb")]),
    ("datax: a\ndata : b\n data: c\ndata: d\nretry: 10\nunknown\n\n", &[("", "d")]),
    ("data: é€😀\n\n", &[("", "é€😀")]),
    ("\u{feff}data: a\n\ndata: \u{feff}\n\n", &[("", "a"), ("", "\u{feff}")]),
    ("\u{feff}\ndata: a\n\n", &[("", "a")]),
    ("\u{feff}\u{feff}data: a\n\n", &[]),
    ("\n\u{feff}data: a\n\ndata: b\n\n", &[("", "b")]),
    ("\u{feff}", &[]),
    ("data: a", &[("", "a")]),
    ("data: a\n", &[("", "a")]),
    ("event: b\ndata: a\nda", &[("b", "a")]),
    ("data: [DONE]\n\n", &[("", "[DONE]")]),
];

#[test]
fn examples_are_read_with_any_line_end() {
    for (text, expected) in EXAMPLES {
        let expected: Vec<_> = expected.iter().map(|(name, data)| event(name, data)).collect();
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            assert_eq!(decode(&text), expected, "{text:?}");
        }
    }
}
