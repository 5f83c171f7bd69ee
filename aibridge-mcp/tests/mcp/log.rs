//! What the crate logs.

use std::{
    io,
    sync::{Mutex, Once},
};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to listen, for all tests: tasks are on any thread.
pub(crate) fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        tracing_subscriber::fmt().with_env_filter("aibridge_mcp=trace").with_ansi(false).with_writer(|| Writer).init();
        // A test in another thread may just have been told that nobody listens.
        tracing::callsite::rebuild_interest_cache();
    });
}

/// The lines that name the server. Tests that read them have servers with ids of their own.
pub(crate) fn of(server: &str) -> Vec<String> {
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let named = format!("server=\"{server}\"");
    log.lines().filter(|line| line.contains(&named)).map(ToOwned::to_owned).collect()
}
