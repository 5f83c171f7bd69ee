//! Which headers reach the provider and the client.

use http::HeaderMap;

/// The headers that go upstream, in the client's order: everything except hop-by-hop headers and those named by
/// `Connection`, `Host`, `Content-Length`, `Cookie`, `Coder-*`, `X-Coder-*`, `Forwarded`, `X-Forwarded-*`, `X-Real-IP`
/// and anything spelt like an actor header.
///
/// `Authorization` and `X-Api-Key` are left as they are: who authenticates removes the gateway's token.
pub fn to_provider(headers: &HeaderMap) -> HeaderMap {
    todo!("{headers:?}")
}

/// Removes from a provider's reply what must not reach the client: hop-by-hop headers, those named by `Connection`,
/// and `Set-Cookie`. The order of what stays is kept.
pub fn to_client(headers: &mut HeaderMap) {
    todo!("{headers:?}")
}
