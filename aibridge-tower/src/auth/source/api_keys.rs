use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use aibridge_providers::provider::Secret;
use aibridge_store::accounts::{Accounts, AccountsFuture, ApiKey, User, UserStatus};
use chrono::Utc;
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::{Actor, AuthError, Authenticate};

/// Characters of a key's id.
const ID: usize = 10;
/// Characters of its secret: 22 of 62 are 131 bits.
const SECRET: usize = 22;

/// API keys of the gateway's own store: `<10 chars>-<22 chars>`, all of `[A-Za-z0-9]`.
///
/// Any other token is [`Malformed`](AuthError::Malformed), so that the next source of a [`Chain`](super::Chain) may
/// take it. The store is asked by id and keeps only the SHA-256 of the secret: a key is too long to be guessed, so a
/// slow hash would buy nothing.
pub struct ApiKeys<A: ?Sized> {
    accounts: Arc<A>,
}

impl<A: Accounts + ?Sized> ApiKeys<A> {
    /// Looks keys up in `accounts`.
    pub fn new(accounts: Arc<A>) -> ApiKeys<A> {
        ApiKeys { accounts }
    }
}

impl<A: ?Sized> Clone for ApiKeys<A> {
    fn clone(&self) -> Self {
        ApiKeys { accounts: Arc::clone(&self.accounts) }
    }
}

impl<A: ?Sized> fmt::Debug for ApiKeys<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").finish_non_exhaustive()
    }
}

impl<A: Accounts + ?Sized> Authenticate for ApiKeys<A> {
    type Future = ApiKeysFuture<A>;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        ApiKeysFuture(split(token.expose()).map(|(id, secret)| Query {
            found: self.accounts.key(id),
            shown: Sha256::digest(secret).into(),
            accounts: Arc::clone(&self.accounts),
        }))
    }
}

/// Id and secret, if the token is an API key by its form.
pub(super) fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('-')?;
    let alphanumeric = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_alphanumeric());
    (alphanumeric(id, ID) && alphanumeric(secret, SECRET)).then_some((id, secret))
}

/// The future of [`ApiKeys`].
#[must_use = "futures do nothing unless polled"]
pub struct ApiKeysFuture<A: ?Sized>(Option<Query<A>>);

struct Query<A: ?Sized> {
    found: AccountsFuture<Option<(ApiKey, User)>>,
    shown: [u8; 32],
    accounts: Arc<A>,
}

impl<A: ?Sized> fmt::Debug for ApiKeysFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeysFuture").finish_non_exhaustive()
    }
}

impl<A: Accounts + ?Sized> Future for ApiKeysFuture<A> {
    type Output = Result<Actor, AuthError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(query) = &mut self.get_mut().0 else { return Poll::Ready(Err(AuthError::Malformed)) };
        let found = ready!(query.found.as_mut().poll(cx));
        Poll::Ready(match found {
            Err(error) => Err(AuthError::Unavailable(error.to_string())),
            Ok(found) => check(found, &query.shown).map(|(key, user)| {
                query.accounts.touch(&key.id);
                actor(&key, &user)
            }),
        })
    }
}

/// Whether the key may be used. The secret comes first: who does not know it learns nothing else about the key, nor,
/// from the time taken, whether there is one of that id.
fn check(found: Option<(ApiKey, User)>, shown: &[u8; 32]) -> Result<(ApiKey, User), AuthError> {
    let stored = found.as_ref().map_or([0; 32], |(key, _)| key.hashed_secret);
    let same = bool::from(stored.ct_eq(shown));
    let (key, user) = found.filter(|_| same).ok_or(AuthError::Unknown)?;
    if key.revoked_at.is_some() {
        return Err(AuthError::Revoked);
    }
    if key.expires_at.is_some_and(|at| at <= Utc::now()) {
        return Err(AuthError::Expired);
    }
    match user.status {
        UserStatus::Active => Ok((key, user)),
        _ => Err(AuthError::Inactive),
    }
}

