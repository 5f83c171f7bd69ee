use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::Toolset;
use crate::{api::Api, json::Document};

/// A request with tools added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Injected {
    /// The request's body.
    pub body: Bytes,
    /// The names of the tools that were added, exactly as the model is given them.
    pub names: Arc<BTreeSet<String>>,
    /// How many were left out, because the provider takes only so many.
    pub left_out: usize,
}

/// Adds `tools` to a request, or says that it is one that gets none.
pub fn inject(_api: Api, _document: &Document, _facts: &crate::api::Facts, _tools: &Toolset) -> Option<Injected> {
    todo!()
}
