use proptest::prelude::*;

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

#[test]
fn examples_read_the_same_however_they_are_split() {
    for (text, expected) in EXAMPLES {
        let expected: Vec<_> = expected.iter().map(|(name, data)| event(name, data)).collect();
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end).into_bytes();
            assert_eq!(decode_within(99, text.chunks(1)).0, expected);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let chunks = [&text[..first], &text[first..second], &text[second..]];
                    assert_eq!(decode_within(99, chunks).0, expected, "{first} and {second} of {text:?}");
                }
            }
        }
    }
}

#[test]
fn the_boundary_is_where_the_last_blank_line_ends() {
    for (text, expected) in [
        ("", 0),
        ("data: a", 0),
        ("data: a\n", 0),
        ("data: a\n\n", 9),
        ("data: a\n\nevent: b\n", 9),
        ("data: a\r\n\r\n", 11),
        ("data: a\r\n\r\ndata", 11),
        ("data: a\r\r", 9),
        ("event: nothing\n\n", 16),
        ("\n\n\ndata", 3),
        // A heartbeat is not the beginning of an event, unless it is not whole; inside an event it belongs to it.
        (": beat\n", 7),
        (": beat\ndata: a\n", 7),
        (": beat\n: be", 7),
        ("data: a\n: beat\n", 0),
        // Fields that are not read belong to the event that follows them.
        ("id: 1\n", 0),
        ("id: 1\ndata: a\n\nid: 2\n", 15),
    ] {
        assert_eq!(decode_within(99, [text.as_bytes()]).1, [expected], "{text:?}");
    }
}

#[test]
fn the_boundary_counts_from_the_chunk_that_closes_the_event() {
    let chunks = |chunks: &[&str]| decode_within(99, chunks.iter().map(|chunk| chunk.as_bytes())).1;
    assert_eq!(chunks(&["data: a", "b\n", "\n", "data: c\n\ndata", ": d"]), [0, 0, 1, 9, 0]);
    assert_eq!(chunks(&["data: a\n", "\ndata: b\n\nd"]), [0, 10]);
    // The LF that completes a CR LF follows the event out; inside an event it stays.
    assert_eq!(chunks(&["data: a\r\r", "\n", "data: b"]), [9, 1, 0]);
    assert_eq!(chunks(&["data: a\r\n\r", "\ndata: b\r", "\n\r", "\n"]), [10, 1, 2, 1]);
    assert_eq!(chunks(&["data: a\r", "\n"]), [0, 0]);
    assert_eq!(chunks(&[": beat\r", "\ndata"]), [7, 1]);
    // It is one line end, however empty chunks come between.
    assert_eq!(chunks(&["data: a\r", "", "\n", "data: b\r\n\r\n"]), [0, 0, 0, 11]);
}

#[test]
fn an_event_in_one_chunk_is_handed_out_as_a_slice_of_it() {
    let chunk = b"data: before\n\nevent: name\n: comment\ndata: value\n\nda";
    let mut names = Vec::new();
    Decoder::new(99).feed(chunk, &mut |event| {
        assert!(chunk.as_ptr_range().contains(&event.data.as_ptr()));
        names.push(event.name.to_vec());
    });
    assert_eq!(names, [b"".to_vec(), b"name".to_vec()]);
}

#[test]
fn an_event_beyond_the_limit_is_reported_without_its_data_however_it_is_split() {
    for (text, limit, expected) in [
        ("event: e\ndata: 12345\n\ndata: 1\n\n", 5, vec![event("e", "12345"), event("", "1")]),
        ("event: e\ndata: 12345\n\ndata: 1\n\n", 4, vec![("e".into(), "".into(), true), event("", "1")]),
        ("data: 12345\nevent: e\n\ndata: 1\n\n", 4, vec![("e".into(), "".into(), true), event("", "1")]),
        ("data: 12\ndata: 34\n\n", 5, vec![event("", "12\n34")]),
        ("data: 12\ndata: 34\n\n", 4, vec![("".into(), "".into(), true)]),
        ("data: 12\ndata\ndata\ndata\ndata: 3\n\n", 4, vec![("".into(), "".into(), true)]),
        ("data: 12345\ndata: 1\n\n", 4, vec![("".into(), "".into(), true)]),
        ("data: 12345", 4, vec![("".into(), "".into(), true)]),
        (": a long comment\nid: and a long field\ndata: 1234\n\n", 4, vec![event("", "1234")]),
        ("data: 1\n\n", 0, vec![("".into(), "".into(), true)]),
    ] {
        for split in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(split);
            assert_eq!(decode_within(limit, [first, second]).0, expected, "{split} of {text:?}");
        }
        assert_eq!(decode_within(limit, text.as_bytes().chunks(1)).0, expected);
    }
}

#[test]
fn an_endless_name_makes_the_event_oversize() {
    let text = format!("event: {}\ndata: 1\n\ndata: 2\n\n", "n".repeat(2000));
    for size in [1, 7, 1000, 5000] {
        let seen = decode_within(99, text.as_bytes().chunks(size)).0;
        assert_eq!(seen, [("".into(), "".into(), true), event("", "2")]);
    }
}

