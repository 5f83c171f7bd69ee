//! The head of a message as text.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};

/// What stands in the place of a secret.
const MASK: &str = "********";

/// Headers whose values are secrets.
const MASKED: [&str; 7] =
    ["authorization", "x-api-key", "api-key", "cookie", "set-cookie", "x-amz-security-token", "x-goog-api-key"];

/// What names of further such headers contain.
const TELLING: [&str; 4] = ["token", "secret", "password", "api-key"];

/// Parameters of a query whose values are secrets.
const PARAMETERS: [&str; 5] = ["key", "api_key", "api-key", "access_token", "token"];

/// Whether the value of a header is left out of what is written: those that carry credentials, by name, `Proxy-*`, and
/// whatever calls itself a token, a secret, a password or a key.
pub fn masked(name: &HeaderName) -> bool {
    let name = name.as_str();
    MASKED.contains(&name) || name.starts_with("proxy-") || TELLING.iter().any(|part| name.contains(part))
}

pub(super) fn request(method: &Method, uri: &Uri, headers: &HeaderMap) -> Vec<u8> {
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut text = format!("{method} {scheme}://{authority}{}", uri.path());
    for (at, parameter) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match PARAMETERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) && !value.is_empty() {
            true => drop(write!(text, "{name}={MASK}")),
            false => text.push_str(parameter),
        }
    }
    text.push_str(" HTTP/1.1\r\n");
    with_headers(text, headers)
}

pub(super) fn response(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    with_headers(format!("HTTP/1.1 {status}\r\n"), headers)
}

fn with_headers(line: String, headers: &HeaderMap) -> Vec<u8> {
    let mut text = line.into_bytes();
    for (name, value) in headers {
        let value = if masked(name) || value.is_sensitive() { MASK.as_bytes() } else { value.as_bytes() };
        text.extend([name.as_str().as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text
}
