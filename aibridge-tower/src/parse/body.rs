use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::{
    api::{Api, Facts, tools::Names},
    client::Caller,
    json::{Document, Spliced},
    provider::headers,
};
use bytes::Bytes;
use http::{Request, header};
use http_body::{Body, Frame, SizeHint};

/// A request's body, buffered and understood. Cheap to clone.
///
/// As a [`Body`] it yields the bytes that go upstream: those the client sent, unless [`AiBody::edit`] replaced them.
#[derive(Clone, Debug)]
pub struct AiBody {
    bytes: Bytes,
    edited: Option<Edited>,
    /// How much of it has been sent.
    sent: usize,
    /// The tools that were added, if any were.
    injected: Option<Names>,
    understood: Arc<Understood>,
}

/// What an edit left in the place of the client's body.
#[derive(Clone, Debug)]
enum Edited {
    /// The bytes are something else.
    Unread,
    /// What the client sent, with changes.
    Spliced(Spliced),
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
        AiBody { bytes: received, edited: None, sent: 0, injected: None, understood: Arc::new(understood) }
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
            Some(Edited::Spliced(spliced)) => Some(spliced.document().clone()),
            Some(Edited::Unread) => Document::parse(self.bytes.clone()).ok(),
        }
    }

    /// The same with the changes made to it, to which others can be added.
    pub(crate) fn spliced(&self) -> Option<Spliced> {
        match &self.edited {
            Some(Edited::Spliced(spliced)) => Some(spliced.clone()),
            _ => self.outgoing().as_ref().map(Spliced::new),
        }
    }

    /// The tools that were added to it: whoever adds them records their calls, and [`Record`](crate::record::Record) does
    /// not.
    pub fn injected(&self) -> Option<&Names> {
        self.injected.as_ref()
    }

    /// The coding agent.
    pub fn caller(&self) -> &Caller {
        &self.understood.caller
    }

    /// The bytes that go upstream. Costs a copy where [`AiBody::splice`] has changed something.
    pub fn bytes(&self) -> &Bytes {
        match &self.edited {
            Some(Edited::Spliced(spliced)) => spliced.document().bytes(),
            _ => &self.bytes,
        }
    }

    /// The size of the body as the client sent it, before any decoding.
    pub fn received(&self) -> u64 {
        self.understood.received
    }

    /// Sends `bytes`, plain JSON, in the place of `request`'s body; any content coding goes.
    pub fn edit(request: &mut Request<AiBody>, bytes: Bytes) {
        request.body_mut().bytes = bytes;
        AiBody::edited(request, Edited::Unread);
    }

    /// The same with a document that was changed: it is sent in pieces, without a copy.
    pub fn splice(request: &mut Request<AiBody>, document: Spliced) {
        AiBody::edited(request, Edited::Spliced(document));
    }

    /// The same with a document to which the tools `names` were added.
    pub fn inject(request: &mut Request<AiBody>, document: Spliced, names: Names) {
        request.body_mut().injected = Some(names);
        AiBody::splice(request, document);
    }

    fn edited(request: &mut Request<AiBody>, edited: Edited) {
        request.body_mut().edited = Some(edited);
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            headers::keep(request.headers_mut(), |name| *name != header::CONTENT_ENCODING);
        }
    }

    /// How many bytes are still to be sent.
    fn rest(&self) -> usize {
        let length = match &self.edited {
            Some(Edited::Spliced(spliced)) => spliced.len(),
            _ => self.bytes.len(),
        };
        length - self.sent
    }
}

impl Body for AiBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &self.edited {
            Some(Edited::Spliced(spliced)) => spliced.piece(self.sent),
            _ => self.bytes.slice(self.sent..),
        };
        self.sent += piece.len();
        if self.rest() == 0 {
            // The bytes are kept no longer than it takes to send them.
            (self.bytes, self.edited, self.sent) = (Bytes::new(), None, 0);
        }
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest() as u64)
    }
}
