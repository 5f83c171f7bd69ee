use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http1::Head;

/// A request as the provider got it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// Request line and fields, with their order and spelling.
    pub head: Head,
    /// The body without its transfer coding, otherwise byte for byte.
    pub body: Bytes,
    /// On which connection it came, counted from 0.
    pub connection: usize,
    pub(super) closed: watch::Receiver<Option<Instant>>,
}

impl ReceivedRequest {
    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Waits until the client has closed the connection this came on, whether in the middle of the reply or later.
    pub async fn client_closed(&mut self) -> Instant {
        match self.closed.wait_for(Option::is_some).await {
            Ok(closed) => closed.unwrap_or_else(Instant::now),
            // The provider itself is gone, and the connection with it.
            Err(_) => Instant::now(),
        }
    }
}
