//! The circuit breaker of the REST poller: stop asking a source that keeps failing.

use crate::time::UnixMillis;

/// Consecutive failures that open it.
const CONSECUTIVE_FAILURES_MAX: u32 = 5;
/// Outcomes remembered for the failure rate.
const WINDOW: u32 = 20;
/// More failures than this among the last [`WINDOW`] open it (more than half).
const WINDOW_FAILURES_MAX: u32 = 10;
/// Pause while open.
const OPEN_FOR_MS: u64 = 30_000;
/// Successful probes that close it again.
const PROBES_TO_CLOSE: u32 = 3;
/// Pause between probes while no source is live: then any price is worth asking for.
const DESPERATE_PROBE_MS: u64 = 2_000;

/// Where the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests flow.
    Closed,
    /// No requests until the pause is over.
    Open {
        /// Since when.
        since: UnixMillis,
    },
    /// Single probes; so many have succeeded.
    HalfOpen {
        /// Successful probes in a row.
        successes: u32,
    },
}

/// Opens after 5 consecutive failures or more than half of the last 20; after 30 s lets probes
/// through; 3 successes close it.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: BreakerState,
    consecutive_failures: u32,
    /// One bit per outcome, the latest lowest; set means failed.
    outcomes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, consecutive_failures: 0, outcomes: 0 }
    }
}

impl Breaker {
    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether it is open or probing: the source is not trusted to answer.
    #[must_use]
    pub const fn is_tripped(&self) -> bool {
        !matches!(self.state, BreakerState::Closed)
    }

    /// Whether a request may leave at `now`. `any_source_live`: whether any price is live from
    /// any source; if not, the pause is 2 s. Letting one through in `Open` starts the probing.
    pub fn allows(&mut self, now: UnixMillis, any_source_live: bool) -> bool {
        if let BreakerState::Open { since } = self.state {
            let pause_ms = if any_source_live { OPEN_FOR_MS } else { DESPERATE_PROBE_MS };
            if now.ms_since(since) < pause_ms {
                return false;
            }
            self.state = BreakerState::HalfOpen { successes: 0 };
        }
        true
    }

    /// Notes a request that was answered usefully.
    pub fn on_success(&mut self) {
        self.consecutive_failures = 0;
        self.remember(false);
        if let BreakerState::HalfOpen { successes } = self.state {
            if successes + 1 >= PROBES_TO_CLOSE {
                *self = Self::default();
            } else {
                self.state = BreakerState::HalfOpen { successes: successes + 1 };
            }
        }
    }

    /// Notes a request that failed at `now`.
    pub fn on_failure(&mut self, now: UnixMillis) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.remember(true);
        let trips = match self.state {
            BreakerState::Closed => {
                self.consecutive_failures >= CONSECUTIVE_FAILURES_MAX
                    || self.outcomes.count_ones() > WINDOW_FAILURES_MAX
            }
            BreakerState::HalfOpen { .. } => true,
            BreakerState::Open { .. } => false,
        };
        if trips {
            self.state = BreakerState::Open { since: now };
        }
    }

    fn remember(&mut self, failed: bool) {
        self.outcomes = ((self.outcomes << 1) | u32::from(failed)) & ((1 << WINDOW) - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis::from_ms(1_000_000 + ms)
    }

    fn tripped() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.on_failure(at(0));
        }
        breaker
    }

    #[test]
    fn four_failures_in_a_row_leave_it_closed_and_the_fifth_opens_it() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.on_failure(at(0));
        }
        assert!(!breaker.is_tripped());
        breaker.on_failure(at(0));
        assert_eq!(breaker.state(), BreakerState::Open { since: at(0) });
    }

    #[test]
    fn half_of_the_last_twenty_is_bearable_and_one_more_opens_it() {
        let mut breaker = Breaker::default();
        for _ in 0..30 {
            breaker.on_success();
            breaker.on_failure(at(0));
        }
        assert!(!breaker.is_tripped(), "10 of 20");
        breaker.on_failure(at(0));
        assert!(breaker.is_tripped(), "11 of 20");
    }

    #[test]
    fn it_pauses_thirty_seconds_or_two_when_nothing_is_live() {
        for (any_live, pause_ms) in [(true, 30_000), (false, 2_000)] {
            let mut breaker = tripped();
            assert!(!breaker.allows(at(pause_ms - 1), any_live));
            assert!(breaker.allows(at(pause_ms), any_live));
        }
    }

    #[test]
    fn three_good_probes_close_it_and_one_bad_one_opens_it_again() {
        let mut breaker = tripped();
        assert!(breaker.allows(at(30_000), true));
        breaker.on_success();
        breaker.on_success();
        assert_eq!(breaker.state(), BreakerState::HalfOpen { successes: 2 });
        breaker.on_failure(at(30_500));
        assert_eq!(breaker.state(), BreakerState::Open { since: at(30_500) });
        assert!(breaker.allows(at(60_500), true));
        for _ in 0..3 {
            breaker.on_success();
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn once_closed_old_failures_are_forgotten() {
        let mut breaker = tripped();
        assert!(breaker.allows(at(30_000), true));
        for _ in 0..3 {
            breaker.on_success();
        }
        for _ in 0..4 {
            breaker.on_failure(at(31_000));
        }
        assert!(!breaker.is_tripped());
    }
}
