//! Content codings of requests and replies: `gzip`, `deflate`, `br`, `zstd`.
//!
//! [`decode`] reads a whole request; [`StreamDecoder`] reads a reply while it arrives. Both undo up to two codings, the
//! last one first (RFC 9110, 8.4). What a coder may make a decoder hold is bounded beside the output: 16 MiB for `br`,
//! 8 MiB for `zstd`, 32 KiB for the others.

mod coding;
mod deflate;
mod gzip;
mod stage;
mod stream;
mod window;

use bytes::Bytes;

pub use self::stream::StreamDecoder;
use self::{
    coding::Coding,
    stage::{SCRATCH, pump},
};

/// How many times its coded size a body may be.
const MAX_RATIO: usize = 200;

/// The decoded size, in bytes, up to which the ratio does not matter.
const RATIO_FLOOR: usize = 64 * 1024;

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
/// Returns the bytes themselves, uncopied, when the header names no coding or only `identity`. No more than `limit`
/// bytes are decoded, nor more than 200 times the coded size where that is above 64 KiB; decoding stops there.
///
/// ```
/// use aibridge_providers::encoding::{EncodingError, decode};
///
/// let body = bytes::Bytes::from_static(b"{}");
/// assert_eq!(decode("identity", body.clone(), 1024), Ok(body.clone()));
/// assert_eq!(decode("compress", body, 1024), Err(EncodingError::Unknown("compress".to_owned())));
/// ```
///
/// # Errors
///
/// See [`EncodingError`]. A body that ends too early or goes on after its end is corrupt. The size of a body that is
/// not coded is not checked.
pub fn decode(content_encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, EncodingError> {
    let codings = Coding::to_undo(content_encoding)?;
    if codings.is_empty() {
        return Ok(body);
    }
    let limit = limit.min(allowance(body.len()));
    let mut scratch = [0; SCRATCH];
    let mut body = body;
    for coding in codings {
        let mut stage = coding.stage();
        let mut output = Vec::new();
        pump(&mut *stage, coding, &body, &mut output, &mut scratch, limit)?;
        if !stage.is_complete() {
            return Err(EncodingError::Corrupt(coding.as_str()));
        }
        body = Bytes::from(output);
    }
    Ok(body)
}

/// How large a body of `coded` bytes may become.
fn allowance(coded: usize) -> usize {
    coded.saturating_mul(MAX_RATIO).max(RATIO_FLOOR)
}

#[cfg(test)]
mod tests;
