//! Which headers reach the provider and the client.

use std::mem;

use http::{HeaderMap, HeaderName, header};

/// Removes from a client's request what must not reach the provider: hop-by-hop headers and those named by `Connection`,
/// `Host`, `Content-Length`, `Cookie`, `Coder-*`, `X-Coder-*`, `Forwarded`, `X-Forwarded-*`, `X-Real-IP` and anything
/// spelt like an actor header. The order of what stays is kept.
///
/// `Authorization` and `X-Api-Key` are left as they are: who authenticates removes the gateway's token. Values of one
/// name stay in their order; [`HeaderMap`] keeps them next to each other.
///
/// ```
/// use aibridge_providers::provider::headers;
/// use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
/// headers.insert("cookie", HeaderValue::from_static("session=1"));
/// headers::to_provider(&mut headers);
/// assert!(headers.contains_key("anthropic-version") && !headers.contains_key("cookie"));
/// ```
pub fn to_provider(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    keep(headers, |name| !stays_here(name.as_str()) && !named.contains(name));
}

/// Takes a client's `Connection` at its word, and away: what it names was for the gateway only. Has to come before
/// anything is added, which a client could name otherwise: the organisation's credential, to have it refused.
///
/// The usual hop-by-hop headers are left to [`to_provider`].
pub fn end_hop(headers: &mut HeaderMap) {
    // Not only what is there: a credential is added later.
    if connection_options(headers).next().is_some() {
        let named = named_by_connection(headers);
        keep(headers, |name| *name != header::CONNECTION && !named.contains(name));
    }
}

/// Removes from a provider's reply what must not reach the client: hop-by-hop headers, those named by `Connection`,
/// and `Set-Cookie`. The order of what stays is kept.
pub fn to_client(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    let goes = |name: &HeaderName| {
        let name_text = name.as_str();
        name_text == "set-cookie" || is_hop_by_hop(name_text) || named.contains(name)
    };
    if headers.keys().any(goes) {
        keep(headers, |name| !goes(name));
    }
}

/// Removes the headers of other names. The order of what stays is kept, unlike by [`HeaderMap::remove`], which puts the last
/// header in the gap.
pub fn keep(headers: &mut HeaderMap, stays: impl Fn(&HeaderName) -> bool) {
    let mut kept = HeaderMap::with_capacity(headers.keys_len());
    let mut is_kept = false;
    // The first value of a name comes with it, the others with `None`.
    for (name, value) in mem::take(headers) {
        match name {
            Some(name) => {
                is_kept = stays(&name);
                if is_kept {
                    kept.insert(name, value);
                }
            }
            None if is_kept => {
                let last = kept.keys().last().cloned().expect("a name that is kept");
                kept.append(last, value);
            }
            None => {}
        }
    }
    *headers = kept;
}

/// The headers that are there and that `Connection` makes hop-by-hop (RFC 9110, 7.6.1), beside the usual ones.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for option in connection_options(headers) {
        // Only what is there, once, so that a long list costs no more than the headers it names.
        if let Ok(name) = HeaderName::from_bytes(option)
            && headers.contains_key(&name)
            && !named.contains(&name)
        {
            named.push(name);
        }
    }
    named
}

/// The options of `Connection` that are names of headers.
fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::CONNECTION).iter();
    let options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.map(<[u8]>::trim_ascii).filter(|option| {
        !option.is_empty() && !option.eq_ignore_ascii_case(b"keep-alive") && !option.eq_ignore_ascii_case(b"close")
    })
}

/// Whether a client's header (in lower case) ends at the gateway.
fn stays_here(name: &str) -> bool {
    is_hop_by_hop(name)
        || match name.as_bytes() {
            [b'c', ..] => matches!(name, "content-length" | "cookie") || name.starts_with("coder-"),
            [b'f', ..] => name == "forwarded",
            [b'h', ..] => name == "host",
            [b'x', ..] => {
                name == "x-real-ip"
                    || name.starts_with("x-coder-")
                    || name.starts_with("x-forwarded-")
                    || is_spelt_like_actor(name)
            }
            _ => false,
        }
}

/// Whether a header could pass for an actor header. Servers that hand headers on as variables (CGI, WSGI) do not tell
/// `_` from `-`.
fn is_spelt_like_actor(name: &str) -> bool {
    const START: &[u8] = b"x-ai-bridge-actor";
    let Some(head) = name.as_bytes().get(..START.len()) else { return false };
    head.iter().zip(START).all(|(byte, start)| byte == start || (*byte == b'_' && *start == b'-'))
}

/// RFC 9110, 7.6.1, with RFC 2616's `Keep-Alive`, the unofficial `Proxy-Connection`, and the credentials of the hop.
fn is_hop_by_hop(name: &str) -> bool {
    match name.as_bytes() {
        [b'c', ..] => name == "connection",
        [b'k', ..] => name == "keep-alive",
        [b'p', ..] => matches!(name, "proxy-authenticate" | "proxy-authorization" | "proxy-connection"),
        [b't', ..] => matches!(name, "te" | "trailer" | "transfer-encoding"),
        [b'u', ..] => name == "upgrade",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
