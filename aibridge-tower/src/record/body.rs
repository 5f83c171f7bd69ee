use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aibridge_providers::api::{Api, Refusal};
use aibridge_store::record::Outcome;
use bytes::Bytes;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    RoundTrip,
    keep_alive::KeepAlive,
    observation::{Ending, Observation, Rest},
};
use crate::BoxError;

/// What is done to a stream while it passes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Treatment {
    /// The usage chunk is kept from the client.
    pub(super) hide_usage: bool,
    /// Silence of that length is broken.
    pub(super) keep_alive: Option<Duration>,
}

pin_project! {
    /// The provider's reply as it passes the recorder.
    ///
    /// The bytes are the provider's own. Of an uncompressed event stream events leave whole, and one that breaks off ends
    /// with the API's error event.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        // Taken at the end, which drops this body's hold on the interception.
        observation: Option<Box<Observation>>,
        keep_alive: Option<Box<KeepAlive>>,
        last: Option<Result<Bytes, Truncated>>,
        // Nothing may follow them, so that they wait for `last`.
        trailers: Option<Box<Frame<Bytes>>>,
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
    pub(super) fn observe(
        head: &mut Parts,
        inner: B,
        trip: RoundTrip,
        api: Api,
        treatment: Treatment,
    ) -> ResponseBody<B> {
        let observation = Box::new(Observation::new(head, trip, api, treatment.hide_usage));
        let keep_alive = treatment.keep_alive.filter(|_| observation.holds_back());
        let mut body = ResponseBody {
            inner,
            observation: Some(observation),
            keep_alive: keep_alive.map(|every| Box::new(KeepAlive::new(every, api))),
            last: None,
            trailers: None,
            over: false,
            guard: None,
        };
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
        ResponseBody {
            inner,
            observation: None,
            keep_alive: None,
            last: None,
            trailers: None,
            over: false,
            guard: Some(trip),
        }
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
                return Poll::Ready(match this.last.take() {
                    Some(last) => Some(last.map(Frame::data).map_err(Into::into)),
                    None => this.trailers.take().map(|trailers| Ok(*trailers)),
                });
            }
            let frame = match this.inner.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let between = this.observation.as_deref().is_some_and(Observation::is_between_events);
                    let Some(keep_alive) = this.keep_alive.as_mut().filter(|_| between) else { return Poll::Pending };
                    return keep_alive.poll(cx).map(|event| Some(Ok(Frame::data(event))));
                }
            };
            let Some(observation) = this.observation.as_mut() else {
                if frame.is_none() {
                    *this.over = true;
                    *this.guard = None;
                }
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            };
            match frame {
                Some(Ok(frame)) => {
                    let data = match frame.into_data() {
                        Ok(data) => observation.take_in(data),
                        Err(trailers) => {
                            *this.over = true;
                            *this.last = settle(observation, Ending::Clean);
                            *this.trailers = Some(Box::new(trailers));
                            *this.observation = None;
                            continue;
                        }
                    };
                    if this.inner.is_end_stream() {
                        *this.over = true;
                        *this.last = settle(observation, Ending::Clean);
                        *this.observation = None;
                    }
                    if !data.is_empty() {
                        if let Some(keep_alive) = this.keep_alive {
                            keep_alive.sent();
                        }
                        return Poll::Ready(Some(Ok(Frame::data(data))));
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
            true => self.last.is_none() && self.trailers.is_none(),
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

#[cfg(test)]
mod tests;
