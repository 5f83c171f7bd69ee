//! Provider instances: their kinds, routes, credentials, and which headers reach them.

mod base_url;
pub mod headers;
mod instance;
mod kind;
mod paths;
mod pool;
mod registry;
mod route;
mod secret;
mod table;
mod verdict;

pub use base_url::{BaseUrl, BaseUrlError};
pub use instance::{Instance, InstanceBuilder, ModelRules};
pub use kind::Kind;
pub(crate) use paths::decoded as decoded_path;
pub use pool::{Exhausted, Key, KeyPool, KeyStates};
pub use registry::Registry;
pub use route::{Endpoint, Route, RouteError, resolve};
pub use secret::{Secret, hint};
pub use verdict::{Verdict, retry_after, verdict};
