use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use aibridge_providers::provider::Secret;
use chrono::Utc;
use futures::{
    FutureExt as _,
    future::{Shared, WeakShared},
};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::auth::{Actor, AuthError, Authenticate};

/// How long an actor may be served.
const ACCEPTED: Duration = Duration::from_secs(60);
/// How long a refusal may be served.
const REFUSED: Duration = Duration::from_secs(5);
/// Answers of each kind that are kept.
const CAPACITY: usize = 10_000;
/// Locks the answers are spread over.
const SHARDS: usize = 16;

type Outcome = Result<Actor, AuthError>;
/// SHA-256 of the whole token: the token itself is never kept.
type Digest = [u8; 32];

/// Remembers a source's answers, and asks it once for look-ups of one token that run at the same time.
///
/// An actor is served for at most 60 s after it was asked for, and never beyond [`Actor::expires_at`]; a refusal for
/// at most 5 s; [`Unavailable`](AuthError::Unavailable) to those who were already waiting and to nobody else. So a
/// revoked token works for a minute at most, and a new one at most 5 s late.
///
/// Up to 10 000 actors and, apart from them, 10 000 refusals are kept, the oldest giving way: a flood of invented
/// tokens costs nobody else a look-up. A look-up ends with the last request that waits for it.
pub struct Cached<A: Authenticate> {
    source: A,
    shards: Arc<Shards<A::Future>>,
}

impl<A: Authenticate> Cached<A> {
    /// Remembers the answers of `source`.
    pub fn new(source: A) -> Cached<A> {
        Cached { source, shards: Arc::new(Shards::new()) }
    }
}

impl<A: Authenticate + fmt::Debug> fmt::Debug for Cached<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<A: Authenticate> Authenticate for Cached<A> {
    type Future = CachedFuture<A::Future>;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        let digest: Digest = Sha256::digest(token.expose()).into();
        let now = Instant::now();
        let mut shard = self.shards.lock(&digest);
        if let Some(actor) = shard.accepted.get(&digest, now) {
            return CachedFuture(State::Ready { outcome: Some(Ok(actor)) });
        }
        if let Some(refusal) = shard.refused.get(&digest, now) {
            return CachedFuture(State::Ready { outcome: Some(Err(refusal)) });
        }
        if let Some(flight) = shard.flights.get(&digest).and_then(|(_, flight)| flight.upgrade()) {
            return CachedFuture(State::Waiting { flight });
        }
        let id = shard.next_id();
        let shards = Arc::clone(&self.shards);
        // Under the lock, so that nobody asks the same at the same time. Boxed for its size: a request that hits the
        // cache does not carry the source's future around.
        let lookup = Box::pin(self.source.authenticate(token));
        let flight = Flight { lookup, shards, digest, id, since: now }.shared();
        if let Some(weak) = flight.downgrade() {
            shard.flights.insert(digest, (id, weak));
        }
        CachedFuture(State::Waiting { flight })
    }
}

/// The future of [`Cached`].
#[must_use = "futures do nothing unless polled"]
pub struct CachedFuture<F: Future<Output = Outcome>>(State<F>);

enum State<F: Future<Output = Outcome>> {
    Ready { outcome: Option<Outcome> },
    Waiting { flight: Shared<Flight<F>> },
}

impl<F: Future<Output = Outcome>> fmt::Debug for CachedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFuture").finish_non_exhaustive()
    }
}

impl<F: Future<Output = Outcome>> Future for CachedFuture<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.get_mut().0 {
            State::Ready { outcome } => Poll::Ready(outcome.take().expect("not polled again after completion")),
            State::Waiting { flight } => flight.poll_unpin(cx),
        }
    }
}

/// A look-up that is under way, shared by all who wait for it.
struct Flight<F: Future<Output = Outcome>> {
    lookup: Pin<Box<F>>,
    shards: Arc<Shards<F>>,
    digest: Digest,
    id: u64,
    since: Instant,
}

impl<F: Future<Output = Outcome>> Future for Flight<F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let outcome = ready!(self.lookup.as_mut().poll(cx));
        let mut shard = self.shards.lock(&self.digest);
        // Counted from the question: the answer may be as old as that.
        match &outcome {
            Ok(actor) => {
                let mut until = self.since + ACCEPTED;
                if let Some(at) = actor.expires_at {
                    let left = (at - Utc::now()).to_std().unwrap_or_default();
                    until = until.min(Instant::now() + left.min(ACCEPTED));
                }
                shard.accepted.put(self.digest, self.id, actor.clone(), until);
            }
            Err(AuthError::Unavailable(_)) => {}
            Err(refusal) => shard.refused.put(self.digest, self.id, refusal.clone(), self.since + REFUSED),
        }
        Poll::Ready(outcome)
    }
}

