//! placeholder
use super::Facts;
use crate::json::Document;

pub(super) fn read(document: &Document) -> Facts {
    todo!("{document:?}")
}
