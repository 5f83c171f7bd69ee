//! Who asked what, and what came of it: [`RecordLayer`] records one interception for each request.
//!
//! The start is awaited before the provider is called; everything later is told in passing. A copy of the reply is decoded;
//! the client gets the provider's bytes. The interception's id is sent as [`INTERCEPTION_ID`], and the
//! [`Interception`] is put into the response's extensions: when its last clone goes, the end is recorded. A request that
//! already carries an [`Interception`] in its extensions continues it.
//!
//! Two things are done to a stream, and only there. A Chat request that does not ask for usage is made to, and the chunk
//! that carries it is kept from the client. A stream that breaks off ends with the API's error event. A host can turn on a
//! third: silence is broken, see [`RecordLayer::keep_alive`].
//!
//! | needs | adds |
//! | --- | --- |
//! | [`Actor`](crate::auth::Actor), [`ProviderRoute`](crate::ProviderRoute), [`AiBody`](crate::parse::AiBody) | [`Interception`], to the response |

mod body;
mod error;
pub mod follow;
mod future;
mod injected;
mod interception;
mod keep_alive;
mod layer;
mod observation;
mod observed;
mod round_trip;
mod service;
#[cfg(test)]
mod testing;
mod whole_events;

use http::HeaderName;

pub use body::ResponseBody;
pub use error::InterceptionFailed;
pub use future::ResponseFuture;
pub(crate) use injected::InjectedCall;
pub use interception::{Interception, Summary};
pub(crate) use keep_alive::KeepAlive;
pub use layer::{RecordLayer, RecordingPolicy};
use round_trip::RoundTrip;
pub use service::Record;

/// The response header that names the interception.
pub const INTERCEPTION_ID: HeaderName = HeaderName::from_static("x-ai-bridge-interception-id");
