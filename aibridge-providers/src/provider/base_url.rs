use http::{
    Uri,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use url::Url;

use super::Kind;
use crate::api::Format;

/// An instance's base URL, taken apart once.
///
/// ```
/// use aibridge_providers::provider::{BaseUrl, Kind};
///
/// let base = BaseUrl::parse("https://api.openai.com/v1/")?;
/// let uri = base.join(Kind::OpenAi, "/v1/models", Some("limit=5")).expect("a valid URI");
/// assert_eq!(uri, "https://api.openai.com/v1/models?limit=5");
/// # Ok::<_, aibridge_providers::provider::BaseUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// The path without its trailing slashes; empty for the root.
    prefix: String,
    /// Where in `prefix` its last segment's slash is, if that segment is a version.
    version: Option<usize>,
    text: String,
}

/// Why a base URL is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// It does not parse.
    #[error("is not a URL")]
    Malformed,
    /// Neither http nor https.
    #[error("must start with http:// or https://")]
    Scheme,
    /// It has a query or a fragment.
    #[error("must not have a query or a fragment")]
    Query,
    /// It carries a user name or password.
    #[error("must not carry credentials")]
    Credentials,
}

impl BaseUrl {
    /// Checks and takes apart `url`. Whether its path ends in a slash makes no difference.
    ///
    /// # Errors
    ///
    /// Anything but an `http` or `https` URL without query, fragment and credentials is refused.
    pub fn parse(url: &str) -> Result<BaseUrl, BaseUrlError> {
        let url = url.trim();
        if url.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            // The URL parser would repair these, so that what was read is not what is called.
            return Err(BaseUrlError::Malformed);
        }
        if !["http://", "https://"].iter().any(|scheme| starts_with_ignoring_case(url, scheme)) {
            return Err(BaseUrlError::Scheme);
        }
        let url = Url::parse(url).map_err(|_| BaseUrlError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        let uri = Uri::try_from(url.as_str()).map_err(|_| BaseUrlError::Malformed)?;
        let Parts { scheme: Some(scheme), authority: Some(authority), .. } = uri.into_parts() else {
            return Err(BaseUrlError::Malformed);
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        let version = prefix.rfind('/').filter(|slash| is_version(&prefix[slash + 1..]));
        Ok(BaseUrl { scheme, authority, prefix, version, text: url.into() })
    }

    /// Joins `path` (as in [`super::Route::path`]) and the client's query to the base. The base's own version segment
    /// is never doubled: `.../v1/` and `/v1/models` give `.../v1/models`. The query is kept byte for byte.
    ///
    /// `None` when the result is not a URI: longer than 65,534 bytes, or bytes that no URI may hold.
    pub fn join(&self, kind: Kind, path: &str, query: Option<&str>) -> Option<Uri> {
        let (prefix, path) = self.without_doubled_version(kind, path);
        let end_of_path = prefix.len() + path.len();
        let mut text = String::with_capacity(end_of_path + query.map_or(0, |query| query.len() + 1));
        text.push_str(prefix);
        text.push_str(path);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        let len = text.len();
        let path_and_query = PathAndQuery::try_from(text).ok()?;
        // The parser cuts off fragments, and a `?` in the path would begin the query there.
        if path_and_query.as_str().len() != len || path_and_query.path().len() != end_of_path {
            return None;
        }
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).ok()
    }

    /// Decides which of the two keeps its version; the one place that does.
    ///
    /// * A base that ends in a version (`/v1`, `/v4`, `/v1beta`) stands for the `/v1` of the route.
    /// * So does Google's, whose version is further to the front (`/v1beta/openai`).
    /// * Anthropic's routes outside `/v1` (`/api/event_logging/*`) live beside the base's version, not below it.
    /// * Copilot's routes mostly have no version, and get none.
    fn without_doubled_version<'a>(&'a self, kind: Kind, path: &'a str) -> (&'a str, &'a str) {
        match (path.strip_prefix("/v1"), self.version) {
            (Some(rest), version)
                if (rest.is_empty() || rest.starts_with('/')) && (version.is_some() || kind == Kind::Google) =>
            {
                (&self.prefix, rest)
            }
            (None, Some(version)) if kind.format() == Format::Anthropic => (&self.prefix[..version], path),
            _ => (&self.prefix, path),
        }
    }

    /// The URL as text, for people.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether a path segment is a version: `v`, a digit, and letters or digits.
fn is_version(segment: &str) -> bool {
    match segment.as_bytes() {
        [b'v', digit, rest @ ..] => digit.is_ascii_digit() && rest.iter().all(u8::is_ascii_alphanumeric),
        _ => false,
    }
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests;
