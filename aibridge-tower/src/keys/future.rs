use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::provider::Verdict;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    Repeat,
    refused::Refused,
    turn::{Next, Turn},
};
use crate::{BoxError, body::ResponseBody, refuse};

pin_project! {
    /// The future of [`Keys`](super::Keys).
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S::Future, R>,
        // Absent when the layer itself answers.
        turn: Option<Turn<S, B>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        Calling {
            #[pin]
            call: F,
        },
        Reading {
            refused: Pin<Box<Refused<R>>>,
            verdict: Verdict,
            status: StatusCode,
        },
        Waiting {
            pause: Pin<Box<Sleep>>,
        },
        Readying,
        Own {
            response: Option<Response<ResponseBody<R>>>,
        },
    }
}

impl<S: Service<Request<B>>, B, R> ResponseFuture<S, B, R> {
    pub(super) fn call(call: S::Future, turn: Turn<S, B>) -> Self {
        ResponseFuture { state: State::Calling { call }, turn: Some(turn) }
    }

    pub(super) fn own(response: Response<ResponseBody<R>>) -> Self {
        ResponseFuture { state: State::Own { response: Some(response) }, turn: None }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Repeat,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { call } => {
                    let result = ready!(call.poll(cx));
                    let turn = this.turn.as_mut().expect("a call has a turn");
                    let (mut head, body) = match result {
                        Ok(response) => response.into_parts(),
                        Err(error) => {
                            let error = error.into();
                            let Some(pause) = turn.retry_after_failure(&error) else { return Poll::Ready(Err(error)) };
                            this.state.set(State::Waiting { pause: Box::pin(sleep(pause)) });
                            continue;
                        }
                    };
                    match turn.next(&head) {
                        Next::Pass => {
                            turn.answered(&mut head);
                            return Poll::Ready(Ok(Response::from_parts(head, ResponseBody::inner(body))));
                        }
                        Next::Failover(verdict) => {
                            let status = head.status;
                            let refused = Box::pin(Refused::new(head, body));
                            this.state.set(State::Reading { refused, verdict, status });
                        }
                        // The failed exchange is closed before the next one.
                        Next::Retry(pause) => this.state.set(State::Waiting { pause: Box::pin(sleep(pause)) }),
                    }
                }
                StateProj::Reading { refused, verdict, status } => {
                    let error = ready!(refused.as_mut().poll(cx));
                    let turn = this.turn.as_mut().expect("a call has a turn");
                    turn.failed(*verdict, *status, &error);
                    this.state.set(next(turn));
                }
                StateProj::Waiting { pause } => {
                    ready!(pause.as_mut().poll(cx));
                    let turn = this.turn.as_mut().expect("a call has a turn");
                    this.state.set(next(turn));
                }
                StateProj::Readying => {
                    let turn = this.turn.as_mut().expect("a call has a turn");
                    if let Some(again) = &mut turn.again {
                        ready!(again.inner.poll_ready(cx)).map_err(Into::into)?;
                    }
                    let state = match turn.ask_again() {
                        Ok(call) => State::Calling { call },
                        Err(refusal) => State::Own { response: Some(refuse::response(turn.format, refusal)) },
                    };
                    this.state.set(state);
                }
                StateProj::Own { response } => {
                    return Poll::Ready(Ok(response.take().expect("polled after completion")));
                }
            }
        }
    }
}

/// On to the next key, or to what the client is told when there is none.
fn next<S: Service<Request<B>>, B, R>(turn: &mut Turn<S, B>) -> State<S::Future, R> {
    match turn.next_key() {
        Ok(()) => State::Readying,
        Err(refusal) => State::Own { response: Some(refuse::response(turn.format, refusal)) },
    }
}

impl<S: Service<Request<B>>, B, R> fmt::Debug for ResponseFuture<S, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
