//! How much is served at once: [`InFlightLayer`] bounds the requests in flight, [`RateLayer`] the requests of one actor a
//! second.
//!
//! Both refuse at once instead of queueing: agents retry by themselves, and know how long to wait.
//!
//! | layer | needs | adds |
//! | --- | --- | --- |
//! | [`InFlight`] | nothing | nothing |
//! | [`Rate`] | [`Actor`](crate::auth::Actor) | nothing |

mod in_flight;
mod rate;

pub use in_flight::{InFlight, InFlightBody, InFlightFuture, InFlightLayer};
pub use rate::{Rate, RateLayer};
