//! Reading and editing JSON by byte spans, so that bytes outside an edited value stay identical.
//!
//! [`Document::parse`] validates a body once; everything after that is navigation within the original bytes, without a
//! tree. [`Edits`] collects changes and applies them in one copy.
//!
//! ```
//! use aibridge_providers::json::{Document, Edits};
//!
//! let document = Document::parse(r#"{ "model": "large",  "n": 1.50 }"#.into())?;
//! assert_eq!(document.get("model").and_then(|model| model.as_str()).as_deref(), Some("large"));
//!
//! let mut edits = Edits::new(&document);
//! edits.set(document.root(), "model", r#""small""#);
//! edits.set(document.root(), "stream", "true");
//! assert_eq!(edits.apply(), r#"{ "model": "small",  "n": 1.50,"stream":true }"#);
//! # Ok::<(), aibridge_providers::json::JsonError>(())
//! ```
//!
//! # What is JSON here
//!
//! RFC 8259, strictly: no byte order mark, no comments, no trailing comma, no raw control character in a string, UTF-8
//! throughout. Two points that the RFC leaves to the reader:
//!
//! * Of duplicate keys the last one counts, as providers read it. Keys are compared unescaped.
//! * `\u` escapes of lone surrogates are accepted, because clients that cut text at UTF-16 units send them and the
//!   provider is the one to judge; reading such a string gives U+FFFD in their place.

mod document;
mod edits;
mod iter;
mod scan;
mod skip;
mod splice;
mod spliced;
mod stops;
mod string;
mod tree;
mod value;

pub use document::{Document, JsonError};
pub use edits::Edits;
pub use iter::{Elements, Members};
pub use spliced::Spliced;
pub use value::Value;

#[cfg(test)]
mod tests;
