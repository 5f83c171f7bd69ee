//! The life of one circuit that has failed.

use std::time::Duration;

use tokio::time::Instant;

use super::Policy;

/// What is known of one instance, endpoint and model that has failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Circuit {
    /// Requests pass; so many failed in a row.
    Closed { failures: u32, since: Instant },
    /// Requests are refused.
    Open { until: Instant },
    /// A few requests pass.
    HalfOpen { generation: u64, asked: u32, passed: u32, since: Instant },
}

/// What a request says about its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Passed,
    /// It does not.
    Failed,
    /// Nothing.
    None,
}

/// What became of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    HalfOpened,
    Closed,
}

/// A request was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// It is one of those that decide whether the circuit closes, in that generation.
    pub(super) probe: Option<u64>,
    pub(super) change: Option<Change>,
}

impl Circuit {
    /// Lets a request through at `now`, or says how long not to.
    pub(super) fn admit(&mut self, policy: &Policy, generation: u64, now: Instant) -> Result<Admitted, Duration> {
        match self {
            Circuit::Closed { .. } => Ok(Admitted { probe: None, change: None }),
            Circuit::Open { until } if now < *until => Err(until.duration_since(now)),
            Circuit::Open { .. } => {
                *self = Circuit::HalfOpen { generation, asked: 1, passed: 0, since: now };
                Ok(Admitted { probe: Some(generation), change: Some(Change::HalfOpened) })
            }
            Circuit::HalfOpen { generation, asked, passed, since } => {
                // No more than it takes to decide.
                if asked.saturating_add(*passed) >= policy.probes.max(1) {
                    return Err(Duration::ZERO);
                }
                *asked += 1;
                *since = now;
                Ok(Admitted { probe: Some(*generation), change: None })
            }
        }
    }

    /// Takes in what a request came to. Of requests that began before the circuit was what it is now, only those count that
    /// it lets through anyway.
    pub(super) fn settle(
        &mut self,
        policy: &Policy,
        probe: Option<u64>,
        verdict: Verdict,
        now: Instant,
    ) -> Option<Change> {
        match self {
            Circuit::Closed { failures, since } => match verdict {
                Verdict::None => None,
                Verdict::Passed => {
                    *failures = 0;
                    None
                }
                Verdict::Failed => {
                    if !policy.interval.is_zero() && now.duration_since(*since) >= policy.interval {
                        (*failures, *since) = (0, now);
                    }
                    *failures += 1;
                    (*failures >= policy.failures).then(|| self.open(policy, now))
                }
            },
            Circuit::Open { .. } => None,
            Circuit::HalfOpen { generation, asked, passed, .. } => {
                if probe != Some(*generation) {
                    return None;
                }
                *asked = asked.saturating_sub(1);
                match verdict {
                    Verdict::None => None,
                    Verdict::Failed => Some(self.open(policy, now)),
                    Verdict::Passed => {
                        *passed += 1;
                        if *passed < policy.probes.max(1) {
                            return None;
                        }
                        *self = Circuit::Closed { failures: 0, since: now };
                        Some(Change::Closed)
                    }
                }
            }
        }
    }

    /// Whether there is nothing to know about it.
    pub(super) fn is_sound(&self) -> bool {
        matches!(self, Circuit::Closed { failures: 0, .. })
    }

    /// Whether nobody has asked for so long that it can be forgotten.
    pub(super) fn is_stale(&self, policy: &Policy, now: Instant) -> bool {
        match *self {
            Circuit::Closed { since, .. } => {
                let interval = if policy.interval.is_zero() { policy.open } else { policy.interval };
                now.duration_since(since) >= interval
            }
            Circuit::Open { until } => now >= until + policy.open,
            Circuit::HalfOpen { asked, since, .. } => asked == 0 && now.duration_since(since) >= policy.open,
        }
    }

    fn open(&mut self, policy: &Policy, now: Instant) -> Change {
        *self = Circuit::Open { until: now + policy.open };
        Change::Opened
    }
}
