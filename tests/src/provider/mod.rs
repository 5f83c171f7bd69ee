//! A provider on loopback that plays scripts.

mod connection;
mod gate;
mod request;
mod script;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

pub use gate::Gate;
pub use request::ReceivedRequest;
pub use script::Script;

/// How long [`Provider::next_request`] and [`Provider::client_closed`] wait before they call the test failed. Not for
/// paused time, which would jump there while the sockets are still at work.
const PATIENCE: Duration = Duration::from_secs(20);

/// A provider on loopback: answers each request with a [`Script`], and keeps every request as it came.
///
/// Dropping it closes its port and all its connections.
pub struct Provider {
    address: SocketAddr,
    state: Arc<State>,
    requests: tokio::sync::Mutex<UnboundedReceiver<ReceivedRequest>>,
    hang_ups: tokio::sync::Mutex<UnboundedReceiver<Instant>>,
    accepting: JoinHandle<()>,
}

/// What the connections share.
struct State {
    queue: Mutex<VecDeque<Script>>,
    choose: Box<dyn Fn(&ReceivedRequest) -> Script + Send + Sync>,
    log: Mutex<Vec<ReceivedRequest>>,
    arrived: UnboundedSender<ReceivedRequest>,
    hung_up: UnboundedSender<Instant>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    sent: AtomicUsize,
}

impl Provider {
    /// A provider that answers with the scripts given to [`reply`](Self::reply), first in, first out. A request
    /// beyond them is answered 500.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start() -> io::Result<Self> {
        Self::replying(|_| Script::text(500, "the test scripted no reply to this request")).await
    }

    /// A provider that chooses the script by the request, once those given to [`reply`](Self::reply) are used up.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn replying(choose: impl Fn(&ReceivedRequest) -> Script + Send + Sync + 'static) -> io::Result<Self> {
        Self::replying_on(loopback(), choose).await
    }

    /// As [`replying`](Self::replying), on this address.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn replying_on(
        address: SocketAddr,
        choose: impl Fn(&ReceivedRequest) -> Script + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (arrived, requests) = mpsc::unbounded_channel();
        let (hung_up, hang_ups) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            queue: Mutex::default(),
            choose: Box::new(choose),
            log: Mutex::default(),
            arrived,
            hung_up,
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        let (requests, hang_ups) = (requests.into(), hang_ups.into());
        Ok(Self { address, state, requests, hang_ups, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a path: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds the answer to a further request.
    pub fn reply(&self, script: Script) {
        self.state.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(script);
    }

    /// Every request so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The oldest request not yet returned from here, as soon as it is there.
    ///
    /// # Panics
    /// When none comes within 20 seconds: the test has failed.
    pub async fn next_request(&self) -> ReceivedRequest {
        let mut requests = self.requests.lock().await;
        let next = timeout(PATIENCE, requests.recv()).await.ok().flatten();
        next.expect("a request reaches the provider")
    }

    /// When the client hung up in the middle of a reply: the oldest such instant not yet returned from here.
    ///
    /// # Panics
    /// When no client does within 20 seconds: the test has failed.
    pub async fn client_closed(&self) -> Instant {
        let mut hang_ups = self.hang_ups.lock().await;
        let next = timeout(PATIENCE, hang_ups.recv()).await.ok().flatten();
        next.expect("the client hangs up on the provider")
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.state.accepted.load(Ordering::Acquire)
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.state.open.load(Ordering::Acquire)
    }

    /// How many bytes the system has taken from it so far, over all connections. Stands still when the client stops
    /// reading and the buffers between are full.
    pub fn sent(&self) -> usize {
        self.state.sent.load(Ordering::Acquire)
    }

    /// The URL of a port on which nothing listens.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn refusing() -> io::Result<String> {
        let listener = TcpListener::bind(loopback()).await?;
        Ok(format!("http://{}", listener.local_addr()?))
    }
}

impl State {
    /// Keeps a request and says what to answer.
    fn receive(&self, request: ReceivedRequest) -> Script {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let script = next.unwrap_or_else(|| (self.choose)(&request));
        // An error means that the provider is being dropped.
        let _ = self.arrived.send(request);
        script
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("address", &self.address).finish_non_exhaustive()
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // The connections live in this set and so end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let number = state.accepted.fetch_add(1, Ordering::AcqRel);
                connections.spawn(connection::serve(stream, number, Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
