//! Provider instances: their kinds, routes, credentials, and which headers reach them.

pub mod headers;
mod instance;
mod kind;
mod route;
mod secret;

pub use instance::{BaseUrl, BaseUrlError, Instance, InstanceBuilder, ModelRules, Registry};
pub use kind::Kind;
pub use route::{Endpoint, Route, RouteError, resolve};
pub use secret::{Secret, hint};
