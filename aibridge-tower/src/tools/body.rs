use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::{api::tools::Next, encoding::StreamDecoder};
use aibridge_store::record::Outcome;
use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    round::{Came, go_on},
    turn::{LIMIT, Turn},
};
use crate::{BoxError, parse::AiBody, record::KeepAlive, refuse};

pin_project! {
    /// A reply, over all its rounds.
    pub struct ResponseBody<S, B> {
        #[pin]
        source: Source<S, B>,
    }
}

pin_project! {
    #[project = SourceProj]
    #[project_replace = SourceOwn]
    enum Source<S, B> {
        // As it comes.
        Inner { #[pin] body: B },
        // A round of a stream.
        Round { #[pin] body: B, turn: Option<Box<Turn<S>>>, decoder: Option<Box<StreamDecoder>> },
        // Between two rounds.
        Between { work: Pin<Box<dyn Future<Output = Came<S, B>> + Send>>, keep_alive: Option<Box<KeepAlive>> },
        // Bytes, then the end, or a failure.
        Last { bytes: Bytes, error: Option<BoxError>, trailers: Option<Frame<Bytes>> },
    }
}

impl<S, B> ResponseBody<S, B> {
    pub(super) fn inner(body: B) -> Self {
        ResponseBody { source: Source::Inner { body } }
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        ResponseBody { source: Source::last(bytes) }
    }

    /// A body that broke off behind `bytes`.
    pub(super) fn broken(bytes: Bytes, error: BoxError) -> Self {
        ResponseBody { source: Source::Last { bytes, error: Some(error), trailers: None } }
    }

    /// The first round of a stream.
    pub(super) fn stream(body: B, turn: Box<Turn<S>>, decoder: Option<Box<StreamDecoder>>) -> Self {
        ResponseBody { source: Source::Round { body, turn: Some(turn), decoder } }
    }
}

impl<S, B> Source<S, B> {
    fn last(bytes: Bytes) -> Self {
        Source::Last { bytes, error: None, trailers: None }
    }
}

impl<S, B> Body for ResponseBody<S, B>
where
    S: Service<http::Request<AiBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut source = self.project().source;
        loop {
            let next = match source.as_mut().project() {
                SourceProj::Inner { body } => {
                    return body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)));
                }
                SourceProj::Round { body, turn, decoder } => {
                    let frame = match ready!(body.poll_frame(cx)) {
                        Some(Ok(frame)) => {
                            // Most of a stream.
                            if let (None, Some(turn), Some(data)) = (&decoder, turn.as_mut(), frame.data_ref())
                                && turn.passes(data)
                            {
                                return Poll::Ready(Some(Ok(frame)));
                            }
                            frame.into_data()
                        }
                        None => Err(Frame::data(Bytes::new())),
                        Some(Err(_)) => {
                            let turn = turn.take().expect("a round has its turn");
                            source.set(Source::last(Bytes::new()));
                            source.set(Source::broke_off(turn));
                            continue;
                        }
                    };
                    match frame {
                        Ok(data) => {
                            let data = match decoder {
                                None => data,
                                Some(decoder) => match decoder.feed(&data) {
                                    Ok(plain) => plain,
                                    Err(_) => {
                                        let turn = turn.take().expect("a round has its turn");
                                        source.set(Source::last(Bytes::new()));
                                        source.set(Source::broke_off(turn));
                                        continue;
                                    }
                                },
                            };
                            let shown = turn.as_mut().expect("a round has its turn").shown(data);
                            if shown.is_empty() {
                                continue;
                            }
                            return Poll::Ready(Some(Ok(Frame::data(shown))));
                        }
                        Err(rest) => Source::over(turn.take().expect("a round has its turn"), rest),
                    }
                }
                SourceProj::Between { work, keep_alive } => match work.as_mut().poll(cx) {
                    Poll::Ready(Came::Round { turn, body, decoder }) => {
                        Source::Round { body, turn: Some(turn), decoder }
                    }
                    Poll::Ready(Came::End(bytes)) => Source::last(bytes),
                    Poll::Pending => {
                        let Some(keep_alive) = keep_alive else { return Poll::Pending };
                        return keep_alive.poll(cx).map(|event| Some(Ok(Frame::data(event))));
                    }
                },
                SourceProj::Last { bytes, error, trailers } => {
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
                    }
                    return Poll::Ready(match error.take() {
                        Some(error) => Some(Err(error)),
                        None => trailers.take().map(Ok),
                    });
                }
            };
            source.set(next);
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Inner { body } => body.is_end_stream(),
            Source::Last { bytes, error, trailers } => bytes.is_empty() && error.is_none() && trailers.is_none(),
            Source::Round { .. } | Source::Between { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Inner { body } => body.size_hint(),
            Source::Last { bytes, error: None, .. } => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

impl<S, B> Source<S, B>
where
    S: Service<http::Request<AiBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// What follows a round whose stream has ended. `rest` is its trailers, if it has any.
    fn over(mut turn: Box<Turn<S>>, rest: Frame<Bytes>) -> Self {
        let step = turn.exchange.end_stream();
        let calls = step.calls;
        match step.next {
            Next::End(finish) => {
                for call in &calls {
                    turn.not_run(call, "the reply broke off");
                }
                let trailers = rest.is_trailers().then_some(rest);
                Source::Last { bytes: turn.end(finish), error: None, trailers }
            }
            Next::Again if turn.is_exhausted() => {
                for call in &calls {
                    turn.not_run(call, LIMIT);
                }
                Source::last(turn.cut_short())
            }
            next => {
                let keep_alive = turn.keep_alive();
                Source::Between { work: Box::pin(go_on(turn, calls, next == Next::Finish)), keep_alive }
            }
        }
    }

    /// What follows a round whose stream has failed, and has been dropped: whoever records it knows how it ended.
    fn broke_off(mut turn: Box<Turn<S>>) -> Self {
        let refusal = refuse::truncated();
        match turn.outcome() {
            // It failed behind its last event.
            Some(Outcome::Completed) => return Source::over(turn, Frame::data(Bytes::new())),
            // The client has not gone.
            Some(Outcome::ClientGone) => turn.ended_unread(&refusal),
            _ => {}
        }
        for call in turn.exchange.end_stream().calls {
            turn.not_run(&call, "the reply broke off");
        }
        // What the client gets of a stream is whole events, so that an error event may follow.
        Source::last(turn.refuse(&refusal))
    }
}

impl<S, B> fmt::Debug for ResponseBody<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.source {
            Source::Inner { .. } => "inner",
            Source::Round { .. } => "round",
            Source::Between { .. } => "between rounds",
            Source::Last { .. } => "last",
        };
        f.debug_tuple("ResponseBody").field(&state).finish()
    }
}
