//! A running gateway.

use std::{net::SocketAddr, process::ExitStatus};

use aibridge_tests::{Head, RawClient};
use bytes::Bytes;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::home::PATIENCE;

/// A running gateway. Dropping it kills it.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    child: Child,
}

/// How a gateway ended, and everything it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Gateway {
    /// Waits until it says where it serves.
    pub(crate) async fn new(mut child: Child) -> Gateway {
        let stdout = Captured::new(child.stdout.take().unwrap());
        let mut stderr = Captured::new(child.stderr.take().unwrap());
        let line = stderr.line("serving address=").await;
        let (_, address) = line.split_once("serving address=").unwrap();
        let address = address.split_whitespace().next().unwrap().parse().unwrap();
        Gateway { address, stdout, stderr, child }
    }

    /// A connection to it.
    pub(crate) async fn client(&self) -> RawClient {
        RawClient::connect(self.address).await.unwrap()
    }

    /// Asks once, on a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> (Head, Bytes) {
        self.request("GET", target, None, "").await
    }

    /// Posts JSON with this gateway token, on a connection of its own.
    pub(crate) async fn post(&self, target: &str, token: &str, body: impl AsRef<[u8]>) -> (Head, Bytes) {
        self.request("POST", target, Some(token), body).await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        token: Option<&str>,
        body: impl AsRef<[u8]>,
    ) -> (Head, Bytes) {
        let mut client = self.client().await;
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut fields = vec![("Content-Type", "application/json")];
        fields.extend(bearer.iter().map(|bearer| ("Authorization", bearer.as_str())));
        client.request(method, target, &fields, body).await.unwrap();
        timeout(PATIENCE, client.response()).await.expect("an answer").unwrap()
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs");
        // The shell's own `kill`, because the standard library knows only SIGKILL.
        let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {id}")]).status().await.unwrap();
        assert!(sent.success());
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn exit(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end: {}", self.stderr.so_far())).unwrap();
        Ended { status, stdout: self.stdout.rest().await, stderr: self.stderr.rest().await }
    }

    /// SIGTERM, and the orderly end of a gateway that has nothing to do.
    pub(crate) async fn stop(self) -> Ended {
        self.signal("TERM").await;
        let ended = self.exit().await;
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        ended
    }
}

/// What a process writes, as it writes it.
#[derive(Clone)]
pub(crate) struct Captured(watch::Receiver<String>);

impl Captured {
    fn new(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Captured {
        let (send, receive) = watch::channel(String::new());
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while let Ok(1..) = pipe.read_buf(&mut bytes).await {
                send.send_replace(String::from_utf8_lossy(&bytes).into_owned());
            }
        });
        Captured(receive)
    }

    /// The first whole line that contains `text`, as soon as it is there.
    pub(crate) async fn line(&mut self, text: &str) -> String {
        let found = |all: &String| all.split_inclusive('\n').any(|line| line.contains(text) && line.ends_with('\n'));
        let waited = timeout(PATIENCE, self.0.wait_for(found)).await.map(|all| all.is_ok());
        let all = self.so_far();
        assert_eq!(waited, Ok(true), "{text:?} is not said: {all}");
        all.lines().find(|line| line.contains(text)).unwrap().to_owned()
    }

    pub(crate) fn so_far(&self) -> String {
        self.0.borrow().clone()
    }

    /// Everything, once the process has ended.
    async fn rest(&mut self) -> String {
        let closed = timeout(PATIENCE, self.0.wait_for(|_| false)).await.is_ok();
        assert!(closed, "the pipe outlives the process");
        self.so_far()
    }
}

/// The path of a route on the instance `name`.
pub(crate) fn path(name: &str, route: &str) -> String {
    format!("/api/v2/aibridge/{name}{route}")
}

/// A body as JSON.
pub(crate) fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| panic!("not json: {}", String::from_utf8_lossy(body)))
}
