//! The head of a request that further rounds repeat.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use memchr::memchr2;

use crate::parse::AiBody;

/// A copy of a request's head, made for every request and needed by few: small, and quickly made and dropped.
///
/// The headers are one piece of text, because a clone of the map would count a reference to the buffer they were read into
/// for each of them, and keep that buffer.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    pub(super) extensions: Extensions,
    headers: Vec<u8>,
}

/// Stands between a header's name and its value. Neither may be in a name (RFC 9110, section 5.6.2).
const PLAIN: u8 = b':';
const SENSITIVE: u8 = b';';

/// Stands behind a header's value, in which it may not be (RFC 9110, section 5.5).
const END: u8 = b'\n';

impl Head {
    pub(super) fn of(request: &Request<AiBody>) -> Head {
        Head {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            extensions: request.extensions().clone(),
            headers: written(request.headers()),
        }
    }

    /// The same request with another body.
    pub(super) fn again(&self, body: AiBody) -> Request<AiBody> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        let headers = request.headers_mut();
        *headers = read(&self.headers);
        // It is a request of its own: whoever goes by this would give it the reply of the first.
        headers.remove("idempotency-key");
        request
    }

    /// The request of a further round.
    pub(super) fn request(&self, body: AiBody) -> Request<AiBody> {
        let mut request = self.again(body);
        // It answers tools, so that it is the agent's and not the person's: GitHub Copilot bills those.
        if let Some(initiator) = request.headers_mut().get_mut("x-initiator") {
            *initiator = HeaderValue::from_static("agent");
        }
        request
    }
}

fn written(headers: &HeaderMap) -> Vec<u8> {
    // Those of most agents fit.
    let mut text = Vec::with_capacity(1024);
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(if value.is_sensitive() { SENSITIVE } else { PLAIN });
        text.extend_from_slice(value.as_bytes());
        text.push(END);
    }
    text
}

fn read(text: &[u8]) -> HeaderMap {
    let header = |line: &[u8]| {
        let at = memchr2(PLAIN, SENSITIVE, line)?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        let mut value = HeaderValue::from_bytes(&line[at + 1..]).ok()?;
        value.set_sensitive(line[at] == SENSITIVE);
        Some((name, value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in text.split(|byte| *byte == END).filter_map(header) {
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use aibridge_providers::api::Api;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::parsed;

    #[test]
    fn headers_come_back_as_they_were() {
        let mut headers = HeaderMap::new();
        let mut secret = HeaderValue::from_static("k:e;y");
        secret.set_sensitive(true);
        headers.append("x-api-key", secret);
        for value in ["one", "", "two: 2; \t x"] {
            headers.append("x-many", HeaderValue::from_static(value));
        }
        headers.append("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let copy = read(&written(&headers));
        assert_eq!(copy, headers);
        assert!(
            copy.iter()
                .zip(&headers)
                .all(|((name, value), (other, same))| { (name, value.is_sensitive()) == (other, same.is_sensitive()) })
        );
        assert_eq!(read(&written(&HeaderMap::new())), HeaderMap::new());
    }

    #[test]
    fn a_further_round_is_the_agents_and_another_request() {
        let mut request = parsed(Api::Chat, "{}");
        let own = [("x-initiator", "user"), ("idempotency-key", "1"), ("x-interaction-id", "2")];
        for (name, value) in own {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let head = Head::of(&request);
        let mut expected = request.headers().clone();
        expected.insert("x-initiator", HeaderValue::from_static("agent"));
        expected.remove("idempotency-key");
        assert_eq!(head.request(request.into_body()).headers(), &expected);
        let head = Head::of(&parsed(Api::Chat, "{}"));
        assert!(head.request(parsed(Api::Chat, "{}").into_body()).headers().is_empty());
    }

    proptest! {
        #[test]
        fn any_headers_come_back(pairs in prop::collection::vec(("[!#$%&'*+.^_`|~0-9a-z-]{1,9}", "[ -~\\t\u{80}-\u{ff}]{0,9}"), 0..9)) {
            let mut headers = HeaderMap::new();
            for (name, value) in &pairs {
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            prop_assert_eq!(read(&written(&headers)), headers);
        }
    }
}
