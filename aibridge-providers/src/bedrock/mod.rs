//! Amazon Bedrock: Anthropic's Messages API through `InvokeModel`, and back.
//!
//! What is known about Bedrock is here; calling it, and signing, is up to the host. A request and its reply:
//!
//! * [`translate`] makes a Messages request the body of an `InvokeModel` one, after the [rules](translate#rules).
//! * [`NativeCall::path`] is where it goes; [`NativeCall::parse`] reads such a path from clients that speak Bedrock.
//! * [`StreamDecoder`] turns the frames of the reply into ordinary Messages events, [`translate_error`] an error reply
//!   into Anthropic's form.
//! * For clients that speak Bedrock, [`NativeDecoder`] reads a copy of the frames, and [`exception_frame`],
//!   [`native_refusal`] say in Bedrock's own form what the gateway has to say.
//!
//! After the references for [InvokeModel], [Claude's request and reply] and the [event stream encoding].
//!
//! [InvokeModel]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
//! [Claude's request and reply]: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
//! [event stream encoding]: https://smithy.io/2.0/aws/amazon-eventstream.html

mod betas;
mod error;
mod event;
mod fields;
mod frames;
mod model;
mod native;
mod native_stream;
mod rules;
mod settings;
mod stream;
mod thinking;
mod translate;

#[cfg(test)]
mod testing;

pub use error::{ERROR_TYPE_HEADER, ErrorReply, NativeRefusal, native_refusal, translate_error};
pub use event::StreamFailure;
pub use frames::MAX_FRAME;
pub use model::upstream_model;
pub use native::NativeCall;
pub use native_stream::{NativeDecoder, NativeEvent, exception_frame};
pub use settings::{KeyPair, Protocol, Settings};
pub use stream::StreamDecoder;
pub use translate::{CONSUMED_HEADERS, Removed, Translation, What, translate};
