//! Finding where strings end.
//!
//! Strings make up most of a request, and in an agent's request they are full of `\n` and `\"`. Instead of testing byte
//! after byte, blocks of 64 bytes are turned into a bit per byte that needs a closer look, which the common escapes do
//! not, with the vector instructions that the processor turns out to have.
//!
//! For the compiler to use these, all that stands between the choice (in [`scan`](super::scan)) and the use of them has to
//! be inlined.

use fearless_simd::{Simd, prelude::*, u8x64};

use super::JsonError;

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// A block, the two bytes before it and the one after it.
const WINDOW: usize = BLOCK + 3;

/// Passes over the strings of one text, in ascending order.
pub(super) struct Stops<'a, S> {
    simd: S,
    text: &'a [u8],
    /// Where the current block begins: a multiple of [`BLOCK`].
    block: usize,
    /// The bytes of the block that need a look and have not had it, the first one lowest.
    bits: u64,
    /// A character was written as its number: `\u0061`.
    pub(super) numbered: bool,
}

impl<'a, S: Simd> Stops<'a, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, text: &'a [u8]) -> Stops<'a, S> {
        Stops { simd, text, block: 0, bits: stops_of(simd, text, 0), numbered: false }
    }

    /// Passes a string, from the byte after its opening quote to the one after its closing quote.
    ///
    /// Checks escapes and control characters, not UTF-8.
    #[inline(always)]
    pub(super) fn string(&mut self, start: usize) -> Result<usize, JsonError> {
        match start.wrapping_sub(self.block) {
            offset @ 0..BLOCK => self.bits &= !0 << offset,
            _ => self.seek(start),
        }
        loop {
            while self.bits == 0 {
                let next = self.block + BLOCK;
                if next >= self.text.len() {
                    return Err(JsonError::Syntax(self.text.len()));
                }
                self.block = next;
                self.bits = stops_of(self.simd, self.text, next);
            }
            let stop = self.block + self.bits.trailing_zeros() as usize;
            match self.text.get(stop) {
                Some(b'"') => return Ok(stop + 1),
                Some(b'\\') => {
                    self.numbered |= self.text.get(stop + 1) == Some(&b'u');
                    let next = escape_end(self.text, stop + 1)?;
                    self.seek(next);
                }
                _ => return Err(JsonError::Syntax(stop)),
            }
        }
    }

    /// Goes on at `pos`.
    #[inline(always)]
    fn seek(&mut self, pos: usize) {
        let block = pos - pos % BLOCK;
        if block != self.block {
            self.block = block;
            self.bits = stops_of(self.simd, self.text, block);
        }
        self.bits &= !0 << (pos % BLOCK);
    }
}

/// The end of an escape, from the byte after its backslash.
fn escape_end(text: &[u8], kind: usize) -> Result<usize, JsonError> {
    match text.get(kind) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(kind + 1),
        Some(b'u') => {
            let end = kind + 5;
            let wrong = (kind + 1..end).find(|&at| !text.get(at).is_some_and(u8::is_ascii_hexdigit));
            wrong.map_or(Ok(end), |at| Err(JsonError::Syntax(at)))
        }
        _ => Err(JsonError::Syntax(kind)),
    }
}

/// The bits of the block that begins at `start`.
#[inline(always)]
fn stops_of<S: Simd>(simd: S, text: &[u8], start: usize) -> u64 {
    match start.checked_sub(2).and_then(|before| text.get(before..)?.first_chunk()) {
        Some(window) => bits(simd, window),
        None => bits(simd, &padded(text, start)),
    }
}

/// The window of a block at either end of the text. Spaces do not stop.
#[cold]
fn padded(text: &[u8], start: usize) -> [u8; WINDOW] {
    let mut window = [b' '; WINDOW];
    let before = start.min(2);
    let rest = text.get(start - before..).unwrap_or_default();
    let inside = &mut window[2 - before..];
    let length = rest.len().min(inside.len());
    inside[..length].copy_from_slice(&rest[..length]);
    window
}

