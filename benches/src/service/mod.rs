//! A provider without sockets, the requests it is asked, and how a service is driven.
//!
//! Everything a bench does not measure is as cheap as it can be: bodies are shared `Bytes`, replies are ready at once,
//! and requests are built outside the measured loop.

mod drive;
mod identity;
mod provider;
mod request;
mod toolbox;

pub use drive::{call, calls};
pub use identity::{Keyring, TOKEN};
pub use provider::{Frames, Provider};
pub use request::{Ask, actor, instance, parsed, registry, request, routed};
pub use toolbox::Tools;
