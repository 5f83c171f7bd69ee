use bytes::Bytes;

use super::Refusal;

/// A family of APIs that report errors in one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `{"type":"error","error":{"type","message"}}`
    Anthropic,
    /// `{"error":{"message","type","param","code"}}`
    OpenAi,
}

impl Format {
    /// The JSON body of a refusal in this format.
    pub fn body(self, refusal: &Refusal) -> Bytes {
        todo!("{refusal:?}")
    }

    /// todo
    pub fn guess(path: &str, headers: &http::HeaderMap) -> Format { todo!("{path}{headers:?}") }
    /// todo
    pub fn read_error(self, body: &[u8]) -> Option<super::ProviderError> { todo!("{body:?}") }
}
