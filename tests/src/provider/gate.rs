use std::sync::Arc;

use tokio::sync::Semaphore;

/// A point in a [`Script`](super::Script) that is not passed until the test says so.
///
/// Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    passes: Arc<Semaphore>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self { passes: Arc::new(Semaphore::new(0)) }
    }

    /// Lets one through: whoever waits, or whoever comes next.
    pub fn pass_one(&self) {
        self.passes.add_permits(1);
    }

    /// Lets everyone through from now on.
    pub fn open(&self) {
        self.passes.close();
    }

    /// Waits until one is let through.
    pub async fn passed(&self) {
        // An error means closed, and a closed semaphore is an open gate.
        if let Ok(pass) = self.passes.acquire().await {
            pass.forget();
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
