use super::{
    EncodingError,
    deflate::Deflate,
    gzip::Gzip,
    stage::Stage,
    window::{Brotli, Zstd},
};

/// The most codings that are undone, one over the other.
const MAX_CODINGS: usize = 2;

/// How much of an unknown coding's name an error repeats, in bytes.
const MAX_NAME: usize = 64;

/// A content coding (RFC 9110, 8.4.1, and the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// The codings that `content_encoding` names, in the order in which they are undone: the last one first.
    pub(super) fn to_undo(content_encoding: &str) -> Result<Vec<Coding>, EncodingError> {
        let mut codings = Vec::new();
        for name in content_encoding.rsplit(',').map(str::trim) {
            if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                continue;
            }
            if codings.len() == MAX_CODINGS {
                return Err(EncodingError::TooMany);
            }
            codings.push(Coding::from_name(name).ok_or_else(|| {
                let end = name.floor_char_boundary(MAX_NAME);
                EncodingError::Unknown(name[..end].to_owned())
            })?);
        }
        Ok(codings)
    }

    fn from_name(name: &str) -> Option<Coding> {
        [
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("deflate", Coding::Deflate),
            ("br", Coding::Brotli),
            ("zstd", Coding::Zstd),
        ]
        .into_iter()
        .find_map(|(known, coding)| name.eq_ignore_ascii_case(known).then_some(coding))
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    pub(super) fn stage(self) -> Box<dyn Stage> {
        match self {
            Coding::Gzip => Box::new(Gzip::new()),
            Coding::Deflate => Box::new(Deflate::new()),
            Coding::Brotli => Box::new(Brotli::new()),
            Coding::Zstd => Box::new(Zstd::new()),
        }
    }
}
