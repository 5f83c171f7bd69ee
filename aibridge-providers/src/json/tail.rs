//! Reading an array from its end: what matters in a conversation is its last few messages.

use super::Value;

impl<'a> Value<'a> {
    /// The elements from the last to the first, if the value is an array; nothing otherwise.
    ///
    /// Only the elements that are asked for are walked over.
    pub fn elements_rev(self) -> impl Iterator<Item = Value<'a>> {
        // What is left: the text between the brackets, up to the element handed out last.
        let mut rest = match self.text() {
            [b'[', inner @ .., b']'] => inner.trim_ascii_end(),
            _ => &[],
        };
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let start = last_element(rest);
            let element = rest[start..].trim_ascii();
            rest = rest[..start].trim_ascii_end();
            rest = rest.strip_suffix(b",").unwrap_or(rest).trim_ascii_end();
            Some(Value { text: element })
        })
    }
}

/// Where the last element of `elements`, the inside of a valid array, begins.
///
/// Going backwards is unambiguous in valid JSON: backslashes occur only inside strings, so a quote is escaped if and
/// only if an odd number of backslashes precedes it.
fn last_element(elements: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut end = elements.len();
    while let Some(at) = end.checked_sub(1) {
        match elements[at] {
            b'"' => {
                end = string_start(elements, at);
                continue;
            }
            b'}' | b']' => depth += 1,
            b'{' | b'[' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return at + 1,
            _ => {}
        }
        end = at;
    }
    0
}

/// Where the string begins whose closing quote is at `close`.
fn string_start(text: &[u8], close: usize) -> usize {
    let mut end = close;
    while let Some(quote) = memchr::memrchr(b'"', &text[..end]) {
        let backslashes = text[..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return quote;
        }
        end = quote;
    }
    0
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Document;

    fn reversed(array: &str) -> Vec<String> {
        let document = Document::parse(Bytes::from(format!(r#"{{"a":{array}}}"#))).unwrap();
        let values: Vec<_> = document.get("a").unwrap().elements_rev().collect();
        values.iter().map(|value| String::from_utf8(value.text().to_vec()).unwrap()).collect()
    }

    #[test]
    fn elements_come_from_the_end() {
        assert_eq!(reversed(r#"[1, "b" ,{"c":[1,2]},[],null]"#), ["null", "[]", r#"{"c":[1,2]}"#, r#""b""#, "1"]);
        assert_eq!(reversed("[ ]"), Vec::<String>::new());
        assert_eq!(reversed(r#""[1,2]""#), Vec::<String>::new());
    }

    #[test]
    fn punctuation_and_quotes_inside_strings_do_not_split() {
        assert_eq!(
            reversed(r#"["a,]", "\",[", "\\", {"k\"":"}],\\\""}]"#),
            [r#"{"k\"":"}],\\\""}"#, r#""\\""#, r#""\",[""#, r#""a,]""#],
        );
    }

    proptest::proptest! {
        #[test]
        fn the_reverse_order_is_the_order_reversed(values: Vec<(String, Vec<String>)>) {
            let array = serde_json::to_string(&values).unwrap();
            let document = Document::parse(Bytes::from(format!(r#"{{"a":{array}}}"#))).unwrap();
            let array = document.get("a").unwrap();
            let mut forward: Vec<_> = array.elements().map(|value| value.text().to_vec()).collect();
            forward.reverse();
            let backward: Vec<_> = array.elements_rev().map(|value| value.text().to_vec()).collect();
            proptest::prop_assert_eq!(forward, backward);
        }
    }
}
