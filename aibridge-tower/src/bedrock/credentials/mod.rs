//! The AWS credentials that requests are signed with.

mod resolve;
mod source;

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use aibridge_providers::{
    bedrock::{KeyPair, Settings},
    provider::Instance,
};
use aws_credential_types::{Credentials as AwsCredentials, provider::error::CredentialsError};
use tokio::runtime::Handle;

use resolve::resolve;
use source::Source;
pub(super) use source::{Pending, Unresolved};

/// The AWS credentials of all Bedrock instances. Cheap to clone; clones share what they know.
///
/// An instance's static access keys are used as they are. The AWS default credential chain, and a role assumed on top of
/// either, are asked when the first request needs them, which waits for the answer. From then on a task keeps them: it
/// asks again well before they expire, and requests are signed with the old ones meanwhile. Only when there is nothing
/// that is still valid do requests wait, or are refused with the reason.
///
/// The tasks run on one runtime, which has to outlive those that serve requests: a host with a runtime for each worker
/// gives its main one. They end with the instance, and with the last clone of this.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Handle,
    ask: Ask,
    /// By the address of the instance, which an entry keeps from being used again, and the slot.
    sources: Mutex<HashMap<(usize, usize), Source>>,
}

/// Asks for what an instance has at a slot.
type Ask = Box<dyn Fn(Arc<Instance>, usize) -> Asked + Send + Sync>;
type Asked = Pin<Box<dyn Future<Output = Result<AwsCredentials, CredentialsError>> + Send>>;

/// What is known of a credential.
pub(super) enum Found {
    Known(AwsCredentials),
    /// They are being asked for.
    Pending(Pending),
    /// They could not be had a moment ago.
    Failed,
}

impl Credentials {
    /// Keeps credentials on the current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime. See [`Credentials::on`].
    pub fn new() -> Credentials {
        Credentials::on(Handle::current())
    }

    /// Keeps credentials on `runtime`.
    pub fn on(runtime: Handle) -> Credentials {
        Credentials::asking(runtime, Box::new(|instance, slot| Box::pin(resolve(instance, slot, None))))
    }

    /// Assumes roles at `url` in the place of the region's STS endpoint. To be called before there are clones. Default:
    /// what the AWS environment says (`AWS_ENDPOINT_URL_STS`, the profile), else the region's.
    #[must_use]
    pub fn sts_url(self, url: impl Into<Arc<str>>) -> Credentials {
        let url = url.into();
        let ask: Ask = Box::new(move |instance, slot| Box::pin(resolve(instance, slot, Some(url.clone()))));
        Credentials::asking(self.inner.runtime.clone(), ask)
    }

    fn asking(runtime: Handle, ask: Ask) -> Credentials {
        Credentials { inner: Arc::new(Inner { runtime, ask, sources: Mutex::default() }) }
    }

    /// The credential at `slot` of `instance`, which has these `settings`.
    pub(super) fn find(&self, instance: &Arc<Instance>, settings: &Settings, slot: usize) -> Found {
        match pair(settings, slot) {
            Some(pair) if settings.role_arn.is_none() => Found::Known(fixed(pair)),
            _ => self.source(instance, slot, Source::find),
        }
    }

    /// AWS says that the credential has expired: it is asked for again, without waiting for its time.
    pub(super) fn expired(&self, instance: &Arc<Instance>, settings: &Settings, slot: usize) {
        if settings.role_arn.is_some() || pair(settings, slot).is_none() {
            self.source(instance, slot, Source::ask_again);
        }
    }

    fn source<T>(&self, instance: &Arc<Instance>, slot: usize, then: impl FnOnce(&Source) -> T) -> T {
        let key = (Arc::as_ptr(instance).addr(), slot);
        let mut sources = self.inner.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(&key).filter(|source| source.is_alive()) {
            return then(source);
        }
        sources.retain(|_, source| source.is_alive());
        let (instance_held, held) = (Arc::downgrade(instance), Arc::downgrade(&self.inner));
        let source = Source::start(&self.inner.runtime, &instance.name, move || {
            Some((held.upgrade()?.ask)(instance_held.upgrade()?, slot))
        });
        let found = then(&source);
        sources.insert(key, source);
        found
    }
}

impl Default for Credentials {
    fn default() -> Credentials {
        Credentials::new()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// The static pair at `slot`; without any, slot 0 is the AWS default chain.
fn pair(settings: &Settings, slot: usize) -> Option<&KeyPair> {
    settings.credentials.get(slot).or_else(|| settings.credentials.first())
}

fn fixed(pair: &KeyPair) -> AwsCredentials {
    AwsCredentials::new(pair.id.expose(), pair.secret.expose(), None, None, "aibridge")
}

#[cfg(test)]
mod tests;
