use std::iter;

use memchr::memchr2;

/// The events of `whole`, each as it stands, with the blank line that ends it. What follows the last blank line comes last.
pub fn split_events(whole: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = whole;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (event, after) = rest.split_at(event_len(rest));
        rest = after;
        Some(event)
    })
}

/// Where the first event of `bytes` ends: behind its blank line.
fn event_len(bytes: &[u8]) -> usize {
    let mut line = 0;
    while let Some(at) = memchr2(b'\n', b'\r', &bytes[line..]) {
        let end = line + at;
        let next = match bytes[end..] {
            [b'\r', b'\n', ..] => end + 2,
            _ => end + 1,
        };
        if at == 0 && line > 0 {
            return next;
        }
        line = next;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::split_events;

    #[test]
    fn events_are_split_behind_their_blank_line_whatever_the_line_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "event: a\ndata: 1\n\n: note\n\ndata: 2\n\ndata: open\n".replace('\n', end);
            let found: Vec<&[u8]> = split_events(text.as_bytes()).collect();
            let expected =
                ["event: a\ndata: 1\n\n", ": note\n\n", "data: 2\n\n", "data: open\n"].map(|it| it.replace('\n', end));
            assert_eq!(found, expected.iter().map(String::as_bytes).collect::<Vec<_>>(), "{end:?}");
        }
    }

    #[test]
    fn a_blank_line_in_front_belongs_to_what_follows() {
        let found: Vec<&[u8]> = split_events(b"\ndata: 1\n\n").collect();
        assert_eq!(found.concat(), b"\ndata: 1\n\n");
    }
}
