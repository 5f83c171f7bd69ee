//! HTTP with SSE, the transport of protocol revision 2024-11-05, as an rmcp transport.
//!
//! The client gets an event stream. Its first event, `endpoint`, says where to post messages to; answers and whatever
//! else the server has to say come as `message` events. See the specification's
//! [transports page](https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse).

mod error;
mod transport;

pub(crate) use error::SseTransportError;
pub(crate) use transport::SseTransport;
