//! The codings whose streams declare how much memory their decoder has to hold.

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::stage::{Corrupt, Progress, Stage};

/// `br` (RFC 7932), without the large windows that are not part of it: 16 MiB at most.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Brotli {
        let alloc = StandardAlloc::default;
        Brotli { state: BrotliState::new_strict(alloc(), alloc(), alloc()), ended: false }
    }
}

impl Stage for Brotli {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Corrupt> {
        if self.ended {
            return if input.is_empty() { Ok(Progress::default()) } else { Err(Corrupt) };
        }
        let (mut unread, mut read) = (input.len(), 0);
        let (mut unwritten, mut written, mut total) = (output.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut unread,
            &mut read,
            input,
            &mut unwritten,
            &mut written,
            output,
            &mut total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultFailure => return Err(Corrupt),
            BrotliResult::ResultSuccess => self.ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(Progress { read, written })
    }

    fn is_complete(&self) -> bool {
        self.ended
    }
}

/// The largest window of `zstd` as a content coding: 8 MiB (RFC 9659, 2).
const ZSTD_WINDOW_LOG: u32 = 23;

/// `zstd` (RFC 8878): one or more frames.
pub(super) struct Zstd {
    /// `None` when there was no memory for it.
    state: Option<Decoder<'static>>,
    between_frames: bool,
}

impl Zstd {
    pub(super) fn new() -> Zstd {
        let state = Decoder::new().and_then(|mut state| {
            state.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
            Ok(state)
        });
        Zstd { state: state.ok(), between_frames: false }
    }
}

impl Stage for Zstd {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Corrupt> {
        if input.is_empty() && self.between_frames {
            return Ok(Progress::default());
        }
        let state = self.state.as_mut().ok_or(Corrupt)?;
        let status = state.run_on_buffers(input, output).map_err(|_| Corrupt)?;
        self.between_frames = status.remaining == 0;
        Ok(Progress { read: status.bytes_read, written: status.bytes_written })
    }

    fn is_complete(&self) -> bool {
        self.between_frames
    }
}
