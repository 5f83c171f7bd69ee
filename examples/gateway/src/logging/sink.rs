use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    mem,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(50);
/// How much gathers at most; what exceeds it while the sink is stuck is dropped, and the loss is written.
const LIMIT: usize = 8 * 1024 * 1024;

/// A file that is written by a thread of its own, so that no request waits for a terminal or a disk.
#[derive(Clone, Debug)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gathered: Mutex<Gathered>,
    filled: Condvar,
    file: Mutex<File>,
}

#[derive(Debug, Default)]
struct Gathered {
    lines: Vec<u8>,
    lost: u64,
}

impl Sink {
    /// Opens `path` for appending. `/dev/stderr` and `/dev/stdout` are files like others.
    pub(super) fn open(path: &Path) -> io::Result<Sink> {
        let file = OpenOptions::new().append(true).create(!path.starts_with("/dev")).open(path)?;
        let shared = Shared { gathered: Mutex::default(), filled: Condvar::new(), file: Mutex::new(file) };
        let sink = Sink(Arc::new(shared));
        let writer = sink.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                writer.wait();
                thread::sleep(GATHER);
                writer.flush();
            }
        })?;
        Ok(sink)
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut gathered = self.gathered();
        while gathered.lines.is_empty() {
            gathered = self.0.filled.wait(gathered).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes what has gathered.
    pub(super) fn flush(&self) {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Gathered { mut lines, lost } = mem::take(&mut *self.gathered());
        if lost > 0 {
            lines.extend_from_slice(format!("{lost} log lines were lost: the log could not be written\n").as_bytes());
        }
        // There is nowhere to tell that the log itself fails.
        let _ = file.write_all(&lines);
    }
}

impl Write for &Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.gathered();
        if gathered.lines.len() + line.len() > LIMIT {
            gathered.lost += 1;
        } else {
            let was_empty = gathered.lines.is_empty();
            gathered.lines.extend_from_slice(line);
            if was_empty {
                self.0.filled.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Sink;

    fn make_writer(&'a self) -> &'a Sink {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_file_after_a_flush() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let sink = Sink::open(&path).unwrap();
        (&sink).write_all(b"one\n").unwrap();
        (&sink).write_all(b"two\n").unwrap();
        sink.flush();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_stuck_log_loses_lines_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let sink = Sink::open(&path).unwrap();
        let stuck = sink.0.file.lock().unwrap();
        (&sink).write_all(&vec![b'x'; LIMIT]).unwrap();
        (&sink).write_all(b"lost\n").unwrap();
        drop(stuck);
        sink.flush();
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.len() >= LIMIT, "the lines that fitted are kept");
        assert!(written.ends_with("1 log lines were lost: the log could not be written\n"));
    }
}
