//! What goes to providers and comes back, as files: [`DumpLayer`] writes each request and each reply into a directory, for
//! whoever has to find out what an agent really said.
//!
//! The files are `<dir>/<instance>/<model>/<unix ms>-<interception id>.<round>.req.txt` and `.resp.txt`, readable by their
//! owner alone, and hold HTTP as text. What is only passed through lies under `passthrough` in the place of the model.
//! Secrets are masked in the head, see [`masked`]; what people and models wrote is there in full.
//!
//! It stands next to [`Upstream`](crate::upstream::Upstream), so that the files show what is really sent: one pair for each
//! attempt. Files are written by a thread of their own. One that cannot be written, or not fast enough, costs a warning, and
//! never a request.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use aibridge_tower::{dump::DumpLayer, keys::KeysLayer, upstream::Upstream};
//! use axum::body::Body;
//! use tower::ServiceBuilder;
//!
//! # fn main() -> Result<(), aibridge_tower::BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(KeysLayer::new())
//!     .layer(DumpLayer::new(Path::new("/var/lib/aibridge/dumps"))?)
//!     .service(Upstream::builder().build::<Body>()?.parsed());
//! # drop(service);
//! # Ok(()) }
//! ```
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`](crate::ProviderRoute); the interception, from [`Record`](crate::record::Record) | nothing |

mod body;
mod head;
mod layer;
mod service;
mod writer;

#[cfg(test)]
mod tests;

pub use body::{RequestBody, ResponseBody};
pub use head::masked;
pub use layer::{DumpLayer, DumpProxiedLayer};
pub use service::{Dump, DumpProxied, ResponseFuture};
