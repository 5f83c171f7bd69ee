use http::Method;

use super::{
    Kind,
    paths::{decoded, unsafe_part, without_version},
    table::{FULL_ENDPOINTS, INVOKE, INVOKE_STREAM, Row, rows},
};
use crate::{api::Api, bedrock::NativeCall};

/// Where a request goes on its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// What is done with it.
    pub endpoint: Endpoint,
    /// The canonical upstream path, e.g. `/v1/messages`, before it is joined to the base URL.
    pub path: String,
    /// The route's pattern for metrics and logs, e.g. `/v1/models/*`.
    pub pattern: &'static str,
    /// On [`Kind::Bedrock`], the call of a client that speaks Bedrock itself: its body and reply are in Bedrock's form,
    /// and the model and whether the reply is a stream are here, not in the body.
    pub native: Option<NativeCall>,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Parsed, recorded, forwarded.
    Intercepted(Api),
    /// Forwarded only.
    Passthrough,
    /// A probe of an agent, answered 200 here (`HEAD` of the root or of `/api/hello`).
    Probe,
}

/// Why a path has no route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// 400: the path contains `//`, dot segments, `%2f`, `%5c`, `%00` or a backslash.
    #[error("the path contains {0}, which is not allowed")]
    UnsafePath(&'static str),
    /// 405 with `Allow`.
    #[error("method not allowed: {method} {path}; allowed: {allow}")]
    Method {
        /// The method that was used.
        method: Method,
        /// The path after the instance's name.
        path: String,
        /// The value for `Allow`.
        allow: &'static str,
    },
    /// 404.
    #[error("route not supported: {method} {path}")]
    Unknown {
        /// The method that was used.
        method: Method,
        /// The path after the instance's name.
        path: String,
    },
}

/// Resolves `path`, the part of the request's path after the instance's name, e.g. `/v1/v1/messages`, to a route.
///
/// Clients build their URLs in three ways, and all of them work: a base URL without `/v1` (`/messages` arrives), one
/// with it (`/v1/v1/messages`), and the full endpoint as the base (`/v1/messages/v1/messages`, and everything else the
/// client calls below it, e.g. `/v1/messages/v1/models`). A trailing slash is tolerated. Below a pattern such as
/// `/v1/models/*` the bytes of the path stay as they are.
///
/// The id in `/model/{id}/invoke` may be an ARN, and is the one place where `%2F` is allowed; the canonical path has the
/// id as one encoded segment.
///
/// # Errors
///
/// [`RouteError::UnsafePath`] before anything else, [`RouteError::Method`] when only the method is wrong, otherwise
/// [`RouteError::Unknown`].
///
/// ```
/// use aibridge_providers::{api::Api, provider::{Endpoint, Kind, resolve}};
///
/// let route = resolve(Kind::Anthropic, &http::Method::POST, "/v1/v1/messages")?;
/// assert_eq!(route.endpoint, Endpoint::Intercepted(Api::Messages));
/// assert_eq!(route.path, "/v1/messages");
/// # Ok::<_, aibridge_providers::provider::RouteError>(())
/// ```
pub fn resolve(kind: Kind, method: &Method, path: &str) -> Result<Route, RouteError> {
    if kind == Kind::Bedrock
        && let Some(call) = candidates(path).find_map(native)
    {
        let row = if call.streaming { &INVOKE_STREAM } else { &INVOKE };
        row.check(method, path)?;
        return Ok(Route { endpoint: row.endpoint, path: call.path(), pattern: row.pattern, native: Some(call) });
    }
    if let Some(part) = unsafe_part(path) {
        return Err(RouteError::UnsafePath(part));
    }
    let plain = decoded(path);
    if method == Method::HEAD
        && let Some(pattern) = probe(&plain)
    {
        return Ok(Route { endpoint: Endpoint::Probe, path: pattern.to_owned(), pattern, native: None });
    }
    // Whole routes before `*` ones, whatever base precedes them: `/v1/responses/responses` is a client whose base is
    // the full endpoint, not a response of that id.
    let (row, tail) = candidates(&plain)
        .find_map(|path| exact(kind, path))
        .map(|row| (row, ""))
        .or_else(|| candidates(path).find_map(|path| below(kind, path)))
        .ok_or_else(|| RouteError::Unknown { method: method.clone(), path: shown(path) })?;
    row.check(method, path)?;
    let path = [row.pattern.trim_end_matches('*'), tail].concat();
    Ok(Route { endpoint: row.endpoint, path, pattern: row.pattern, native: None })
}

impl Row {
    /// Whether the route exists for `method`.
    fn check(&self, method: &Method, path: &str) -> Result<(), RouteError> {
        match self.allow.split(", ").any(|allowed| allowed == method.as_str()) {
            true => Ok(()),
            false => Err(RouteError::Method { method: method.clone(), path: shown(path), allow: self.allow }),
        }
    }
}

/// What `path` may mean, likeliest last: what follows a full endpoint used as the base, then the path itself; all
/// without their version.
fn candidates(path: &str) -> impl Iterator<Item = &str> {
    let path = without_version(path);
    FULL_ENDPOINTS.iter().filter_map(|base| path.strip_prefix(base)).map(without_version).chain([path])
}

fn native(path: &str) -> Option<NativeCall> {
    NativeCall::parse(path.strip_suffix('/').unwrap_or(path))
}

/// The probe that agents send to their base URL before anything else.
fn probe(path: &str) -> Option<&'static str> {
    if matches!(without_version(path), "" | "/") {
        return Some("/");
    }
    candidates(path).any(|path| matches!(path, "/api/hello" | "/api/hello/")).then_some("/api/hello")
}

fn exact(kind: Kind, path: &str) -> Option<&'static Row> {
    let path = path.strip_suffix('/').unwrap_or(path);
    rows(kind).iter().find(|row| without_version(row.pattern) == path && !row.pattern.ends_with('*'))
}

fn below(kind: Kind, path: &str) -> Option<(&'static Row, &str)> {
    rows(kind).iter().find_map(|row| {
        let start = without_version(row.pattern).strip_suffix('*')?;
        Some((row, path.strip_prefix(start)?))
    })
}

/// The path as the client sent it; the root is a slash.
fn shown(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

#[cfg(test)]
mod tests;