/// A bit for every control character, every backslash but those of `\n`, `\t` and `\"`, and every quote but that of `\"`.
///
/// Whether a backslash is itself escaped, one byte before it tells only when that is no backslash; when it is, the
/// quote keeps its bit. The backslash of `\\n` may lack one: it does no harm, because the first of the two has one.
#[inline(always)]
fn bits<S: Simd>(simd: S, window: &[u8; WINDOW]) -> u64 {
    let [before2, before, block @ .., after] = window;
    let block = u8x64::simd_from(simd, *block);
    let (quotes, backslashes) = (block.simd_eq(b'"').to_bitmask(), block.simd_eq(b'\\').to_bitmask());
    let letters = block.simd_eq(b'n').to_bitmask() | block.simd_eq(b't').to_bitmask();
    let controls = block.simd_lt(b' ').to_bitmask();
    let after_backslash = backslashes << 1 | u64::from(*before == b'\\');
    let after_another = after_backslash << 1 | u64::from(*before2 == b'\\');
    let before_letter = letters >> 1 | u64::from(matches!(after, b'n' | b't')) << (BLOCK - 1);
    let before_quote = quotes >> 1 | u64::from(*after == b'"') << (BLOCK - 1);
    let quote = quotes & !(after_backslash & !after_another);
    let backslash = backslashes & !(before_letter | before_quote & !after_backslash);
    quote | backslash | controls
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// Where the string ends, or the first offending byte, with the best vector instructions and with those that are
    /// always there.
    #[track_caller]
    fn string(text: &[u8], start: usize) -> Result<usize, JsonError> {
        let [best, least] = [Level::new(), Level::baseline()]
            .map(|level| dispatch!(level, simd => Stops::new(simd, text).string(start)));
        assert_eq!(best, least, "{text:?} from {start}");
        best
    }

    /// Where the string ends, or the first offending byte, found byte by byte.
    fn plainly(text: &[u8], mut pos: usize) -> Result<usize, JsonError> {
        loop {
            match text.get(pos) {
                Some(b'"') => return Ok(pos + 1),
                Some(b'\\') => pos = escape_end(text, pos + 1)?,
                Some(0x20..) => pos += 1,
                _ => return Err(JsonError::Syntax(pos)),
            }
        }
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_lies() {
        for length in 0..200 {
            for ending in
                ["\"", "\\\"\"", "\\\\\"", "\\\\\\\"\"", "\\n\"", "\\\\n\"", "\\u0022\"", "\\", "\\x\"", "\n\"", ""]
            {
                let text = [&vec![b'a'; length][..], ending.as_bytes(), b"\" tail \"\\\"\n"].concat();
                for start in [0, length / 2, length] {
                    assert_eq!(string(&text, start), plainly(&text, start), "{length} {ending}");
                }
            }
        }
    }

    #[test]
    fn runs_of_backslashes_are_paired_across_blocks() {
        for before in 55..75 {
            for run in 0..140 {
                for after in ["\"", "n\"", "t\"", "/\"", "u0041\"", "z", "\u{1}\""] {
                    let text = format!("{}{}{after}\"  \"", "a".repeat(before), "\\".repeat(run)).into_bytes();
                    assert_eq!(string(&text, 0), plainly(&text, 0), "{before} {run} {after:?}");
                }
            }
        }
    }

    #[test]
    fn bytes_beyond_ascii_and_delete_do_not_stop() {
        let mut text: Vec<u8> = (0x20..=0xff).filter(|byte| !b"\"\\".contains(byte)).cycle().take(900).collect();
        text.push(b'"');
        assert_eq!(string(&text, 0), Ok(901));
    }

    fn one_after_the_other(simd: impl Simd) {
        let text = b"\"a\" : \"b\\\\\" \n\n , \"\" ".repeat(20);
        let mut stops = Stops::new(simd, &text);
        for at in (0..text.len()).step_by(text.len() / 20) {
            assert_eq!(stops.string(at + 1), Ok(at + 3));
            assert_eq!(stops.string(at + 7), Ok(at + 11));
            assert_eq!(stops.string(at + 17), Ok(at + 18));
        }
    }

    #[test]
    fn strings_are_passed_one_after_the_other() {
        for level in [Level::new(), Level::baseline()] {
            dispatch!(level, simd => one_after_the_other(simd));
        }
    }
}
