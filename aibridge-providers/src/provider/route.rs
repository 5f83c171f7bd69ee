use http::Method;

use super::Kind;
use crate::api::Api;

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

/// Resolves `path`, the part of the request's path after the instance's name, e.g. `/v1/v1/messages`.
pub fn resolve(kind: Kind, method: &Method, path: &str) -> Result<Route, RouteError> {
    todo!("{kind:?} {method} {path}")
}
