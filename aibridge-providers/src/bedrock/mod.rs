//! Amazon Bedrock: Anthropic's Messages API through `InvokeModel`, and back.

mod settings;

pub use settings::{KeyPair, Protocol, Settings};
