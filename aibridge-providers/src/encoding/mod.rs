//! Content codings of requests and replies: `gzip`, `deflate`, `br`, `zstd`.

use bytes::Bytes;

/// Why a coded body could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// A coding that is not known; answered 415.
    #[error("unknown content encoding {0:?}")]
    Unknown(String),
    /// More codings than two; answered 415.
    #[error("more than two content encodings")]
    TooMany,
    /// The bytes do not decode; answered 400.
    #[error("the body is not valid {0}")]
    Corrupt(&'static str),
    /// The decoded body exceeds the limit, or is more than 200 times its coded size; answered 413.
    #[error("the decoded body is larger than allowed")]
    TooLarge,
}

/// Decodes a whole body coded as `content_encoding` says (the header's value; codings in the order applied).
///
/// Returns the bytes themselves, uncopied, when the header names no coding or only `identity`.
pub fn decode(content_encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, EncodingError> {
    todo!("{content_encoding} {body:?} {limit}")
}

/// Decodes the copy of a reply that is observed, as it arrives.
#[derive(Debug)]
pub struct StreamDecoder {}

impl StreamDecoder {
    /// A decoder for `content_encoding`; `None` when nothing has to be decoded.
    pub fn new(content_encoding: &str) -> Result<Option<StreamDecoder>, EncodingError> {
        todo!("{content_encoding}")
    }

    /// Takes the next coded bytes and returns what they decode to, which may be nothing yet.
    ///
    /// What the coder has flushed is returned at once, so that a compressed event stream is observed event by event.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Bytes, EncodingError> {
        todo!("{bytes:?}")
    }
}
