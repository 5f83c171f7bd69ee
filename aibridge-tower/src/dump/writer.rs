//! The thread that writes files.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use aibridge_providers::encoding::StreamDecoder;
use bytes::Bytes;
use uuid::Uuid;

/// What may wait to be written, in bytes.
const MAX_WAITING: usize = 64 << 20;

/// Where dumps go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    waiting: Arc<AtomicUsize>,
    pairs: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is to be done for one pair of files.
struct Order(u64, What);

enum What {
    Begin(Name),
    Request(Bytes),
    Head(Bytes, Option<Box<StreamDecoder>>),
    Reply(Bytes),
    End,
}

/// What a pair is called.
pub(super) struct Name {
    pub(super) folder: PathBuf,
    pub(super) unix_ms: i64,
    pub(super) id: Uuid,
    pub(super) round: u32,
}

/// A pair of files that is being written. It ends when it is dropped.
pub(super) struct Pair {
    writer: Writer,
    number: u64,
}

impl Writer {
    pub(super) fn start() -> io::Result<Writer> {
        let (orders, received) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let written = waiting.clone();
        let thread = thread::Builder::new().name("dumps".to_owned()).spawn(move || write_all(&received, &written))?;
        Ok(Writer(Arc::new(Shared {
            orders: Mutex::new(Some(orders)),
            waiting,
            pairs: AtomicU64::new(0),
            thread: Mutex::new(Some(thread)),
        })))
    }

    pub(super) fn begin(&self, name: Name) -> Pair {
        let pair = Pair { writer: self.clone(), number: self.0.pairs.fetch_add(1, Ordering::Relaxed) };
        pair.order(What::Begin(name));
        pair
    }

    /// Waits until everything that was dumped is written. Nothing is afterwards.
    pub(super) fn finish(&self) {
        drop(lock(&self.0.orders).take());
        if let Some(thread) = lock(&self.0.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes dumps panicked");
        }
    }
}

impl Pair {
    /// Adds to the request.
    pub(super) fn request(&self, bytes: Bytes) {
        self.order(What::Request(bytes));
    }

    /// Begins the reply, whose body comes coded.
    pub(super) fn head(&self, head: Vec<u8>, decoder: Option<Box<StreamDecoder>>) {
        self.order(What::Head(head.into(), decoder));
    }

    /// Adds to the reply.
    pub(super) fn reply(&self, bytes: Bytes) {
        self.order(What::Reply(bytes));
    }

    fn order(&self, what: What) {
        let shared = &self.writer.0;
        let size = what.size();
        if shared.waiting.fetch_add(size, Ordering::Relaxed) + size > MAX_WAITING {
            shared.waiting.fetch_sub(size, Ordering::Relaxed);
            tracing::warn!("dumps come faster than they can be written; some are not whole");
            return;
        }
        if let Some(orders) = &*lock(&shared.orders) {
            // The thread is there as long as the sender is.
            drop(orders.send(Order(self.number, what)));
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.order(What::End);
    }
}

impl What {
    fn size(&self) -> usize {
        match self {
            What::Request(bytes) | What::Head(bytes, _) | What::Reply(bytes) => bytes.len(),
            What::Begin(_) | What::End => 0,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pair on disk.
struct Files {
    base: PathBuf,
    request: File,
    reply: Option<(File, Option<Box<StreamDecoder>>)>,
}

fn write_all(orders: &mpsc::Receiver<Order>, waiting: &AtomicUsize) {
    let mut open: HashMap<u64, Files> = HashMap::new();
    for Order(number, what) in orders {
        waiting.fetch_sub(what.size(), Ordering::Relaxed);
        let done = match (what, open.get_mut(&number)) {
            (What::Begin(name), _) => Files::create(&name).map(|files| drop(open.insert(number, files))),
            (What::End, _) => {
                open.remove(&number);
                Ok(())
            }
            (what, Some(files)) => files.write(what),
            // It could not be begun.
            (_, None) => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "a dump cannot be written");
            open.remove(&number);
        }
    }
}

impl Files {
    fn create(name: &Name) -> io::Result<Files> {
        DirBuilder::new().recursive(true).mode(0o700).create(&name.folder)?;
        let mut unix_ms = name.unix_ms;
        // Two attempts may fall into one millisecond.
        loop {
            let base = name.folder.join(format!("{unix_ms}-{}.{}", name.id, name.round));
            match create(&with_end(&base, ".req.txt")) {
                Ok(request) => return Ok(Files { base, request, reply: None }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => unix_ms += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self, what: What) -> io::Result<()> {
        match what {
            What::Request(bytes) => self.request.write_all(&bytes),
            What::Head(head, decoder) => {
                let mut file = create(&with_end(&self.base, ".resp.txt"))?;
                file.write_all(&head)?;
                self.reply = Some((file, decoder));
                Ok(())
            }
            What::Reply(bytes) => match &mut self.reply {
                Some((file, None)) => file.write_all(&bytes),
                Some((file, Some(decoder))) => file.write_all(&decoder.feed(&bytes).map_err(io::Error::other)?),
                None => Ok(()),
            },
            What::Begin(_) | What::End => Ok(()),
        }
    }
}

/// A new file that only its owner can read; one that is there already is left alone, and so is what a link leads to.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn with_end(base: &Path, end: &str) -> PathBuf {
    let mut path = base.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// Makes sure that files can be written below `folder`.
pub(super) fn check(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let probe = folder.join(format!(".{}", Uuid::now_v7()));
    create(&probe)?;
    fs::remove_file(probe)
}
