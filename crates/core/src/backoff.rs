//! How long to wait before trying again, and how often to try at all.

use std::collections::VecDeque;

use crate::time::UnixMillis;

/// First ceiling of the backoff.
const BASE_MS: u64 = 1_000;
/// Highest ceiling of the backoff.
const CAP_MS: u64 = 30_000;

/// Full jitter: a uniform share of `1 s × 2^(attempt − 1)`, at most 30 s. Attempt 0 is at once.
///
/// `jitter` is uniform in `[0, 1)` and comes from the caller; values outside are clamped.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the product lies in 0..=30,000"
)]
pub fn backoff_delay_ms(attempt: u32, jitter: f64) -> u64 {
    let Some(doublings) = attempt.checked_sub(1) else { return 0 };
    let ceiling_ms =
        BASE_MS.saturating_mul(1_u64.checked_shl(doublings).unwrap_or(CAP_MS)).min(CAP_MS);
    (ceiling_ms as f64 * jitter.clamp(0.0, 1.0)) as u64
}

/// At most so many connection attempts in a sliding window, whatever the reason for them.
///
/// Kraken bans an address for 10 minutes after about 150 attempts in 10 minutes
/// (<https://docs.kraken.com/api/docs/guides/spot-ws-intro>, 2026-11); we stay far below.
#[derive(Clone, Debug)]
pub struct ConnectionBudget {
    attempts_max: usize,
    window_ms: u64,
    attempts: VecDeque<UnixMillis>,
}

impl ConnectionBudget {
    /// A budget of `attempts_max` in any `window_ms`.
    #[must_use]
    pub fn new(attempts_max: usize, window_ms: u64) -> Self {
        Self { attempts_max, window_ms, attempts: VecDeque::with_capacity(attempts_max) }
    }

    /// How long to wait at `now` until an attempt is allowed; 0 when it is allowed now.
    #[must_use]
    pub fn wait_ms(&self, now: UnixMillis) -> u64 {
        let over = self.attempts.len().checked_sub(self.attempts_max.max(1));
        match over.and_then(|index| self.attempts.get(index)) {
            Some(oldest) => oldest.plus_ms(self.window_ms).ms_since(now),
            None => 0,
        }
    }

    /// Notes an attempt made at `now`.
    pub fn note_attempt(&mut self, now: UnixMillis) {
        self.attempts.push_back(now);
        while self.attempts.len() > self.attempts_max.max(1) {
            self.attempts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_try_is_at_once_and_the_ceiling_doubles_up_to_thirty_seconds() {
        let almost_one = 0.999_999;
        for (attempt, at_most) in [
            (0, 0),
            (1, 1_000),
            (2, 2_000),
            (5, 16_000),
            (6, 30_000),
            (99, 30_000),
            (u32::MAX, 30_000),
        ] {
            assert_eq!(backoff_delay_ms(attempt, 0.0), 0);
            let delay = backoff_delay_ms(attempt, almost_one);
            assert!(delay <= at_most && at_most - delay <= 1, "attempt {attempt}: {delay}");
        }
        assert_eq!(backoff_delay_ms(3, 0.5), 2_000);
    }

    #[test]
    fn jitter_outside_its_range_does_no_harm() {
        assert_eq!(backoff_delay_ms(1, -1.0), 0);
        assert_eq!(backoff_delay_ms(1, 7.0), 1_000);
        assert_eq!(backoff_delay_ms(1, f64::NAN), 0);
    }

    #[test]
    fn the_budget_holds_in_every_window() {
        let at = UnixMillis::from_ms;
        let mut budget = ConnectionBudget::new(3, 600_000);
        for ms in [0, 10, 20] {
            assert_eq!(budget.wait_ms(at(ms)), 0);
            budget.note_attempt(at(ms));
        }
        assert_eq!(budget.wait_ms(at(30)), 599_970);
        assert_eq!(budget.wait_ms(at(599_999)), 1);
        assert_eq!(budget.wait_ms(at(600_000)), 0);
        budget.note_attempt(at(600_000));
        assert_eq!(budget.wait_ms(at(600_000)), 10);
    }
}
