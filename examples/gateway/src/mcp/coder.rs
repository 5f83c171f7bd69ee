//! The credential of the Coder deployment's own MCP server: the gateway token its user came with.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aibridge_mcp::{BoxFuture, Credentials, CredentialsError, Token};
use aibridge_providers::provider::Secret;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a token is kept after the deployment accepted it last. While its user makes requests it does so every minute,
/// and one request may last long.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// Of how many users tokens are kept. Beyond it the one that was accepted longest ago is forgotten.
const MOST: usize = 10_000;

/// The tokens that the deployment accepted, the latest of each user. In memory only. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct CoderTokens(Arc<Mutex<HashMap<Uuid, (Secret, Instant)>>>);

impl CoderTokens {
    /// The deployment accepted this token, and says whose it is.
    pub(crate) fn note(&self, user: Uuid, token: Secret) {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&user) {
            all.retain(|_, (_, since)| since.elapsed() < KEPT);
            if all.len() >= MOST
                && let Some(oldest) = all.iter().min_by_key(|(_, (_, since))| *since).map(|(user, _)| *user)
            {
                all.remove(&oldest);
            }
        }
        all.insert(user, (token, now));
    }

    fn of(&self, user: Uuid) -> Option<Token> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, since) = all.get(&user)?;
        (since.elapsed() < KEPT).then(|| Token::new(token.expose()))
    }
}

impl Credentials for CoderTokens {
    fn token(&self, actor: Uuid, _: &str) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        let token = self.of(actor);
        Box::pin(async move { Ok(token) })
    }

    /// There is no other unless the user came with another one meanwhile.
    fn refresh(&self, actor: Uuid, _: &str, used: &Token) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        let token = self.of(actor).filter(|token| token.expose() != used.expose());
        Box::pin(async move { Ok(token) })
    }
}

impl fmt::Debug for CoderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoderTokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn token(tokens: &CoderTokens, user: Uuid) -> Option<String> {
        tokens.token(user, "coder").await.expect("an answer").map(|token| token.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_s_latest_token_is_given_for_an_hour() {
        let (tokens, ali, bea) = (CoderTokens::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        tokens.note(ali, Secret::new("one"));
        tokens.note(ali, Secret::new("two"));
        assert_eq!(token(&tokens, ali).await.as_deref(), Some("two"));
        assert_eq!(token(&tokens, bea).await, None);
        let refreshed = async |used| tokens.refresh(ali, "coder", &Token::new(used)).await.expect("an answer");
        assert!(refreshed("two").await.is_none());
        assert_eq!(refreshed("one").await.expect("another").expose(), "two");
        tokio::time::advance(KEPT).await;
        assert_eq!(token(&tokens, ali).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_is_forgotten_for_one_too_many() {
        let tokens = CoderTokens::default();
        for user in 0..=MOST as u128 {
            tokens.note(Uuid::from_u128(user), Secret::new("t"));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(token(&tokens, Uuid::from_u128(0)).await, None);
        assert!(token(&tokens, Uuid::from_u128(1)).await.is_some());
    }
}
