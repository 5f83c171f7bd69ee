use std::fmt;

use bytes::Bytes;

use super::{
    EncodingError, allowance,
    coding::Coding,
    stage::{SCRATCH, Stage, pump},
};

/// Decodes the copy of a reply that is observed, as it arrives.
///
/// What the provider's coder has flushed comes out at once. The reply as a whole is held to the same ratio as a
/// request (see [`decode`](super::decode)), so that a few bytes do not become gigabytes of memory; it has no limit of
/// size, as streams may be long.
///
/// ```
/// use aibridge_providers::encoding::StreamDecoder;
///
/// assert!(StreamDecoder::new("identity")?.is_none());
/// let mut decoder = StreamDecoder::new("gzip")?.expect("there is something to decode");
/// assert!(decoder.feed(&[0x1f, 0x8b])?.is_empty());
/// # Ok::<_, aibridge_providers::encoding::EncodingError>(())
/// ```
pub struct StreamDecoder {
    stages: Vec<(Coding, Box<dyn Stage>)>,
    scratch: Box<[u8]>,
    coded: usize,
    decoded: usize,
    failed: Option<EncodingError>,
}

impl StreamDecoder {
    /// A decoder for `content_encoding`; `None` when nothing has to be decoded.
    ///
    /// # Errors
    ///
    /// [`EncodingError::Unknown`] and [`EncodingError::TooMany`].
    pub fn new(content_encoding: &str) -> Result<Option<StreamDecoder>, EncodingError> {
        let codings = Coding::to_undo(content_encoding)?;
        if codings.is_empty() {
            return Ok(None);
        }
        Ok(Some(StreamDecoder {
            stages: codings.into_iter().map(|coding| (coding, coding.stage())).collect(),
            scratch: vec![0; SCRATCH].into(),
            coded: 0,
            decoded: 0,
            failed: None,
        }))
    }

    /// Takes the next coded bytes and returns what they decode to, which may be nothing yet.
    ///
    /// What the coder has flushed is returned at once, so that a compressed event stream is observed event by event.
    ///
    /// # Errors
    ///
    /// [`EncodingError::Corrupt`] and [`EncodingError::TooLarge`]; every later call fails in the same way.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Bytes, EncodingError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let decoded = self.decode(bytes);
        self.failed = decoded.as_ref().err().cloned();
        decoded
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<Bytes, EncodingError> {
        self.coded = self.coded.saturating_add(bytes.len());
        let left = allowance(self.coded).saturating_sub(self.decoded);
        let mut current = Vec::new();
        for (at, (coding, stage)) in self.stages.iter_mut().enumerate() {
            let mut output = Vec::new();
            let input = if at == 0 { bytes } else { &current };
            pump(&mut **stage, *coding, input, &mut output, &mut self.scratch, left)?;
            current = output;
        }
        self.decoded = self.decoded.saturating_add(current.len());
        Ok(Bytes::from(current))
    }
}

impl fmt::Debug for StreamDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDecoder")
            .field("codings", &self.stages.iter().map(|(coding, _)| coding).collect::<Vec<_>>())
            .field("coded", &self.coded)
            .field("decoded", &self.decoded)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
