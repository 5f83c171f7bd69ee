//! Provider instances: their kinds, routes, credentials, and which headers reach them.

mod base_url;
pub mod headers;
mod instance;
mod kind;
mod paths;
mod registry;
mod route;
mod secret;
mod table;

pub use base_url::{BaseUrl, BaseUrlError};
pub use instance::{Instance, InstanceBuilder, ModelRules};
pub use kind::Kind;
pub(crate) use paths::decoded as decoded_path;
pub use registry::Registry;
pub use route::{Endpoint, Route, RouteError, resolve};
pub use secret::{Secret, hint};
