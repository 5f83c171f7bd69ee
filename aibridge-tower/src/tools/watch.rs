use aibridge_store::record::Outcome;

use crate::record::Interception;

/// Ends an interception as left by its client, unless told otherwise: for the time between rounds, in which nothing
/// further in watches the client.
pub(super) struct Watch(Option<Interception>);

impl Watch {
    pub(super) fn new(interception: Option<Interception>) -> Watch {
        Watch(interception)
    }

    /// The client is still there, and something else watches it.
    pub(super) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(interception) = self.0.take() {
            interception.ended(Outcome::ClientGone, None);
        }
    }
}
