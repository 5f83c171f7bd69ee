use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;

/// How long something that fails is left alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    pause: Duration,
    until: Option<Instant>,
}

impl Backoff {
    /// It has failed. What fails while it is left alone had been under way before, and tells nothing new, unless it was
    /// `claimed`.
    pub(crate) fn fail(&mut self, now: Instant, limits: &Limits, claimed: bool) {
        if !claimed && self.until.is_some_and(|until| now < until) {
            return;
        }
        self.pause = (self.pause * 2).clamp(limits.retry_first, limits.retry_longest.max(limits.retry_first));
        self.until = Some(now + jittered(self.pause));
    }

    /// Whether it has failed and not succeeded since.
    pub(crate) fn is_failing(&self) -> bool {
        self.until.is_some()
    }

    /// Whether to try it again, to be asked by who then does: nobody else is told so until after the pause.
    pub(crate) fn claim(&mut self, now: Instant) -> bool {
        let due = self.until.is_some_and(|until| until <= now);
        if due {
            self.until = Some(now + jittered(self.pause));
        }
        due
    }

    /// Who claimed it has not tried.
    pub(crate) fn release(&mut self, now: Instant) {
        self.until = self.until.map(|until| until.min(now));
    }
}

/// Between three quarters of it and all of it, so that replicas do not come back in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_only_one_asker_is_let_through_after_each() {
        let limits = Limits::default();
        let mut backoff = Backoff::default();
        assert!(!backoff.is_failing() && !backoff.claim(Instant::now()));
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            // By who claimed it, after whom it is left alone; then by who had begun before.
            backoff.fail(Instant::now(), &limits, true);
            backoff.fail(Instant::now(), &limits, false);
            assert!(backoff.is_failing());
            assert!(!backoff.claim(Instant::now() + Duration::from_secs(pause).mul_f64(0.74)));
            tokio::time::advance(Duration::from_secs(pause)).await;
            assert!(backoff.claim(Instant::now()), "after {pause} s");
            assert!(!backoff.claim(Instant::now()), "claimed");
            backoff.release(Instant::now());
            assert!(backoff.claim(Instant::now()), "released");
        }
    }
}
