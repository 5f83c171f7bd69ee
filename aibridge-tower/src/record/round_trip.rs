use aibridge_providers::api::Reply;

use super::Interception;

/// One call of the provider. Exactly one token record comes of it, also when it is dropped.
#[derive(Debug)]
pub(super) struct RoundTrip {
    interception: Interception,
    open: bool,
}

impl RoundTrip {
    pub(super) fn new(interception: Interception) -> RoundTrip {
        RoundTrip { interception, open: true }
    }

    pub(super) fn interception(&self) -> &Interception {
        &self.interception
    }

    /// The provider's reply is over, and this is what it was.
    pub(super) fn settle(&mut self, reply: &Reply) {
        if std::mem::take(&mut self.open) {
            self.interception.round_trip(reply);
        }
    }

    /// The provider was not called after all.
    pub(super) fn cancel(&mut self) {
        self.open = false;
    }
}

impl Drop for RoundTrip {
    fn drop(&mut self) {
        self.settle(&Reply::default());
    }
}
