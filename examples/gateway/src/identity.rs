//! Who may use the gateway: its own keys, JSON web tokens, a Coder deployment.

use std::sync::Arc;

use aibridge_providers::provider::Secret;
use aibridge_store::{
    accounts::{Accounts, User, UserStatus},
    sqlite::Sqlite,
};
use aibridge_tower::auth::{
    Actor, AuthError, Authenticate,
    source::{ApiKeys, Cached, Chain, Coder, SourceError},
};
use chrono::Utc;
use futures::future::BoxFuture;

use crate::{config::Authentication, mcp::CoderTokens};

/// The sources of identity, whose answers are kept for a while.
pub(crate) type Identity = Arc<Cached<Chain>>;

/// The sources that are configured. The gateway's own keys always are. `tokens`, if wanted, get those that the Coder
/// deployment accepts.
pub(crate) fn identity(
    authentication: &Authentication,
    store: &Sqlite,
    tokens: Option<&CoderTokens>,
) -> Result<Identity, SourceError> {
    let accounts: Arc<dyn Accounts> = Arc::new(store.clone());
    let mut sources = Chain::new().then(ApiKeys::new(accounts));
    if let Some(oidc) = &authentication.oidc {
        sources = sources.then(Introduced { source: oidc.source()?, store: store.clone(), tokens: None });
    }
    if let Some(url) = &authentication.coder_url {
        let source = Coder::new(url.clone())?;
        sources = sources.then(Introduced { source, store: store.clone(), tokens: tokens.cloned() });
    }
    Ok(Arc::new(Cached::new(sources)))
}

/// Writes users that another source vouches for into the store, so that records can be told by name.
#[derive(Debug)]
struct Introduced<A> {
    source: A,
    store: Sqlite,
    tokens: Option<CoderTokens>,
}

impl<A: Authenticate> Authenticate for Introduced<A> {
    type Future = BoxFuture<'static, Result<Actor, AuthError>>;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        let (check, store) = (self.source.authenticate(token), self.store.clone());
        let noted = self.tokens.clone().zip(Some(token.clone()));
        Box::pin(async move {
            let actor = check.await?;
            if let Some((tokens, token)) = noted {
                tokens.note(actor.id, token);
            }
            introduce(store, &actor);
            Ok(actor)
        })
    }
}

/// In the background: no request waits for a name.
fn introduce(store: Sqlite, actor: &Actor) {
    let text = |key: &str| actor.metadata.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let user = User {
        id: actor.id,
        username: actor.username.to_string(),
        name: text("name"),
        email: text("email"),
        avatar_url: text("avatar_url"),
        status: UserStatus::Active,
        created_at: Utc::now(),
    };
    tokio::spawn(async move {
        if let Err(error) = store.upsert_user(user).await {
            tracing::warn!(%error, "a user could not be written");
        }
    });
}
