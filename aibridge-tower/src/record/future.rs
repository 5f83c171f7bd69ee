use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::{Api, Reason, Refusal};
use aibridge_store::{RecordError, Started, record::Outcome};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{INTERCEPTION_ID, Interception, InterceptionFailed, RecordingPolicy, ResponseBody, RoundTrip};
use crate::{BoxError, body, parse::AiBody, refuse};

pin_project! {
    /// The future of [`Record`](super::Record).
    pub struct ResponseFuture<S>
    where
        S: Service<Request<AiBody>>,
    {
        #[pin]
        state: State<S, S::Future>,
        api: Api,
        hide_usage: bool,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F> {
        Starting {
            started: Started,
            policy: RecordingPolicy,
            // Declared before the service, so that a dropped future ends the interception after its request is gone.
            inner: S,
            request: Option<Request<AiBody>>,
            interception: Option<Interception>,
        },
        Calling {
            #[pin]
            call: F,
            trip: Option<RoundTrip>,
        },
        Refused {
            refusal: Option<Refusal>,
        },
    }
}

impl<S: Service<Request<AiBody>>> ResponseFuture<S> {
    pub(super) fn start(
        started: Started,
        interception: Interception,
        inner: S,
        request: Request<AiBody>,
        policy: RecordingPolicy,
        hide_usage: bool,
    ) -> Self {
        let api = request.body().api();
        let (request, interception) = (Some(request), Some(interception));
        ResponseFuture { state: State::Starting { started, policy, inner, request, interception }, api, hide_usage }
    }

    /// A further round trip of an interception that has begun.
    pub(super) fn proceed(interception: Interception, mut inner: S, request: Request<AiBody>, api: Api) -> Self {
        let call = inner.call(request);
        let trip = Some(RoundTrip::new(interception));
        ResponseFuture { state: State::Calling { call, trip }, api, hide_usage: false }
    }

    pub(super) fn refuse(api: Api, refusal: Refusal) -> Self {
        ResponseFuture { state: State::Refused { refusal: Some(refusal) }, api, hide_usage: false }
    }
}

impl<S, ResBody> Future for ResponseFuture<S>
where
    S: Service<Request<AiBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Into<BoxError>,
{
    type Output = Result<Response<body::ResponseBody<ResponseBody<ResBody>>>, InterceptionFailed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Starting { started, policy, inner, request, interception } => {
                    let recorded = ready!(Pin::new(started).poll(cx));
                    let (request, interception) =
                        request.take().zip(interception.take()).expect("polled after completion");
                    if let Err(error) = recorded {
                        interception.unrecorded();
                        tracing::warn!(%error, id = %interception.id(), ?policy, "an interception cannot be recorded");
                        if *policy == RecordingPolicy::Require {
                            let refusal = Some(unrecordable(&error));
                            this.state.set(State::Refused { refusal });
                            continue;
                        }
                    } else if let Some(prompt) = &request.body().facts().prompt {
                        interception.prompt(prompt);
                    }
                    let call = inner.call(request);
                    this.state.set(State::Calling { call, trip: Some(RoundTrip::new(interception)) });
                }
                StateProj::Calling { call, trip } => {
                    let result = ready!(call.poll(cx));
                    let trip = trip.take().expect("polled after completion");
                    return Poll::Ready(match result {
                        Ok(response) => Ok(observe(*this.api, *this.hide_usage, trip, response)),
                        Err(error) => Err(fail(*this.api, &trip, error.into())),
                    });
                }
                StateProj::Refused { refusal } => {
                    let refusal = refusal.take().expect("polled after completion");
                    return Poll::Ready(Ok(refuse::response(this.api.format(), refusal)));
                }
            }
        }
    }
}

fn observe<B>(
    api: Api,
    hide_usage: bool,
    trip: RoundTrip,
    response: Response<B>,
) -> Response<body::ResponseBody<ResponseBody<B>>>
where
    B: Body<Data = Bytes>,
{
    let (mut head, inner) = response.into_parts();
    let interception = trip.interception().clone();
    head.headers.insert(INTERCEPTION_ID, interception.header());
    let body = match head.extensions.get::<Refusal>() {
        Some(refusal) => ResponseBody::refused(inner, trip, refusal),
        None => ResponseBody::observe(&mut head, inner, trip, api, hide_usage),
    };
    head.extensions.insert(interception);
    Response::from_parts(head, body::ResponseBody::inner(body))
}

fn fail(api: Api, trip: &RoundTrip, error: BoxError) -> InterceptionFailed {
    let interception = trip.interception().clone();
    interception.refused(Outcome::GatewayError, &refuse::refusal_of(error.as_ref()));
    InterceptionFailed::new(interception, api.format(), error)
}

fn unrecordable(error: &RecordError) -> Refusal {
    let message = match error {
        RecordError::Full => "aibridge: requests must be recorded, and the queue of records is full; try again shortly",
        _ => "aibridge: requests must be recorded, and the record store is not available; try again shortly",
    };
    Refusal::new(Reason::RecordingUnavailable, message).retry_after(std::time::Duration::from_secs(1))
}

impl<S: Service<Request<AiBody>>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
