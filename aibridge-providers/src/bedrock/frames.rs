//! Frames of an AWS event stream, from bytes in whatever pieces they arrive.

use std::mem;

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use flate2::Crc;

/// The largest frame that is read, in bytes.
pub const MAX_FRAME: usize = 16 << 20;

/// Two lengths and their checksum.
const PRELUDE: usize = 12;

/// A frame without headers and payload: the prelude and the checksum of it all.
const MIN_FRAME: usize = PRELUDE + 4;

/// A larger buffer is not kept for the next frame.
pub(super) const KEPT_CAPACITY: usize = 64 << 10;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame's lengths are wrong")]
    Length,
    #[error("a frame of {0} bytes is larger than the limit")]
    TooLarge(usize),
    #[error("the checksum of a frame's lengths does not match")]
    Checksum,
    #[error("a frame is malformed, or its checksum does not match")]
    Malformed,
    #[error("the stream ended within a frame")]
    Truncated,
    #[error("an event has no readable content")]
    Content,
}

/// Splits a byte stream into frames, holding only what is incomplete.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame.
    open: Vec<u8>,
    /// The length of that frame, once its prelude is there.
    length: Option<usize>,
}

impl Frames {
    /// Takes from the front of `bytes` until a frame is complete, and returns it, or `None` when `bytes` are used up.
    ///
    /// Both checksums have been compared. After an error there is no telling where the next frame begins.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, FrameError> {
        // A frame that lies in one piece is read where it is.
        if self.open.is_empty() && bytes.len() >= PRELUDE {
            let length = length(bytes)?;
            if let Some((frame, rest)) = bytes.split_at_checked(length) {
                *bytes = rest;
                return read(frame).map(Some);
            }
        }
        loop {
            let wanted = self.length.unwrap_or(PRELUDE);
            let missing = wanted - self.open.len();
            let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
            self.open.extend_from_slice(piece);
            *bytes = rest;
            if self.open.len() < wanted {
                return Ok(None);
            }
            if self.length.is_some() {
                let message = read(&self.open);
                self.open.clear();
                self.open.shrink_to(KEPT_CAPACITY);
                self.length = None;
                return message.map(Some);
            }
            self.length = Some(length(&self.open)?);
        }
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self) -> Result<(), FrameError> {
        self.length = None;
        if mem::take(&mut self.open).is_empty() { Ok(()) } else { Err(FrameError::Truncated) }
    }

    /// The bytes of memory in use.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.open.capacity()
    }
}

/// The length of the frame that `prelude` begins. Its checksum is compared at once, so that a damaged length is neither
/// waited for nor allocated.
fn length(prelude: &[u8]) -> Result<usize, FrameError> {
    let number = |at: usize| prelude[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let mut checksum = Crc::new();
    checksum.update(&prelude[..PRELUDE - 4]);
    if checksum.sum() != number(8) {
        return Err(FrameError::Checksum);
    }
    let [total, headers] = [number(0), number(4)].map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if total > MAX_FRAME {
        return Err(FrameError::TooLarge(total));
    }
    match total.checked_sub(MIN_FRAME) {
        Some(room) if headers <= room => Ok(total),
        _ => Err(FrameError::Length),
    }
}

fn read(frame: &[u8]) -> Result<Message, FrameError> {
    read_message_from(frame).map_err(|_| FrameError::Malformed)
}
