/// `whole` with `new` in the place of `part`, which is a part of it.
pub(super) fn splice(whole: &[u8], part: &[u8], new: &[u8]) -> Vec<u8> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()).min(whole.len());
    let end = (start + part.len()).min(whole.len());
    [&whole[..start], new, &whole[end..]].concat()
}
