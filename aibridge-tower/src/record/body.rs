use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::{Api, Refusal};
use aibridge_store::record::Outcome;
use bytes::Bytes;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    RoundTrip,
    observation::{Ending, Observation, Rest},
};
use crate::BoxError;

pin_project! {
    /// The provider's reply as it passes the recorder.
    ///
    /// The bytes are the provider's own. Of an uncompressed event stream events leave whole, and one that breaks off ends
    /// with the API's error event.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        // Taken at the end, which drops this body's hold on the interception.
        observation: Option<Observation>,
        last: Option<Result<Bytes, Truncated>>,
        over: bool,
        guard: Option<RoundTrip>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(mut observation) = this.project().observation.take() {
                drop(observation.end(Ending::Dropped));
            }
        }
    }
}

impl<B: Body<Data = Bytes>> ResponseBody<B> {
    pub(super) fn observe(head: &mut Parts, inner: B, trip: RoundTrip, api: Api, hide_usage: bool) -> ResponseBody<B> {
        let observation = Some(Observation::new(head, trip, api, hide_usage));
        let mut body = ResponseBody { inner, observation, last: None, over: false, guard: None };
        if body.inner.is_end_stream() {
            body.over = true;
            body.last = body.observation.take().and_then(|mut observation| settle(&mut observation, Ending::Clean));
        }
        body
    }

    /// A layer further in refused: there was no round trip, and nothing is observed.
    pub(super) fn refused(inner: B, mut trip: RoundTrip, refusal: &Refusal) -> ResponseBody<B> {
        trip.cancel();
        trip.interception().refused(Outcome::Refused, refusal);
        ResponseBody { inner, observation: None, last: None, over: false, guard: Some(trip) }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        loop {
            if *this.over {
                let last = this.last.take();
                return Poll::Ready(last.map(|last| last.map(Frame::data).map_err(Into::into)));
            }
            let frame = ready!(this.inner.as_mut().poll_frame(cx));
            let Some(observation) = this.observation.as_mut() else {
                if frame.is_none() {
                    *this.over = true;
                    *this.guard = None;
                }
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            };
            match frame {
                Some(Ok(frame)) => {
                    let frame = match frame.into_data() {
                        Ok(data) => Frame::data(observation.take_in(data)),
                        Err(trailers) => trailers,
                    };
                    if this.inner.is_end_stream() {
                        *this.over = true;
                        *this.last = settle(observation, Ending::Clean);
                        *this.observation = None;
                    }
                    if frame.data_ref().is_none_or(|data| !data.is_empty()) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                None => {
                    *this.over = true;
                    *this.last = settle(observation, Ending::Clean);
                    *this.observation = None;
                }
                Some(Err(error)) => {
                    *this.over = true;
                    *this.last = settle(observation, Ending::Broken);
                    *this.observation = None;
                    if let Some(Err(Truncated)) = this.last {
                        *this.last = None;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.over {
            true => self.last.is_none(),
            false => self.observation.is_none() && self.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.observation {
            Some(observation) if observation.holds_back() => SizeHint::default(),
            None if self.over => match &self.last {
                Some(last) => SizeHint::with_exact(last.as_ref().map_or(0, |bytes| bytes.len() as u64)),
                None => SizeHint::with_exact(0),
            },
            _ => self.inner.size_hint(),
        }
    }
}

/// The provider stopped without its terminal event, in a stream to which no error event can be added.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the provider's stream broke off")]
struct Truncated;

fn settle(observation: &mut Observation, ending: Ending) -> Option<Result<Bytes, Truncated>> {
    match observation.end(ending) {
        Rest::Bytes(bytes) => (!bytes.is_empty()).then_some(Ok(bytes)),
        Rest::Reset => Some(Err(Truncated)),
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("observation", &self.observation).finish_non_exhaustive()
    }
}
