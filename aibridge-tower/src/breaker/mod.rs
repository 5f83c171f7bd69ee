//! A provider that keeps failing is left alone for a while: [`BreakerLayer`] refuses requests to it at once.
//!
//! There is a circuit for each instance, endpoint and model. It opens after a number of failures in a row: 503, 504, 529,
//! no connection, no answer in time, or a stream that begins with an `overloaded_error`. While it is open, requests are
//! refused with 503 and what is left of the time. Then a few are let through; it closes when all of them succeed, and opens
//! again when one fails. A client that leaves before its request came to anything says nothing about the provider. Users'
//! own credentials count as well: it is the same provider.
//!
//! Failures are counted when they are seen, however long ago the request began: one that timed out after ten minutes
//! counts as much as one that was refused at once.
//!
//! Only circuits that have failed are kept, at most 4,096 of them, as a few numbers each, so that it costs no memory to
//! invent names of models. When there is no room, one that fails for the first time is not kept, and so does not open;
//! one that is open is never given up for it.
//!
//! It stands behind [`Record`](crate::record::Record), so that refusals are on record, and before
//! [`Keys`](crate::keys::Keys), so that the failure of a key is none of the provider's.
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`](crate::ProviderRoute), [`AiBody`](crate::parse::AiBody) | nothing |
//!
//! ```
//! use std::time::Duration;
//! use aibridge_tower::breaker::{BreakerLayer, Policy};
//!
//! let layer = BreakerLayer::new(Some(Policy { open: Duration::from_secs(10), ..Policy::default() }));
//! # drop(layer);
//! ```

mod body;
mod circuit;
mod circuits;
mod future;
mod layer;
mod metrics;
mod service;
mod ticket;

pub use body::BreakerBody;
pub use future::BreakerFuture;
pub use layer::{BreakerLayer, Policy};
pub use service::Breaker;

#[cfg(test)]
mod tests;
