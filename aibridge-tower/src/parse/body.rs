use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::{
    api::{Api, Facts},
    client::Caller,
    json::Document,
};
use bytes::Bytes;
use http::{Request, header};
use http_body::{Body, Frame, SizeHint};

use crate::auth::remove_headers;

/// A request's body, buffered and understood. Cheap to clone.
///
/// As a [`Body`] it yields the bytes that go upstream: those the client sent, unless [`AiBody::edit`] replaced them.
#[derive(Clone, Debug)]
pub struct AiBody {
    bytes: Bytes,
    edited: Option<Edited>,
    sent: bool,
    understood: Arc<Understood>,
}

/// What an edit left in the place of the client's body.
#[derive(Clone, Debug)]
enum Edited {
    Unread,
    Read(Document),
}

#[derive(Debug)]
struct Understood {
    api: Api,
    document: Document,
    facts: Facts,
    caller: Caller,
    received: u64,
}

impl AiBody {
    /// A body of `received` bytes, which decode to `document`.
    pub fn new(api: Api, received: Bytes, document: Document, facts: Facts, caller: Caller) -> AiBody {
        let understood = Understood { api, document, facts, caller, received: received.len() as u64 };
        AiBody { bytes: received, edited: None, sent: false, understood: Arc::new(understood) }
    }

    /// The API being spoken.
    pub fn api(&self) -> Api {
        self.understood.api
    }

    /// What was understood of the body.
    pub fn facts(&self) -> &Facts {
        &self.understood.facts
    }

    /// The body as JSON, decoded, as the client sent it.
    pub fn document(&self) -> &Document {
        &self.understood.document
    }

    /// The body as JSON, decoded, as it goes upstream: what a further edit has to begin with. `None` if an edit left
    /// something else. Costs a pass over a body that was edited as bytes.
    pub fn outgoing(&self) -> Option<Document> {
        match &self.edited {
            None => Some(self.understood.document.clone()),
            Some(Edited::Read(document)) => Some(document.clone()),
            Some(Edited::Unread) => Document::parse(self.bytes.clone()).ok(),
        }
    }

    /// The coding agent.
    pub fn caller(&self) -> &Caller {
        &self.understood.caller
    }

    /// The bytes that go upstream.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The size of the body as the client sent it, before any decoding.
    pub fn received(&self) -> u64 {
        self.understood.received
    }

    /// Sends `bytes`, plain JSON, in the place of `request`'s body; any content coding goes.
    pub fn edit(request: &mut Request<AiBody>, bytes: Bytes) {
        AiBody::replace(request, bytes, Edited::Unread);
    }

    /// The same with a document, which need not be read again by the next edit.
    pub fn edit_document(request: &mut Request<AiBody>, document: Document) {
        AiBody::replace(request, document.bytes().clone(), Edited::Read(document));
    }

    fn replace(request: &mut Request<AiBody>, bytes: Bytes, edited: Edited) {
        let body = request.body_mut();
        body.bytes = bytes;
        body.edited = Some(edited);
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            remove_headers(request.headers_mut(), |name| *name == header::CONTENT_ENCODING);
        }
    }
}

impl Body for AiBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        self.sent = true;
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent || self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
