//! With which credential the provider is asked: [`KeysLayer`] adds one of the instance's keys to requests that do not carry
//! the user's own.
//!
//! | instance | header |
//! | --- | --- |
//! | `anthropic` | `X-Api-Key: <key>` |
//! | `azure` | `Api-Key: <key>` |
//! | other OpenAI formats | `Authorization: Bearer <key>` |
//! | `bedrock` | none: whoever signs the request uses the [`Credential`] |
//! | `copilot` | none: always the user's own |
//!
//! An instance without a key is asked without a credential, as local model servers are.
//!
//! # Failover
//!
//! A request takes the first of the keys that can be used. A reply of 429 leaves the key out for as long as the provider
//! says, one of 401 for a minute, for all requests of the instance; and the same request goes on with the next key, each
//! at most once, before anything has reached the client. When none is left, the client is told 429 and when the first can
//! be used again, or 502 if all were refused. What the provider said of its key is logged; see
//! [`verdict`](aibridge_providers::provider::verdict()) for what counts.
//!
//! A user's own credential never fails over, and everything else a provider answers goes to the client. A request whose
//! body cannot be had again (see [`Repeat`]) tells the others what it learnt, and leaves trying again to its client.
//!
//! # Staying with a key
//!
//! What a provider hands out to be sent back may be bound to the account: ids of stored responses, encrypted reasoning,
//! signed thinking. A request that carries such data goes with the key its conversation used last, when that is known and
//! usable. The conversation is known by the id of the previous response, else by the agent's session, else by its first
//! user message, always within one user and instance. Only conversations that did not use the first key are remembered,
//! 100,000 of them, a day after their last request: while the first key works, this costs nothing.
//!
//! A request that already has a [`Credential`] is a further round of one that was answered with it, and goes with the same
//! key while that is usable: the client's part of it does not tell what the round before has added.
//!
//! # Trying again
//!
//! Off by default, because clients try again by themselves; see [`KeysLayer::max_retries`].
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`](crate::ProviderRoute), [`Byok`](crate::Byok), [`Credential`] of a round before | the credential's header; [`Credential`](crate::Credential), also to the response |
//!
//! [`Credential`]: crate::Credential

mod future;
mod header;
mod layer;
mod memory;
mod metrics;
mod refused;
mod repeat;
mod service;
mod turn;

pub use future::ResponseFuture;
pub use layer::KeysLayer;
pub(crate) use memory::Remember;
pub use metrics::observe_pools;
pub use repeat::Repeat;
pub use service::Keys;

#[cfg(test)]
mod tests;
