use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use http::{HeaderName, HeaderValue};
use reqwest::{Client, Error};
use rmcp::{
    ErrorData,
    model::{ClientJsonRpcMessage, ErrorCode, JsonRpcMessage, RequestId, ServerJsonRpcMessage},
    transport::{
        common::client_side_sse::BoxedSseResponse,
        streamable_http_client::{
            AuthRequiredError, HttpStatusError, SseError, StreamableHttpClient, StreamableHttpError,
            StreamableHttpPostResponse,
        },
    },
};
use tokio::time::{Instant, sleep_until};

/// Between two requests for event streams. rmcp asks again at once for one that broke off, and as soon as the server says
/// for one that ended.
const STREAM_AGAIN: Duration = Duration::from_millis(500);

/// reqwest's client as rmcp uses it, of one session.
///
/// rmcp has what it does; this makes its errors say no URL and always say the status, tells answers that are too large and
/// sessions that the server forgot from lost ones, and asks for event streams at a pace.
#[derive(Clone)]
pub(crate) struct StreamableClient {
    client: Client,
    /// When an event stream was asked for last.
    streamed: Arc<Mutex<Option<Instant>>>,
}

type Result<T> = std::result::Result<T, StreamableHttpError<Error>>;

impl StreamableClient {
    pub(crate) fn new(client: Client) -> StreamableClient {
        StreamableClient { client, streamed: Arc::default() }
    }

    /// Waits until it is time to ask for an event stream. Those that wait at the same time go at the same time.
    async fn pace(&self) {
        let streamed = || self.streamed.lock().unwrap_or_else(PoisonError::into_inner);
        let last = *streamed();
        if let Some(last) = last {
            sleep_until(last + STREAM_AGAIN).await;
        }
        *streamed() = Some(Instant::now());
    }
}

/// Whether an error is about the session.
fn is_of_session(error: &ErrorData) -> bool {
    error.code != ErrorCode::INTERNAL_ERROR && error.message.to_ascii_lowercase().contains("session")
}

impl StreamableHttpClient for StreamableClient {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse> {
        self.client.post_message(uri, message, session, token, headers).await.map_err(clear)
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
        max_event: usize,
    ) -> Result<StreamableHttpPostResponse> {
        let id = match &message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let in_session = session.is_some();
        let mut response = self
            .client
            .post_message_with_max_sse_event_size(uri, message, session, token, headers, max_event)
            .await
            .map_err(clear)?;
        if let (StreamableHttpPostResponse::Sse(events, _), Some(id)) = (&mut response, &id) {
            let read = std::mem::replace(events, futures::stream::empty().boxed());
            *events = say_too_large(read, id.clone());
        }
        // An answer that does not say to what: the request was turned away before it was looked at, and without this it
        // would wait for its answer. Within a session that is what servers say that do not know it any more and do not
        // know about 404 either; but they are only believed if they say so, because a tool may have been run otherwise.
        if let StreamableHttpPostResponse::Json(JsonRpcMessage::Error(error), _) = &mut response
            && let Some(id) = id
            // As text, because some servers answer to "1" what they were asked as 1.
            && error.id.as_ref().map(ToString::to_string) != Some(id.to_string())
        {
            if in_session && is_of_session(&error.error) {
                return Err(StreamableHttpError::SessionExpired);
            }
            error.id = Some(id);
        }
        Ok(response)
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<()> {
        self.client.delete_session(uri, session, token, headers).await.map_err(clear)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxedSseResponse> {
        self.pace().await;
        self.client.get_stream(uri, session, last_event, token, headers).await.map_err(clear)
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
        max_event: usize,
    ) -> Result<BoxedSseResponse> {
        self.pace().await;
        self.client
            .get_stream_with_max_sse_event_size(uri, session, last_event, token, headers, max_event)
            .await
            .map_err(clear)
    }
}

/// The message of the error that an answer becomes that is too large to be read.
pub(crate) const TOO_LARGE: &str = "aibridge: the answer is too large to be read";

/// The events of the answer to a request. One that is too large becomes an error in answer to it.
///
/// rmcp ends such a stream, and the request then looks as if the connection had been lost: worth another try, to a model.
fn say_too_large(events: BoxedSseResponse, id: RequestId) -> BoxedSseResponse {
    let events = events.map(move |mut event| {
        // rmcp's own error is not public.
        let too_large = |error: &SseError| match error {
            SseError::Body(error) => error.to_string().contains("exceeded the maximum size"),
            _ => false,
        };
        if event.as_ref().is_err_and(too_large) {
            let error = ServerJsonRpcMessage::error(ErrorData::internal_error(TOO_LARGE, None), Some(id.clone()));
            event = Ok(Default::default());
            if let Ok(event) = &mut event {
                event.data = serde_json::to_string(&error).ok();
            }
        }
        event
    });
    events.boxed()
}

/// The error without URL and body, and with its status.
///
/// rmcp has a variant for a 401 that comes with a challenge. Without one, and for other statuses, its error is a text that
/// begins with `HTTP <status>`.
fn clear(error: StreamableHttpError<Error>) -> StreamableHttpError<Error> {
    match error {
        StreamableHttpError::Client(error) => StreamableHttpError::Client(error.without_url()),
        StreamableHttpError::UnexpectedServerResponse(text) => match status(&text) {
            Some(401) => StreamableHttpError::AuthRequired(AuthRequiredError::new(String::new())),
            Some(status) => HttpStatusError::new(status, None).into(),
            None => StreamableHttpError::UnexpectedServerResponse("not a message".into()),
        },
        error => error,
    }
}

fn status(text: &str) -> Option<u16> {
    text.strip_prefix("HTTP ")?.get(..3)?.parse().ok()
}
