//! One thread for each core, each with its own scheduler, its own pipeline and its own connections to providers.
//!
//! A stream is a ping-pong of two tasks, the client's connection and the provider's. On one scheduler for all cores
//! they wake each other across threads, and that costs more than everything else that is done to a small request.

use std::{
    net::TcpStream as StdStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use aibridge_tower::BoxError;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::{net::TcpStream, sync::mpsc};

use super::{connection, health, pipeline, router::Router};

/// What every worker needs.
#[derive(Clone)]
pub(super) struct Kit {
    pub(super) parts: pipeline::Parts,
    pub(super) host: health::Host,
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
    pub(super) grace: std::time::Duration,
    pub(super) stop: tokio_util::sync::CancellationToken,
}

/// The threads that serve connections.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    streams: mpsc::UnboundedSender<StdStream>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<Result<(), BoxError>>,
}

impl Workers {
    /// Starts a worker for each core.
    pub(super) fn start(kit: &Kit) -> std::io::Result<Workers> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        (0..count).map(|number| Worker::start(number, kit.clone())).collect::<Result<_, _>>().map(Workers)
    }

    /// Hands a connection to the worker that has the fewest.
    pub(super) fn take(&self, stream: TcpStream) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { return };
        match stream.into_std() {
            // A worker that is gone failed, and the gateway with it.
            Ok(stream) => drop(worker.streams.send(stream)),
            Err(error) => tracing::debug!(%error, "a connection was lost"),
        }
    }

    /// Waits until all workers have finished their requests.
    pub(super) fn join(self) -> Result<(), BoxError> {
        let threads: Vec<_> = self.0.into_iter().map(|worker| worker.thread).collect();
        let results: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
        for result in results {
            result.map_err(|_| "a worker thread panicked")??;
        }
        Ok(())
    }
}

impl Worker {
    fn start(number: usize, kit: Kit) -> std::io::Result<Worker> {
        let (streams, received) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counter = open.clone();
        let serve = move || {
            let stop = kit.stop.clone();
            let served = (|| runtime()?.block_on(run(kit, received, counter)))();
            // One that fails, which only happens at its start, takes the others along; `join` says why.
            stop.cancel();
            served
        };
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(serve)?;
        Ok(Worker { streams, open, thread })
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Serves connections until the gateway stops, then lets their requests finish within the grace period.
async fn run(
    kit: Kit,
    mut streams: mpsc::UnboundedReceiver<StdStream>,
    open: Arc<AtomicUsize>,
) -> Result<(), BoxError> {
    let cut_off = Arc::new(AtomicBool::new(false));
    let service =
        Router::new(pipeline::pipeline(kit.parts, cut_off.clone())?, health::routes(kit.host), kit.stop.clone());
    let server = Arc::new(connection::server());
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            stream = streams.recv() => stream,
            () = kit.stop.cancelled() => None,
        };
        let Some(stream) = stream else { break };
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let guard = Open::new(open.clone());
                connection::spawn(&server, stream, kit.tls.clone(), service.clone(), &connections, guard);
            }
            Err(error) => tracing::debug!(%error, "a connection was lost"),
        }
    }
    if tokio::time::timeout(kit.grace, connections.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
        // They are dropped with this thread's runtime, which records their ends before the store is closed.
        cut_off.store(true, Ordering::Release);
    }
    Ok(())
}

/// Counts an open connection.
pub(super) struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: Arc<AtomicUsize>) -> Open {
        open.fetch_add(1, Ordering::Relaxed);
        Open(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
