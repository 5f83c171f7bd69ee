//! placeholder
mod answer;
pub mod auth;
pub mod body;
mod context;
pub mod keys;
pub mod limit;
pub mod models;
pub mod parse;
pub mod passthrough;
pub mod record;
pub mod refuse;
pub mod route;
pub mod shape;
pub mod upstream;

pub use context::{Byok, ProviderRoute};

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
