//! placeholder
mod actor;
mod authenticate;
pub mod source;

pub use actor::Actor;
pub use authenticate::{AuthError, Authenticate};
