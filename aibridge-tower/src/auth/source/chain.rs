use std::{fmt, sync::Arc};

use aibridge_providers::provider::Secret;

use super::SourceFuture;
use crate::auth::{AuthError, Authenticate};

/// Several sources, asked in the order they were added until one decides.
///
/// * An actor, and [`Expired`](AuthError::Expired), [`Revoked`](AuthError::Revoked) or
///   [`Inactive`](AuthError::Inactive), decide: that source knows the token.
/// * [`Malformed`](AuthError::Malformed) and [`Unknown`](AuthError::Unknown) leave it to the next source.
/// * [`Unavailable`](AuthError::Unavailable) does too, and is the answer if none decides: the source that was down
///   might have known the token, and a refusal that is not true makes agents throw their token away.
///
/// A token that every source finds malformed is malformed; an empty chain finds every token so.
#[derive(Clone, Default)]
pub struct Chain {
    sources: Vec<Arc<dyn Authenticate<Future = SourceFuture>>>,
}

impl Chain {
    /// A chain without sources.
    pub fn new() -> Chain {
        Chain::default()
    }

    /// Adds a source, to be asked after those already there. Put those that ask nobody first.
    #[must_use]
    pub fn then(mut self, source: impl Authenticate) -> Chain {
        self.sources.push(Arc::new(Boxed(source)));
        self
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("sources", &self.sources.len()).finish()
    }
}

impl Authenticate for Chain {
    type Future = SourceFuture;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        let sources = self.sources.clone();
        let token = token.clone();
        Box::pin(async move {
            let mut refusal = AuthError::Malformed;
            for source in sources {
                match source.authenticate(&token).await {
                    Err(AuthError::Malformed | AuthError::Missing) => {}
                    Err(error @ (AuthError::Unknown | AuthError::Unavailable(_))) => {
                        // The first one that was down is remembered, whatever those after it say.
                        if !matches!(refusal, AuthError::Unavailable(_)) {
                            refusal = error;
                        }
                    }
                    decided => return decided,
                }
            }
            Err(refusal)
        })
    }
}

/// Gives every source the same future, which a list needs.
struct Boxed<A>(A);

impl<A: Authenticate> Authenticate for Boxed<A> {
    type Future = SourceFuture;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        Box::pin(self.0.authenticate(token))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Ready, ready},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use AuthError::{Expired, Inactive, Malformed, Missing, Revoked, Unknown};
    use uuid::Uuid;

    use super::*;
    use crate::auth::Actor;

    struct Says(Result<Actor, AuthError>, Arc<AtomicUsize>);

    impl Authenticate for Says {
        type Future = Ready<Result<Actor, AuthError>>;

        fn authenticate(&self, _: &Secret) -> Self::Future {
            self.1.fetch_add(1, Ordering::Relaxed);
            ready(self.0.clone())
        }
    }

    fn down(why: &str) -> AuthError {
        AuthError::Unavailable(why.into())
    }

    fn ada() -> Actor {
        Actor::new(Uuid::from_u128(1), "ada")
    }

    /// The chain's answer, and how many of the sources were asked.
    async fn ask(says: impl IntoIterator<Item = Result<Actor, AuthError>>) -> (Result<Actor, AuthError>, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let chain = says.into_iter().fold(Chain::new(), |chain, say| chain.then(Says(say, Arc::clone(&asked))));
        (chain.authenticate(&Secret::new("token")).await, asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn the_first_that_accepts_decides() {
        let bob = Actor::new(Uuid::from_u128(2), "bob");
        assert_eq!(ask([Err(Malformed), Err(Unknown), Ok(ada()), Ok(bob)]).await, (Ok(ada()), 3));
    }

    #[tokio::test]
    async fn who_knows_the_token_decides() {
        for refusal in [Expired, Revoked, Inactive] {
            assert_eq!(ask([Err(Unknown), Err(refusal.clone()), Ok(ada())]).await, (Err(refusal.clone()), 2));
            assert_eq!(ask([Err(down("a")), Err(refusal.clone()), Ok(ada())]).await, (Err(refusal), 2));
        }
    }

    #[tokio::test]
    async fn a_source_that_is_down_is_skipped_but_not_forgotten() {
        assert_eq!(ask([Err(down("a")), Ok(ada())]).await, (Ok(ada()), 2));
        assert_eq!(ask([Err(down("a")), Err(Unknown), Err(Malformed)]).await, (Err(down("a")), 3));
        assert_eq!(ask([Err(Unknown), Err(down("a")), Err(down("b"))]).await, (Err(down("a")), 3));
    }

    #[tokio::test]
    async fn a_token_nobody_knows_is_unknown_if_anybody_knows_its_form() {
        assert_eq!(ask([Err(Malformed), Err(Unknown), Err(Malformed)]).await, (Err(Unknown), 3));
        assert_eq!(ask([Err(Malformed), Err(Missing)]).await, (Err(Malformed), 2));
        assert_eq!(ask([]).await, (Err(Malformed), 0));
    }
}
