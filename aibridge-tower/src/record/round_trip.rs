use aibridge_providers::api::Reply;

use super::Interception;
use crate::keys::Remember;

/// One call of the provider. Exactly one token record comes of it, also when it is dropped.
#[derive(Debug)]
pub(super) struct RoundTrip {
    interception: Interception,
    open: bool,
    remember: Option<Remember>,
}

impl RoundTrip {
    pub(super) fn new(interception: Interception) -> RoundTrip {
        RoundTrip { interception, open: true, remember: None }
    }

    pub(super) fn interception(&self) -> &Interception {
        &self.interception
    }

    /// Tells `remember` the id of the reply.
    pub(super) fn remember(&mut self, remember: Option<Remember>) {
        self.remember = remember;
    }

    /// The provider's reply is over, and this is what it was.
    pub(super) fn settle(&mut self, reply: &Reply) {
        if std::mem::take(&mut self.open) {
            self.interception.round_trip(reply);
            if let (Some(remember), Some(id)) = (self.remember.take(), &reply.id) {
                remember.reply(id);
            }
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
