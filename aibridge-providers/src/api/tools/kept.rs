use std::sync::Arc;

use bytes::Bytes;

use crate::{
    api::{Api, chat, messages, responses},
    json::Document,
};

/// What a client did not see of a turn: the whole of it, calls and results included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// Under which ids the client will come back to the turn: those of its own calls, or of the response.
    pub keys: Vec<String>,
    /// The hidden part, in the form of the API.
    pub(in crate::api) hidden: Bytes,
}

impl Kept {
    /// The bytes of memory in use.
    pub fn size(&self) -> usize {
        self.hidden.len() + self.keys.iter().map(String::len).sum::<usize>() + 64
    }
}

/// Puts what was kept back into `document`, a request whose client continues one or more such turns; `None` if there is
/// nothing to put back. `find` is asked for each id in the request that may be a key.
pub fn restore(api: Api, document: &Document, find: &mut dyn FnMut(&str) -> Option<Arc<Kept>>) -> Option<Bytes> {
    match api {
        Api::Messages => messages::restore(document, find),
        Api::Chat => chat::restore(document, find),
        Api::Responses => responses::restore(document, find),
    }
}
