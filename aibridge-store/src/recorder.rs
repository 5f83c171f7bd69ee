use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use crate::record::{Record, Start};

/// Where records go.
///
/// `start` is awaited before the provider is called: when it resolves to `Ok`, the start is durable. `record` is told
/// everything later and must never wait on a disk or a network.
pub trait Recorder: Send + Sync + 'static {
    /// Begins an interception.
    fn start(&self, start: &Arc<Start>) -> Started;

    /// Takes a record of an interception that began. Records of one interception arrive in order, its end last.
    fn record(&self, record: &Arc<Record>);
}

impl<T: Recorder + ?Sized> Recorder for Arc<T> {
    fn start(&self, start: &Arc<Start>) -> Started {
        (**self).start(start)
    }

    fn record(&self, record: &Arc<Record>) {
        (**self).record(record);
    }
}

/// Why an interception could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The queue to the store is full.
    #[error("the queue of records is full")]
    Full,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// Resolves when an interception's start is durable.
pub struct Started(State);

enum State {
    Ready(Option<Result<(), RecordError>>),
    Reply(oneshot::Receiver<Result<(), RecordError>>),
    Boxed(Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send>>),
}

impl Started {
    /// Already known.
    pub fn ready(result: Result<(), RecordError>) -> Started {
        Started(State::Ready(Some(result)))
    }

    /// Known when the sender answers; a dropped sender means [`RecordError::Closed`].
    pub fn reply(receiver: oneshot::Receiver<Result<(), RecordError>>) -> Started {
        Started(State::Reply(receiver))
    }

    /// Any other future.
    pub fn boxed(future: impl Future<Output = Result<(), RecordError>> + Send + 'static) -> Started {
        Started(State::Boxed(Box::pin(future)))
    }
}

impl Future for Started {
    type Output = Result<(), RecordError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(result) => Poll::Ready(result.take().expect("polled after completion")),
            State::Reply(receiver) => {
                let reply = ready!(Pin::new(receiver).poll(cx));
                Poll::Ready(reply.unwrap_or(Err(RecordError::Closed)))
            }
            State::Boxed(future) => future.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Started")
    }
}
