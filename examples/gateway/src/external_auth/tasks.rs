//! What goes on without who asked for it, and is waited for at the host's end.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

/// Tasks that nobody's leaving interrupts: what was given to a provider is spent, and what it answered not yet written.
pub(super) struct Tasks {
    /// Where they run: on the runtime that outlives the callers'.
    runtime: Handle,
    /// Closed once no task is left.
    ended: watch::Sender<()>,
    /// Each task holds a copy. `None` once no more may begin.
    pass: Mutex<Option<watch::Receiver<()>>>,
}

impl Tasks {
    /// They run on the runtime this is called on.
    pub(super) fn new() -> Tasks {
        let (ended, pass) = watch::channel(());
        Tasks { runtime: Handle::current(), ended, pass: Mutex::new(Some(pass)) }
    }

    /// Begins one. `None`, and nothing of it is done, once they are being waited for.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(self.runtime.spawn(async move {
            let _pass = pass;
            task.await
        }))
    }

    /// Lets no more begin, and waits for those that have.
    pub(super) async fn finish(&self) {
        drop(self.pass.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.ended.closed().await;
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}
