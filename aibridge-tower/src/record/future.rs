use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use aibridge_providers::api::{Api, Reason, Refusal};
use aibridge_store::{RecordError, Started, record::Outcome};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tower_service::Service;

use super::{
    INTERCEPTION_ID, Interception, InterceptionFailed, RecordingPolicy, ResponseBody, RoundTrip, body::Treatment,
};
use crate::{BoxError, Credential, body, context::Round, keys::Remember, parse::AiBody, refuse};

pin_project! {
    /// The future of [`Record`](super::Record).
    pub struct ResponseFuture<S>
    where
        S: Service<Request<AiBody>>,
    {
        #[pin]
        state: State<S, S::Future>,
        api: Api,
        treatment: Treatment,
    }

    impl<S> PinnedDrop for ResponseFuture<S>
    where
        S: Service<Request<AiBody>>,
    {
        fn drop(this: Pin<&mut Self>) {
            if let StateProj::Starting { started, interception, .. } = this.project().state.project()
                && let Some(interception) = interception.take()
            {
                end_after_start(mem::replace(started, Started::ready(Ok(()))), interception);
            }
        }
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F> {
        Starting {
            started: Started,
            policy: RecordingPolicy,
            inner: S,
            request: Option<Request<AiBody>>,
            interception: Option<Interception>,
            unready: Option<BoxError>,
        },
        Calling {
            #[pin]
            call: F,
            trip: Option<RoundTrip>,
        },
        Refused {
            refusal: Option<Refusal>,
        },
        Failed {
            error: Option<InterceptionFailed>,
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
        treatment: Treatment,
        unready: Option<BoxError>,
    ) -> Self {
        let api = request.body().api();
        let (request, interception) = (Some(request), Some(interception));
        let state = State::Starting { started, policy, inner, request, interception, unready };
        ResponseFuture { state, api, treatment }
    }

    /// A further round trip of an interception that has begun.
    pub(super) fn proceed(
        interception: Interception,
        mut inner: S,
        request: Request<AiBody>,
        treatment: Treatment,
        unready: Option<BoxError>,
    ) -> Self {
        let api = request.body().api();
        let state = match unready {
            None => begin(&mut inner, request, interception),
            Some(error) => State::Failed { error: Some(fail(api, interception, error)) },
        };
        ResponseFuture { state, api, treatment }
    }

    pub(super) fn refuse(api: Api, refusal: Refusal) -> Self {
        let state = State::Refused { refusal: Some(refusal) };
        ResponseFuture { state, api, treatment: Treatment::default() }
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
                StateProj::Starting { started, policy, inner, request, interception, unready } => {
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
                    if let Some(error) = unready.take() {
                        return Poll::Ready(Err(fail(*this.api, interception, error)));
                    }
                    let calling = begin(inner, request, interception);
                    this.state.set(calling);
                }
                StateProj::Calling { call, trip } => {
                    let result = ready!(call.poll(cx));
                    let trip = trip.take().expect("polled after completion");
                    return Poll::Ready(match result {
                        Ok(response) => Ok(observe(*this.api, *this.treatment, trip, response)),
                        Err(error) => Err(fail(*this.api, trip.interception().clone(), error.into())),
                    });
                }
                StateProj::Refused { refusal } => {
                    let refusal = refusal.take().expect("polled after completion");
                    return Poll::Ready(Ok(refuse::response(this.api.format(), refusal)));
                }
                StateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().expect("polled after completion")));
                }
            }
        }
    }
}

/// A round trip.
fn begin<S>(inner: &mut S, mut request: Request<AiBody>, interception: Interception) -> State<S, S::Future>
where
    S: Service<Request<AiBody>>,
{
    let round = Round { interception: interception.id(), number: interception.next_round() };
    request.extensions_mut().insert(round);
    State::Calling { call: inner.call(request), trip: Some(RoundTrip::new(interception)) }
}

/// The client went away while the start was being recorded: the end has to wait for it.
fn end_after_start(mut started: Started, interception: Interception) {
    let settle = |recorded: Result<(), RecordError>, interception: Interception| {
        if recorded.is_err() {
            interception.unrecorded();
        }
    };
    match (Pin::new(&mut started).poll(&mut Context::from_waker(Waker::noop())), Handle::try_current()) {
        (Poll::Ready(recorded), _) => settle(recorded, interception),
        (Poll::Pending, Ok(runtime)) => drop(runtime.spawn(async move { settle(started.await, interception) })),
        // There is nobody who could wait.
        (Poll::Pending, Err(_)) => {}
    }
}

fn observe<B>(
    api: Api,
    treatment: Treatment,
    mut trip: RoundTrip,
    response: Response<B>,
) -> Response<body::ResponseBody<ResponseBody<B>>>
where
    B: Body<Data = Bytes>,
{
    let (mut head, inner) = response.into_parts();
    if let Some(credential) = head.extensions.get::<Credential>() {
        trip.interception().credential(&credential.hint);
    }
    trip.remember(head.extensions.remove::<Remember>());
    let interception = trip.interception().clone();
    head.headers.insert(INTERCEPTION_ID, interception.header());
    let body = match head.extensions.get::<Refusal>() {
        Some(refusal) => ResponseBody::refused(inner, trip, refusal),
        None => ResponseBody::observe(&mut head, inner, trip, api, treatment),
    };
    head.extensions.insert(interception);
    Response::from_parts(head, body::ResponseBody::inner(body))
}

fn fail(api: Api, interception: Interception, error: BoxError) -> InterceptionFailed {
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