impl<F: Future<Output = Outcome>> Drop for Flight<F> {
    fn drop(&mut self) {
        self.shards.lock(&self.digest).forget(&self.digest, self.id);
    }
}

struct Shards<F: Future<Output = Outcome>>([Mutex<Shard<F>>; SHARDS]);

impl<F: Future<Output = Outcome>> Shards<F> {
    fn new() -> Self {
        Shards(std::array::from_fn(|_| Mutex::new(Shard::new())))
    }

    /// No future may be dropped while the guard is held: a [`Flight`] takes the lock when it goes.
    fn lock(&self, digest: &Digest) -> MutexGuard<'_, Shard<F>> {
        // Nothing is left half done where a panic could strike.
        self.0[usize::from(digest[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Shard<F: Future<Output = Outcome>> {
    accepted: Answers<Actor>,
    refused: Answers<AuthError>,
    flights: HashMap<Digest, (u64, WeakShared<Flight<F>>)>,
    flown: u64,
}

impl<F: Future<Output = Outcome>> Shard<F> {
    fn new() -> Self {
        Shard { accepted: Answers::new(), refused: Answers::new(), flights: HashMap::new(), flown: 0 }
    }

    fn next_id(&mut self) -> u64 {
        self.flown += 1;
        self.flown
    }

    /// Removes that flight, but not one that has since taken its place.
    fn forget(&mut self, digest: &Digest, id: u64) {
        if self.flights.get(digest).is_some_and(|(flying, _)| *flying == id) {
            self.flights.remove(digest);
        }
    }
}

/// Answers of one kind, within their capacity.
struct Answers<T> {
    by_token: HashMap<Digest, Answer<T>>,
    /// In the order they came, which is about the order they expire in. May name answers that are gone.
    oldest_first: VecDeque<(Digest, u64)>,
}

struct Answer<T> {
    id: u64,
    value: T,
    until: Instant,
}

impl<T: Clone> Answers<T> {
    fn new() -> Self {
        Answers { by_token: HashMap::new(), oldest_first: VecDeque::new() }
    }

    fn get(&self, digest: &Digest, now: Instant) -> Option<T> {
        self.by_token.get(digest).filter(|answer| now < answer.until).map(|answer| answer.value.clone())
    }

    fn put(&mut self, digest: Digest, id: u64, value: T, until: Instant) {
        let now = Instant::now();
        while let Some((oldest, id)) = self.oldest_first.front() {
            let current = self.by_token.get(oldest).filter(|answer| answer.id == *id);
            let keep = current.is_some_and(|answer| now < answer.until);
            if keep && self.oldest_first.len() < CAPACITY / SHARDS {
                break;
            }
            if current.is_some() {
                self.by_token.remove(oldest);
            }
            self.oldest_first.pop_front();
        }
        self.oldest_first.push_back((digest, id));
        self.by_token.insert(digest, Answer { id, value, until });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::TimeDelta;
    use futures::future::{BoxFuture, join_all};
    use tokio::{sync::Semaphore, time::advance};
    use tokio_test::{assert_pending, assert_ready_eq, task};
    use uuid::Uuid;

    use super::*;

    /// Answers by the token's first letter once the gate is open, and counts.
    struct Source {
        asked: AtomicUsize,
        gate: Semaphore,
    }

    impl Authenticate for Arc<Source> {
        type Future = BoxFuture<'static, Outcome>;

        fn authenticate(&self, token: &Secret) -> Self::Future {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let outcome = match &token.expose()[..1] {
                "a" => Ok(ada()),
                "d" => Err(AuthError::Unavailable("down".into())),
                "s" => Ok(ada().expires_at(Utc::now() + TimeDelta::seconds(10))),
                "e" => Ok(ada().expires_at(Utc::now() - TimeDelta::seconds(10))),
                _ => Err(AuthError::Unknown),
            };
            let this = Arc::clone(self);
            Box::pin(async move {
                let _open = this.gate.acquire().await;
                outcome
            })
        }
    }

    fn ada() -> Actor {
        Actor::new(Uuid::from_u128(1), "ada")
    }

    fn shut() -> (Cached<Arc<Source>>, Arc<Source>) {
        let source = Arc::new(Source { asked: AtomicUsize::new(0), gate: Semaphore::new(0) });
        (Cached::new(Arc::clone(&source)), source)
    }

    fn open() -> (Cached<Arc<Source>>, Arc<Source>) {
        let (cached, source) = shut();
        source.gate.close();
        (cached, source)
    }

    impl Source {
        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    impl Cached<Arc<Source>> {
        async fn ask(&self, token: &str) -> Outcome {
            self.authenticate(&Secret::new(token)).await
        }

        /// Actors, refusals and look-ups that are kept.
        fn kept(&self) -> (usize, usize, usize) {
            self.shards.0.iter().fold((0, 0, 0), |(accepted, refused, flights), shard| {
                let shard = shard.lock().unwrap();
                assert!(shard.accepted.by_token.len() <= shard.accepted.oldest_first.len());
                assert!(shard.refused.by_token.len() <= shard.refused.oldest_first.len());
                (
                    accepted + shard.accepted.oldest_first.len(),
                    refused + shard.refused.oldest_first.len(),
                    flights + shard.flights.len(),
                )
            })
        }
    }

    #[tokio::test]
    async fn concurrent_look_ups_of_a_token_are_one() {
        let (cached, source) = shut();
        let cached = Arc::new(cached);
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let cached = Arc::clone(&cached);
                tokio::spawn(async move { cached.ask("ada").await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(cached.kept(), (0, 0, 1));
        source.gate.close();
        for outcome in join_all(waiting).await {
            assert_eq!(outcome.unwrap(), Ok(ada()));
        }
        assert_eq!((source.asked(), cached.kept()), (1, (1, 0, 0)));
    }

    #[tokio::test]
    async fn different_tokens_are_different_look_ups() {
        let (cached, source) = open();
        assert_eq!(cached.ask("ada").await, Ok(ada()));
        assert_eq!(cached.ask("adb").await, Ok(ada()));
        assert_eq!(cached.ask("x").await, Err(AuthError::Unknown));
        assert_eq!(source.asked(), 3);
    }

    #[tokio::test]
    async fn a_hit_is_ready_at_once() {
        let (cached, _) = open();
        cached.ask("ada").await.unwrap();
        let mut hit = task::spawn(cached.authenticate(&Secret::new("ada")));
        assert_ready_eq!(hit.poll(), Ok(ada()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_actor_is_served_for_a_minute() {
        let (cached, source) = open();
        cached.ask("ada").await.unwrap();
        advance(ACCEPTED - Duration::from_millis(1)).await;
        cached.ask("ada").await.unwrap();
        assert_eq!(source.asked(), 1);
        advance(Duration::from_millis(1)).await;
        cached.ask("ada").await.unwrap();
        assert_eq!(source.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_served_for_five_seconds() {
        let (cached, source) = open();
        cached.ask("x").await.unwrap_err();
        advance(REFUSED - Duration::from_millis(1)).await;
        assert_eq!(cached.ask("x").await, Err(AuthError::Unknown));
        assert_eq!(source.asked(), 1);
        advance(Duration::from_millis(1)).await;
        cached.ask("x").await.unwrap_err();
        assert_eq!(source.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_of_an_answer_counts_from_the_question() {
        let (cached, source) = shut();
        let mut first = task::spawn(cached.authenticate(&Secret::new("ada")));
        assert_pending!(first.poll());
        advance(Duration::from_secs(40)).await;
        source.gate.close();
        first.await.unwrap();
        advance(Duration::from_secs(19)).await;
        cached.ask("ada").await.unwrap();
        assert_eq!(source.asked(), 1);
        advance(Duration::from_secs(1)).await;
        cached.ask("ada").await.unwrap();
        assert_eq!(source.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_outlives_its_token() {
        let (cached, source) = open();
        cached.ask("short").await.unwrap();
        advance(Duration::from_secs(8)).await;
        cached.ask("short").await.unwrap();
        assert_eq!(source.asked(), 1);
        advance(Duration::from_secs(2)).await;
        cached.ask("short").await.unwrap();
        assert_eq!(source.asked(), 2);

        // Within a source's leeway: accepted, but asked each time.
        cached.ask("expired").await.unwrap();
        cached.ask("expired").await.unwrap();
        assert_eq!(source.asked(), 4);
    }

    #[tokio::test]
    async fn unavailable_is_for_those_who_wait_and_nobody_after() {
        let (cached, source) = shut();
        let token = Secret::new("down");
        let mut waiting = [task::spawn(cached.authenticate(&token)), task::spawn(cached.authenticate(&token))];
        waiting.iter_mut().for_each(|one| assert_pending!(one.poll()));
        source.gate.close();
        let down = || Err(AuthError::Unavailable("down".into()));
        let [first, second] = waiting;
        assert_eq!(first.await, down());
        // The second has not taken its answer yet, which is no reason to give it to a third.
        assert_eq!(cached.kept(), (0, 0, 0));
        assert_eq!(cached.ask("down").await, down());
        assert_eq!(second.await, down());
        assert_eq!(source.asked(), 2);
    }

    #[test]
    fn a_look_up_that_was_given_up_does_not_take_its_successor_along() {
        let (cached, _) = shut();
        let successor = cached.authenticate(&Secret::new("ada"));
        let digest: Digest = Sha256::digest("ada").into();
        cached.shards.lock(&digest).forget(&digest, 0);
        assert_eq!(cached.kept(), (0, 0, 1));
        drop(successor);
        assert_eq!(cached.kept(), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_waiter_that_goes_leaves_the_look_up_to_the_others() {
        let (cached, source) = shut();
        let token = Secret::new("ada");
        let mut first = task::spawn(cached.authenticate(&token));
        assert_pending!(first.poll());
        let mut second = task::spawn(cached.authenticate(&token));
        assert_pending!(second.poll());
        drop(first);
        source.gate.close();
        assert!(second.is_woken());
        assert_ready_eq!(second.poll(), Ok(ada()));
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test]
    async fn a_look_up_nobody_waits_for_is_given_up_and_forgotten() {
        let (cached, source) = shut();
        let mut only = task::spawn(cached.authenticate(&Secret::new("ada")));
        assert_pending!(only.poll());
        drop(only);
        assert_eq!(cached.kept(), (0, 0, 0));
        source.gate.close();
        cached.ask("ada").await.unwrap();
        assert_eq!(source.asked(), 2);
    }

    /// Look-ups that are started, joined, given up and finished on several threads at once.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn racing_look_ups_all_end_and_leave_nothing_behind() {
        #[derive(Clone)]
        struct Slow;

        impl Authenticate for Slow {
            type Future = BoxFuture<'static, Outcome>;

            fn authenticate(&self, _: &Secret) -> Self::Future {
                Box::pin(async {
                    tokio::task::yield_now().await;
                    Err(AuthError::Unavailable("down".into()))
                })
            }
        }

        let cached = Arc::new(Cached::new(Slow));
        let tasks = (0..8).map(|task| {
            let cached = Arc::clone(&cached);
            tokio::spawn(async move {
                for n in 0..2000 {
                    let token = Secret::new(["one", "two"][n % 2]);
                    if (n + task) % 3 == 0 {
                        let mut given_up = task::spawn(cached.authenticate(&token));
                        let _ = given_up.poll();
                    } else {
                        cached.authenticate(&token).await.unwrap_err();
                    }
                }
            })
        });
        for task in join_all(tasks).await {
            task.unwrap();
        }
        assert!(cached.shards.0.iter().all(|shard| shard.lock().unwrap().flights.is_empty()));
    }

    #[tokio::test]
    async fn a_flood_of_tokens_stays_within_bounds_and_costs_no_actor() {
        let (cached, source) = open();
        cached.ask("ada").await.unwrap();
        for n in 0..2 * CAPACITY {
            cached.ask(&format!("x{n}")).await.unwrap_err();
        }
        assert_eq!(cached.kept(), (1, CAPACITY, 0));
        cached.ask("ada").await.unwrap();
        assert_eq!(source.asked(), 2 * CAPACITY + 1);
        for n in 0..2 * CAPACITY {
            cached.ask(&format!("a{n}")).await.unwrap();
        }
        assert_eq!(cached.kept(), (CAPACITY, CAPACITY, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn asking_again_and_again_keeps_one_answer() {
        let (cached, source) = open();
        for _ in 0..100 {
            cached.ask("ada").await.unwrap();
            advance(ACCEPTED).await;
        }
        assert_eq!((source.asked(), cached.kept()), (100, (1, 0, 0)));
    }
}
