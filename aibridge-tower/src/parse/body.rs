use std::{
    borrow::Cow,
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
    understood: Arc<Understood>,
    edit: Option<Arc<Edit>>,
    /// How much of it has been sent.
    sent: usize,
}

/// What goes upstream in the place of what the client sent.
#[derive(Debug)]
struct Edit {
    body: Edited,
    /// The tools that were added, if any were.
    injected: Option<Names>,
}

#[derive(Debug)]
enum Edited {
    /// The bytes are something else.
    Unread(Bytes),
    /// What the client sent, with changes.
    Spliced(Spliced),
}

#[derive(Debug)]
struct Understood {
    api: Api,
    bytes: Bytes,
    document: Document,
    facts: Facts,
    caller: Caller,
}

impl AiBody {
    /// A body of the bytes `received`, which decode to `document`.
    pub fn new(api: Api, received: Bytes, document: Document, facts: Facts, caller: Caller) -> AiBody {
        let understood = Understood { api, bytes: received, document, facts, caller };
        AiBody { understood: Arc::new(understood), edit: None, sent: 0 }
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
    pub fn outgoing(&self) -> Option<Cow<'_, Document>> {
        match self.edited() {
            None => Some(Cow::Borrowed(&self.understood.document)),
            Some(Edited::Spliced(spliced)) => Some(Cow::Borrowed(spliced.document())),
            Some(Edited::Unread(bytes)) => Document::parse(bytes.clone()).ok().map(Cow::Owned),
        }
    }

    /// The same with the changes made to it, to which others can be added.
    pub(crate) fn spliced(&self) -> Option<Spliced> {
        match self.edited() {
            Some(Edited::Spliced(spliced)) => Some(spliced.clone()),
            _ => self.outgoing().as_deref().map(Spliced::new),
        }
    }

    /// The tools that were added to it: whoever adds them records their calls, and [`Record`](crate::record::Record) does
    /// not.
    pub fn injected(&self) -> Option<&Names> {
        self.edit.as_ref()?.injected.as_ref()
    }

    /// The coding agent.
    pub fn caller(&self) -> &Caller {
        &self.understood.caller
    }

    /// The bytes that go upstream. Costs a copy where [`AiBody::splice`] has changed something.
    pub fn bytes(&self) -> &Bytes {
        match self.edited() {
            None => &self.understood.bytes,
            Some(Edited::Unread(bytes)) => bytes,
            Some(Edited::Spliced(spliced)) => spliced.document().bytes(),
        }
    }

    /// The size of the body as the client sent it, before any decoding.
    pub fn received(&self) -> u64 {
        self.understood.bytes.len() as u64
    }

    /// Sends `bytes`, plain JSON, in the place of `request`'s body; any content coding goes.
    pub fn edit(request: &mut Request<AiBody>, bytes: Bytes) {
        AiBody::replace(request, Edited::Unread(bytes), None);
    }

    /// The same with a document that was changed: it is sent in pieces, without a copy.
    pub fn splice(request: &mut Request<AiBody>, document: Spliced) {
        AiBody::replace(request, Edited::Spliced(document), None);
    }

    /// The same with a document to which the tools `names` were added.
    pub fn inject(request: &mut Request<AiBody>, document: Spliced, names: Names) {
        AiBody::replace(request, Edited::Spliced(document), Some(names));
    }

    /// Tools that were added before stay added.
    fn replace(request: &mut Request<AiBody>, edited: Edited, injected: Option<Names>) {
        let body = request.body_mut();
        let injected = injected.or_else(|| body.injected().cloned());
        body.edit = Some(Arc::new(Edit { body: edited, injected }));
        body.sent = 0;
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            headers::keep(request.headers_mut(), |name| *name != header::CONTENT_ENCODING);
        }
    }

    fn edited(&self) -> Option<&Edited> {
        self.edit.as_ref().map(|edit| &edit.body)
    }

    /// How many bytes are still to be sent.
    fn rest(&self) -> usize {
        let length = match self.edited() {
            None => self.understood.bytes.len(),
            Some(Edited::Unread(bytes)) => bytes.len(),
            Some(Edited::Spliced(spliced)) => spliced.len(),
        };
        length - self.sent
    }
}

impl Body for AiBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.edited() {
            None => self.understood.bytes.slice(self.sent..),
            Some(Edited::Unread(bytes)) => bytes.slice(self.sent..),
            Some(Edited::Spliced(spliced)) => spliced.piece(self.sent),
        };
        self.sent += piece.len();
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest() as u64)
    }
}
