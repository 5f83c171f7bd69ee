use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(50);
/// How much gathers at most; what exceeds it while the sink is stuck is dropped, and the loss is written.
const LIMIT: usize = 8 * 1024 * 1024;
/// How much memory is kept for the next lines.
const KEPT: usize = 1024 * 1024;

/// A file that is written by a thread of its own, so that no request waits for a terminal or a disk.
#[derive(Clone)]
pub(super) struct Sink(Arc<Shared>);

struct Shared {
    gathered: Mutex<Gathered>,
    filled: Condvar,
    file: Mutex<Output>,
}

struct Output {
    file: Box<dyn Write + Send>,
    /// Takes turns with what gathers, so that memory is not asked for again and again.
    spare: Vec<u8>,
}

#[derive(Debug, Default)]
struct Gathered {
    lines: Vec<u8>,
    lost: u64,
}

impl Sink {
    pub(super) fn new(file: impl Write + Send + 'static) -> io::Result<Sink> {
        let file = Mutex::new(Output { file: Box::new(file), spare: Vec::new() });
        let shared = Shared { gathered: Mutex::default(), filled: Condvar::new(), file };
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
        let mut output = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Output { file, spare } = &mut *output;
        spare.clear();
        spare.shrink_to(KEPT);
        let lost = {
            let mut gathered = self.gathered();
            mem::swap(&mut gathered.lines, spare);
            mem::take(&mut gathered.lost)
        };
        if lost > 0 {
            spare.extend_from_slice(format!("{lost} log lines were lost: the log could not be written\n").as_bytes());
        }
        // There is nowhere to tell that the log itself fails.
        let _ = file.write_all(spare).and_then(|()| file.flush());
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
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
        let sink = Sink::new(std::fs::File::create(&path).unwrap()).unwrap();
        (&sink).write_all(b"one\n").unwrap();
        (&sink).write_all(b"two\n").unwrap();
        sink.flush();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_stuck_log_loses_lines_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let sink = Sink::new(std::fs::File::create(&path).unwrap()).unwrap();
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
