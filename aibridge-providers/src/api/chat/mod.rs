//! placeholder
use super::Facts;
use crate::json::Document;

pub(super) fn read(document: &Document) -> Facts {
    todo!("{document:?}")
}

/// todo
pub fn ask_for_usage(document: &Document) -> Option<bytes::Bytes> { todo!("{document:?}") }
/// todo
pub fn is_usage_chunk(data: &[u8]) -> bool { todo!("{data:?}") }
