use super::{EncodingError, coding::Coding};

/// One coding being undone, push by push.
pub(super) trait Stage: Send + Sync {
    /// Reads some of `input` and writes some of `output`.
    ///
    /// Leaves `output` partly unwritten only when there is nothing more to write before more is read, be it the rest of
    /// `input` or what is yet to come.
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Corrupt>;

    /// Whether what was read so far is a whole.
    fn is_complete(&self) -> bool;
}

/// What one [`Stage::run`] did, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) read: usize,
    pub(super) written: usize,
}

/// The input is not what its coding allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corrupt;

/// How much is decoded between two looks at the limit, in bytes.
pub(super) const SCRATCH: usize = 16 * 1024;

/// Decodes all of `input` into `output`, which may not grow beyond `limit` bytes.
pub(super) fn pump(
    stage: &mut dyn Stage,
    coding: Coding,
    mut input: &[u8],
    output: &mut Vec<u8>,
    scratch: &mut [u8],
    limit: usize,
) -> Result<(), EncodingError> {
    let corrupt = || EncodingError::Corrupt(coding.as_str());
    while !input.is_empty() {
        loop {
            let Progress { read, written } = stage.run(input, scratch).map_err(|Corrupt| corrupt())?;
            input = &input[read..];
            append(output, &scratch[..written], limit)?;
            if written < scratch.len() {
                if read == 0 && written == 0 && !input.is_empty() {
                    // A stage that neither reads nor writes would do so for ever.
                    return Err(corrupt());
                }
                break;
            }
        }
    }
    Ok(())
}

/// Appends, doubling the capacity like `Vec` does but never beyond `limit`.
fn append(output: &mut Vec<u8>, bytes: &[u8], limit: usize) -> Result<(), EncodingError> {
    let len = output.len() + bytes.len();
    if len > limit {
        return Err(EncodingError::TooLarge);
    }
    if len > output.capacity() {
        let capacity = len.max(output.capacity().saturating_mul(2)).min(limit);
        output.reserve_exact(capacity - output.len());
    }
    output.extend_from_slice(bytes);
    Ok(())
}
