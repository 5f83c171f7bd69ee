//! The validator: one pass over the bytes, without recursion.

use std::ops::Range;

use fearless_simd::{Level, Simd, dispatch};

use super::{JsonError, stops::Stops};

/// How deep arrays and objects may be nested; more than any agent sends, and what navigation may recurse.
pub(super) const MAX_DEPTH: usize = 512;

/// Where a member of an object lies.
#[derive(Clone, Debug)]
pub(super) struct MemberSpan {
    /// The key with its quotes.
    pub(super) key: Range<usize>,
    /// The value.
    pub(super) value: Range<usize>,
    /// What was counted of it, if it was.
    pub(super) count: Option<Count>,
}

/// What is in a value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// How many elements it has, if it is an array.
    pub(super) elements: usize,
    /// How many there are in arrays that are directly in these.
    pub(super) nested: usize,
    /// Some character in it is written as its number: `\u0061`.
    pub(super) numbered: bool,
}

/// Validates `text` as one JSON value with whitespace around it and returns the value's span.
///
/// `member` is told of each member of the value itself, if it is an object, in order.
pub(super) fn scan(text: &[u8], member: impl FnMut(MemberSpan)) -> Result<Range<usize>, JsonError> {
    let span = dispatch!(Level::new(), simd => scan_syntax(simd, text, member));
    // Outside of strings anything beyond ASCII has been refused; whether strings are UTF-8 is quickest checked at once.
    let right = match span {
        Ok(_) => text.len(),
        Err(JsonError::Syntax(wrong)) => wrong,
        Err(_) => return span,
    };
    match simdutf8::compat::from_utf8(&text[..right]) {
        Err(error) => Err(JsonError::Syntax(error.valid_up_to())),
        Ok(_) => span,
    }
}

#[inline(always)]
fn scan_syntax<S: Simd>(simd: S, text: &[u8], mut member: impl FnMut(MemberSpan)) -> Result<Range<usize>, JsonError> {
    let mut stops = Stops::new(simd, text);
    let mut stack = Stack::default();
    let start = space(text, 0);
    let mut pos = start;
    let mut member_key = 0..0;
    let mut member_value = 0;
    let mut count = Count::default();
    // Each round begins at the first byte of a value.
    'value: loop {
        match text.get(pos) {
            Some(b'"') => pos = string(text, &mut stops, pos)?,
            Some(b'{') => {
                stack.push(true)?;
                pos = space(text, pos + 1);
                if text.get(pos) != Some(&b'}') {
                    let key = pos;
                    pos = string(text, &mut stops, key)?;
                    if stack.depth == 1 {
                        member_key = key..pos;
                    }
                    pos = colon(text, pos)?;
                    if stack.depth == 1 {
                        (member_value, count, stops.numbered) = (pos, Count::default(), false);
                    }
                    continue 'value;
                }
                stack.pop();
                pos += 1;
            }
            Some(b'[') => {
                stack.push(false)?;
                pos = space(text, pos + 1);
                if text.get(pos) != Some(&b']') {
                    continue 'value;
                }
                stack.pop();
                pos += 1;
            }
            Some(b'-' | b'0'..=b'9') => pos = number(text, pos)?,
            Some(b't') => pos = literal(text, pos, b"true")?,
            Some(b'f') => pos = literal(text, pos, b"false")?,
            Some(b'n') => pos = literal(text, pos, b"null")?,
            _ => return Err(JsonError::Syntax(pos)),
        }
        // A value has just ended; close what it was the last of.
        loop {
            if stack.depth == 0 {
                break 'value;
            }
            match (stack.depth, stack.in_object) {
                (1, true) => {
                    let (key, value) = (member_key.clone(), member_value..pos);
                    let count = Some(Count { numbered: stops.numbered, ..count });
                    member(MemberSpan { key, value, count });
                }
                (2, false) => count.elements += 1,
                (4, false) => count.nested += 1,
                _ => {}
            }
            pos = space(text, pos);
            match (text.get(pos), stack.in_object) {
                (Some(b','), false) => {
                    pos = space(text, pos + 1);
                    continue 'value;
                }
                (Some(b','), true) => {
                    let key = space(text, pos + 1);
                    pos = string(text, &mut stops, key)?;
                    if stack.depth == 1 {
                        member_key = key..pos;
                    }
                    pos = colon(text, pos)?;
                    if stack.depth == 1 {
                        (member_value, count, stops.numbered) = (pos, Count::default(), false);
                    }
                    continue 'value;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    pos += 1;
                    stack.pop();
                }
                _ => return Err(JsonError::Syntax(pos)),
            }
        }
    }
    let end = pos;
    pos = space(text, pos);
    if pos == text.len() { Ok(start..end) } else { Err(JsonError::Syntax(pos)) }
}

/// The open arrays and objects: a bit each, set for objects.
#[derive(Default)]
struct Stack {
    objects: [u64; MAX_DEPTH / 64],
    depth: usize,
    in_object: bool,
}

impl Stack {
    #[inline]
    fn push(&mut self, object: bool) -> Result<(), JsonError> {
        let word = self.objects.get_mut(self.depth / 64).ok_or(JsonError::TooDeep)?;
        let bit = 1 << (self.depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        self.in_object = object;
        Ok(())
    }

    #[inline]
    fn pop(&mut self) {
        self.depth -= 1;
        if let Some(outer) = self.depth.checked_sub(1) {
            self.in_object = self.objects[outer / 64] >> (outer % 64) & 1 == 1;
        }
    }
}

/// The position of the first byte from `pos` on that is not whitespace.
#[inline]
fn space(text: &[u8], mut pos: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(pos) {
        pos += 1;
    }
    pos
}

/// Passes the colon after a key and the whitespace around it.
#[inline(always)]
fn colon(text: &[u8], pos: usize) -> Result<usize, JsonError> {
    let pos = space(text, pos);
    if text.get(pos) == Some(&b':') { Ok(space(text, pos + 1)) } else { Err(JsonError::Syntax(pos)) }
}

/// Passes a string with its quotes.
#[inline(always)]
fn string<S: Simd>(text: &[u8], stops: &mut Stops<'_, S>, start: usize) -> Result<usize, JsonError> {
    if text.get(start) != Some(&b'"') {
        return Err(JsonError::Syntax(start));
    }
    stops.string(start + 1)
}
/// Passes a number: `-? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)?`.
fn number(text: &[u8], mut pos: usize) -> Result<usize, JsonError> {
    if text.get(pos) == Some(&b'-') {
        pos += 1;
    }
    pos = if text.get(pos) == Some(&b'0') { pos + 1 } else { digits(text, pos)? };
    if text.get(pos) == Some(&b'.') {
        pos = digits(text, pos + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(pos) {
        pos += 1;
        if let Some(b'+' | b'-') = text.get(pos) {
            pos += 1;
        }
        pos = digits(text, pos)?;
    }
    Ok(pos)
}

/// Passes one digit or more.
#[inline]
fn digits(text: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut pos = start;
    while text.get(pos).is_some_and(u8::is_ascii_digit) {
        pos += 1;
    }
    if pos > start { Ok(pos) } else { Err(JsonError::Syntax(pos)) }
}

/// Passes `word`.
fn literal(text: &[u8], start: usize, word: &[u8]) -> Result<usize, JsonError> {
    for (at, byte) in (start..).zip(word) {
        if text.get(at) != Some(byte) {
            return Err(JsonError::Syntax(at));
        }
    }
    Ok(start + word.len())
}