fn actor(key: &ApiKey, user: &User) -> Actor {
    let mut metadata = Map::new();
    for (name, value) in [("email", &user.email), ("name", &user.name)] {
        if !value.is_empty() {
            metadata.insert(name.into(), value.as_str().into());
        }
    }
    let actor = Actor::new(user.id, &user.username).api_key_id(&key.id).metadata(metadata);
    match key.expires_at {
        Some(at) => actor.expires_at(at),
        None => actor,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aibridge_store::accounts::AccountsError;
    use chrono::TimeDelta;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const TOKEN: &str = "abcdefghij-ABCDEFGHIJKLMNOPQRSTUV";

    struct Book {
        answer: Result<Option<(ApiKey, User)>, AccountsError>,
        asked: Mutex<Vec<String>>,
        touched: Mutex<Vec<String>>,
    }

    impl Accounts for Book {
        fn key(&self, id: &str) -> AccountsFuture<Option<(ApiKey, User)>> {
            self.asked.lock().unwrap().push(id.into());
            let answer = self.answer.clone();
            Box::pin(async move { answer })
        }

        fn touch(&self, id: &str) {
            self.touched.lock().unwrap().push(id.into());
        }
    }

    fn key() -> (ApiKey, User) {
        let user = User {
            id: Uuid::from_u128(7),
            username: "ada".into(),
            name: String::new(),
            email: "ada@example.com".into(),
            avatar_url: String::new(),
            status: UserStatus::Active,
            created_at: Utc::now(),
        };
        let key = ApiKey {
            id: "abcdefghij".into(),
            hashed_secret: Sha256::digest("ABCDEFGHIJKLMNOPQRSTUV").into(),
            user_id: user.id,
            name: String::new(),
            created_at: Utc::now(),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        (key, user)
    }

    async fn ask(answer: Result<Option<(ApiKey, User)>, AccountsError>, token: &str) -> (Outcome, Arc<Book>) {
        let book = Arc::new(Book { answer, asked: Mutex::default(), touched: Mutex::default() });
        (ApiKeys::new(Arc::clone(&book)).authenticate(&Secret::new(token)).await, book)
    }

    type Outcome = Result<Actor, AuthError>;

    #[tokio::test]
    async fn a_good_key_names_its_user_and_is_touched() {
        let (actor, book) = ask(Ok(Some(key())), TOKEN).await;
        let actor = actor.unwrap();
        assert_eq!(actor.id, Uuid::from_u128(7));
        assert_eq!(&*actor.username, "ada");
        assert_eq!(actor.api_key_id.as_deref(), Some("abcdefghij"));
        assert_eq!(json!(*actor.metadata), json!({ "email": "ada@example.com" }));
        assert_eq!(*book.asked.lock().unwrap(), ["abcdefghij"]);
        assert_eq!(*book.touched.lock().unwrap(), ["abcdefghij"]);
    }

    #[tokio::test]
    async fn what_is_not_of_the_form_is_malformed_and_never_looked_up() {
        for token in [
            "",
            "-",
            "abcdefghij",
            "abcdefghij-",
            "abcdefghi-ABCDEFGHIJKLMNOPQRSTUV",
            "abcdefghijk-ABCDEFGHIJKLMNOPQRSTUV",
            "abcdefghij-ABCDEFGHIJKLMNOPQRSTU",
            "abcdefghij-ABCDEFGHIJKLMNOPQRSTUVW",
            "abcdefghij-ABCDEFGHIJKLMNOPQRSTU-",
            "abcdefghi%-ABCDEFGHIJKLMNOPQRSTUV",
            "abcdefghé-ABCDEFGHIJKLMNOPQRSTUV",
            "e30.e30.e30",
        ] {
            let (answer, book) = ask(Ok(Some(key())), token).await;
            assert_eq!(answer, Err(AuthError::Malformed), "{token}");
            assert!(book.asked.lock().unwrap().is_empty(), "{token}");
        }
    }

    #[tokio::test]
    async fn refusals_say_why_and_do_not_touch() {
        let with = |change: fn(&mut (ApiKey, User))| {
            let mut found = key();
            change(&mut found);
            Ok(Some(found))
        };
        let past = || Some(Utc::now() - TimeDelta::seconds(1));
        for (answer, token, expected) in [
            (Ok(None), TOKEN, AuthError::Unknown),
            (Ok(Some(key())), "abcdefghij-ABCDEFGHIJKLMNOPQRSTUv", AuthError::Unknown),
            (with(|(key, _)| key.hashed_secret = [0; 32]), TOKEN, AuthError::Unknown),
            (with(|(key, _)| key.revoked_at = Some(Utc::now())), TOKEN, AuthError::Revoked),
            (with(|(_, user)| user.status = UserStatus::Suspended), TOKEN, AuthError::Inactive),
            (Err(AccountsError("disk".into())), TOKEN, AuthError::Unavailable("the account store failed: disk".into())),
        ] {
            let (answer, book) = ask(answer, token).await;
            assert_eq!(answer, Err(expected));
            assert!(book.touched.lock().unwrap().is_empty());
        }
        let mut expired = key();
        expired.0.expires_at = past();
        assert_eq!(ask(Ok(Some(expired)), TOKEN).await.0, Err(AuthError::Expired));
    }

    #[tokio::test]
    async fn a_wrong_secret_hides_that_the_key_was_revoked() {
        let mut revoked = key();
        revoked.0.revoked_at = Some(Utc::now());
        let (answer, _) = ask(Ok(Some(revoked)), "abcdefghij-0000000000000000000000").await;
        assert_eq!(answer, Err(AuthError::Unknown));
    }

    #[tokio::test]
    async fn the_actor_carries_the_expiry_of_the_key() {
        let mut found = key();
        found.0.expires_at = Some(Utc::now() + TimeDelta::hours(1));
        let expires_at = found.0.expires_at;
        assert_eq!(ask(Ok(Some(found)), TOKEN).await.0.unwrap().expires_at, expires_at);
    }
}
