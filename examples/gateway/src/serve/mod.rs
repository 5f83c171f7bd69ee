//! Serving: the listener, its connections, what is answered on which path, and the orderly end.

mod access_log;
mod connection;
mod health;
mod pipeline;
mod router;
mod tls;
mod workers;

use std::{net::SocketAddr, time::Duration};

use aibridge_tower::BoxError;
use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub(crate) use health::{Health, Host};
pub(crate) use pipeline::{Parts, Settings};
pub(crate) use tls::TlsFiles;
use workers::{Kit, Workers};

/// What the listener needs to know.
#[derive(Debug)]
pub(crate) struct Listen {
    /// Where to listen.
    pub(crate) address: SocketAddr,
    /// With which certificate, if at all.
    pub(crate) tls: Option<TlsFiles>,
    /// How long requests may take to finish once the gateway is told to stop.
    pub(crate) grace: Duration,
}

/// A listener that is bound, but does not serve yet.
pub(crate) struct Bound {
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    grace: Duration,
}

/// Binds the listener.
pub(crate) async fn bind(listen: &Listen) -> anyhow::Result<Bound> {
    let tls = listen.tls.as_ref().map(TlsFiles::acceptor).transpose()?;
    let listener = TcpListener::bind(listen.address)
        .await
        .with_context(|| format!("cannot listen on {} (CODER_HTTP_ADDRESS)", listen.address))?;
    Ok(Bound { listener, tls, grace: listen.grace })
}

impl Bound {
    /// Where it listens.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop`, then lets requests finish within the grace period.
    pub(crate) async fn serve(self, parts: Parts, host: Host, stop: CancellationToken) -> Result<(), BoxError> {
        let kit = Kit { parts, host, tls: self.tls, grace: self.grace, stop: stop.clone() };
        let workers = Workers::start(&kit)?;
        loop {
            let stream = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of file descriptors, mostly: others have to end first.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                () = stop.cancelled() => break,
            };
            prepare(&stream);
            workers.take(stream);
        }
        drop(self.listener);
        tracing::info!(grace = ?self.grace, "stopping: requests in flight may finish");
        tokio::task::spawn_blocking(|| workers.join()).await?
    }
}

/// Small writes of a stream must not wait for each other's acknowledgement.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
}