#[test]
fn a_line_of_16_mib_passes_in_any_chunking() {
    let mut text = b"event: big\ndata: ".to_vec();
    text.resize(text.len() + (16 << 20), b'x');
    text.extend_from_slice(b"\n\ndata: after\n\n");
    for size in [1, 1000, text.len()] {
        let (mut data, mut largest) = (Vec::new(), 0);
        let mut decoder = Decoder::new(4 << 20);
        for chunk in text.chunks(size) {
            decoder.feed(chunk, &mut |event| data.push((event.data.len(), event.oversize)));
            largest = largest.max(decoder.kept());
        }
        assert_eq!(data, [(0, true), (5, false)]);
        assert!(largest <= (4 << 20) + (1 << 10), "{largest} bytes were kept");
    }
    let mut lengths = Vec::new();
    let mut decoder = Decoder::new(16 << 20);
    text.chunks(1 << 14).for_each(|chunk| _ = decoder.feed(chunk, &mut |event| lengths.push(event.data.len())));
    assert_eq!(lengths, [16 << 20, 5]);
    assert!(decoder.kept() <= 64 << 10, "the large buffer is not kept");
}

#[test]
fn after_its_end_the_decoder_is_as_new() {
    let mut decoder = Decoder::new(99);
    let mut seen = Vec::new();
    for _ in 0..2 {
        decoder.feed("\u{feff}data: a\r".as_bytes(), &mut |_| unreachable!("the event is open"));
        decoder.finish(&mut |event| seen.push(event.data.to_vec()));
        decoder.finish(&mut |_| unreachable!("there is no event"));
    }
    assert_eq!(seen, [b"a", b"a"]);
}

/// The events as `eventsource-stream` reads them.
///
/// It agrees on everything but the following, which the streams below avoid: it panics on a byte order mark; it drops an
/// event whose blank line is missing, as the standard says; it calls an event without name `message`; and it does not
/// see a line that ends in CR before it has seen the byte that follows.
fn reference(text: &str) -> Vec<Seen> {
    use eventsource_stream::Eventsource;
    use futures::StreamExt;

    let bytes = futures::stream::iter([Ok::<_, std::convert::Infallible>(text.to_owned())]);
    let events = futures::executor::block_on(bytes.eventsource().collect::<Vec<_>>());
    let named = |name: String| if name == "message" { String::new() } else { name };
    events.into_iter().flatten().map(|event| (named(event.event), event.data, false)).collect()
}

fn stream() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "data(: ?[a-z: é]{0,8})?",
        2 => "event(: ?[a-z]{0,8})?",
        1 => "[a-z]{1,6}(: ?[a-z ]{0,4})?",
        1 => ":[a-z ]{0,8}",
        1 => "id: [0-9]",
        3 => "",
    ];
    prop::collection::vec((line, prop::sample::select(vec!["\n", "\r\n", "\r"])), 0..24).prop_map(|lines| {
        let lines: String = lines.into_iter().map(|(line, end)| line + end).collect();
        lines + "data: last\n\n"
    })
}

proptest! {
    #[test]
    fn streams_are_read_as_eventsource_stream_reads_them(text in stream()) {
        prop_assert_eq!(decode(&text), reference(&text));
    }

    #[test]
    fn streams_read_the_same_in_random_chunks(
        text in stream(),
        bom in any::<bool>(),
        sizes in prop::collection::vec(0..12_usize, 1..20),
    ) {
        let text = if bom { format!("\u{feff}{text}") } else { text };
        let mut rest = text.as_bytes();
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle().take(400) {
            let (chunk, after) = rest.split_at(rest.len().min(*size));
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        let (seen, complete) = decode_within(99, chunks.iter().copied());
        prop_assert_eq!(seen, decode(&text));

        // What feed calls complete, chunk by chunk, always ends where an event ends: read alone it gives the same
        // events, and nothing is open behind it.
        let mut held = Vec::new();
        let mut passed = Vec::new();
        for (chunk, complete) in chunks.into_iter().zip(complete) {
            if complete > 0 {
                passed.append(&mut held);
                passed.extend_from_slice(&chunk[..complete]);
                let mut decoder = Decoder::new(99);
                decoder.feed(&passed, &mut |_| {});
                decoder.finish(&mut |_| panic!("an event was open at the boundary"));
            }
            held.extend_from_slice(&chunk[complete..]);
        }
        prop_assert!(held.is_empty(), "the stream ends with an event");
    }

    #[test]
    fn any_bytes_read_the_same_in_single_bytes(bytes in prop::collection::vec(
        prop::sample::select(b"\n\n\r:d at\xff\xef\xbb\xbfe".to_vec()), 0..60,
    )) {
        prop_assert_eq!(decode_within(3, bytes.chunks(1)).0, decode_within(3, [&bytes[..]]).0);
    }
}
