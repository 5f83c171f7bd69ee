use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use reqwest::Client;
use rmcp::{
    RoleClient,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::{
        Transport, common::client_side_sse::BoxedSseResponse, streamable_http_client::StreamableHttpClient as _,
    },
};
use url::Url;

use super::SseTransportError;
use crate::Token;

/// How long the server may take to accept a message. The answer comes as an event.
const ACCEPT: Duration = Duration::from_secs(30);
/// What is read of the answer to a post, so that its connection can be used again.
const MAX_ANSWER: usize = 64 * 1024;

/// A session over HTTP with SSE.
pub(crate) struct SseTransport {
    client: Client,
    headers: HeaderMap,
    token: Option<Token>,
    endpoint: Url,
    events: BoxedSseResponse,
}

impl SseTransport {
    /// Opens the event stream at `url` and waits for the endpoint.
    ///
    /// An event larger than `max_event` bytes ends the stream.
    pub(crate) async fn connect(
        client: Client,
        url: &Url,
        headers: HeaderMap,
        token: Option<Token>,
        max_event: usize,
    ) -> Result<SseTransport, SseTransportError> {
        let sent: HashMap<_, _> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let bearer = token.as_ref().map(|token| token.expose().to_owned());
        let address = Arc::from(url.as_str());
        // rmcp's reader of event streams, for its limit on events; a session and a last event are the other transport's.
        let mut events =
            client.get_stream_with_max_sse_event_size(address, None, None, bearer, sent, max_event).await?;
        let endpoint = loop {
            let event = events.next().await.ok_or(SseTransportError::NoEndpoint)?;
            let event = event.map_err(|_| SseTransportError::NoEndpoint)?;
            if event.event.as_deref() == Some("endpoint") {
                break event.data.unwrap_or_default();
            }
        };
        let endpoint = url.join(endpoint.trim()).map_err(|_| SseTransportError::ForeignEndpoint)?;
        // It is sent the token.
        if endpoint.origin() != url.origin() {
            return Err(SseTransportError::ForeignEndpoint);
        }
        Ok(SseTransport { client, headers, token, endpoint, events })
    }
}

impl Transport<RoleClient> for SseTransport {
    type Error = SseTransportError;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), SseTransportError>> + Send + 'static {
        let mut request =
            self.client.post(self.endpoint.clone()).headers(self.headers.clone()).timeout(ACCEPT).json(&message);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        async move {
            let mut response = request.send().await?;
            match response.status() {
                StatusCode::UNAUTHORIZED => return Err(SseTransportError::Unauthorized),
                status if !status.is_success() => return Err(SseTransportError::Status(status)),
                _ => {}
            }
            let mut read = 0;
            while read <= MAX_ANSWER
                && let Ok(Some(chunk)) = response.chunk().await
            {
                read += chunk.len();
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            // These errors quote what they are about.
            let event = self.events.next().await?.inspect_err(|_| tracing::debug!("event stream broke"));
            let event = event.ok()?;
            let (None | Some("message"), Some(data)) = (event.event.as_deref(), event.data) else { continue };
            match serde_json::from_str(&data) {
                Ok(message) => return Some(message),
                Err(error) => tracing::debug!(category = ?error.classify(), "event is not a message"),
            }
        }
    }

    async fn close(&mut self) -> Result<(), SseTransportError> {
        self.events = stream::empty().boxed();
        Ok(())
    }
}
