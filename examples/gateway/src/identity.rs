//! Who may use the gateway: its own keys, JSON web tokens, a Coder deployment.

use std::sync::Arc;

use aibridge_providers::provider::Secret;
use aibridge_store::{accounts::Accounts, sqlite::Sqlite};
use aibridge_tower::auth::{
    Actor, AuthError, Authenticate,
    source::{ApiKeys, Cached, Chain, Coder, Jwt, SourceError},
};
use futures::future::BoxFuture;

use crate::config::{Authentication, Oidc};

/// The sources of identity, remembered for a while.
pub(crate) type Identity = Arc<Cached<Known>>;

/// The sources that are configured. The gateway's own keys always are.
pub(crate) fn identity(authentication: &Authentication, store: &Sqlite) -> Result<Identity, SourceError> {
    let accounts: Arc<dyn Accounts> = Arc::new(store.clone());
    let mut sources = Chain::new().then(ApiKeys::new(accounts));
    if let Some(oidc) = &authentication.oidc {
        sources = sources.then(jwt(oidc)?);
    }
    if let Some(url) = &authentication.coder_url {
        sources = sources.then(Coder::new(url.clone())?);
    }
    Ok(Arc::new(Cached::new(Known { sources: Arc::new(sources), store: store.clone() })))
}

fn jwt(oidc: &Oidc) -> Result<Jwt, SourceError> {
    let mut builder =
        Jwt::builder().issuer(&oidc.issuer).audience(&oidc.audience).username_claim(&oidc.username_field);
    if let Some(url) = &oidc.jwks_url {
        builder = builder.jwks_url(url.clone());
    }
    if let Some(pem) = &oidc.public_key_pem {
        builder = builder.pem(pem);
    }
    if let Some(secret) = &oidc.hmac_secret {
        builder = builder.secret(secret.clone());
    }
    builder.build()
}

/// Writes users that another source vouches for into the store, so that records can be told by name.
pub(crate) struct Known {
    sources: Arc<Chain>,
    store: Sqlite,
}

impl Authenticate for Known {
    type Future = BoxFuture<'static, Result<Actor, AuthError>>;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        let (check, store) = (self.sources.authenticate(token), self.store.clone());
        Box::pin(async move {
            let actor = check.await?;
            Ok(actor)
        })
    }
}
