//! What the wire formats of LLM providers mean. No I/O, no async runtime, no tower.
//!
//! * [`api`]: one folder per API, each able to read a request, observe a reply and shape an error
//! * [`sse`], [`json`], [`encoding`]: byte work the APIs stand on
//! * [`client`]: which coding agent is calling, and in which session
//! * [`provider`]: instances, kinds, routes, credentials and header rules
//! * [`bedrock`]: Messages through Amazon Bedrock: models, field rules, frames, errors
//!
//! Nothing here rewrites what it reads. A request is navigated in its bytes, and an edit changes the bytes of one member; a
//! reply is read from a copy. Unknown members, models, events and headers pass.
//!
//! A request, from its path to the tokens of its reply:
//!
//! ```
//! use aibridge_providers::{
//!     api::{Facts, Observer},
//!     json::Document,
//!     provider::{BaseUrl, Endpoint, Kind, resolve},
//! };
//!
//! let route = resolve(Kind::Anthropic, &http::Method::POST, "/v1/messages")?;
//! let url = BaseUrl::parse("https://api.anthropic.com")?.join(Kind::Anthropic, &route.path, Some("beta=true"));
//! assert_eq!(url.expect("a URL"), "https://api.anthropic.com/v1/messages?beta=true");
//! let Endpoint::Intercepted(api) = route.endpoint else { panic!("not a route that is read") };
//!
//! let request = r#"{"model": "claude-sonnet-4-5", "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
//! let facts = Facts::read(api, &Document::parse(request.into())?);
//! assert_eq!((facts.model.as_deref(), facts.prompt.as_deref()), (Some("claude-sonnet-4-5"), Some("hi")));
//!
//! let mut observer = Observer::streaming(api);
//! let mut report = |observed| println!("{observed:?}");
//! for frame in [
//!     "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":3}}}\n\n",
//!     "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n",
//!     "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
//! ] {
//!     observer.feed(&frame.into(), &mut report);
//! }
//! observer.finish(&mut report);
//! let reply = observer.reply();
//! assert!(reply.terminal);
//! assert_eq!((reply.usage.input, reply.usage.output), (3, 9));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod api;
pub mod bedrock;
pub mod client;
pub mod encoding;
pub mod json;
pub mod provider;
pub mod sse;
