//! When to connect again: at once after a single loss, ever more slowly after several, and never
//! more often than the exchange bears.

use pricecast_core::{ConnectionBudget, UnixMillis, backoff_delay_ms, named};

/// Kraken bans an address for 10 minutes after about 150 attempts in 10 minutes
/// (<https://docs.kraken.com/api/docs/guides/spot-ws-intro>, 2026-11).
const ATTEMPTS_MAX: usize = 60;
const WINDOW_MS: u64 = 600_000;
/// A connection that served this long ends the backoff.
const HEALTHY_MS: u64 = 60_000;
/// "After maintenance … no more quickly than once every 5 seconds", same page.
const MAINTENANCE_MS: u64 = 5_000;
/// A refused upgrade (429, 403) is taken for a ban: the first wait, doubled each further time.
const BAN_MS: u64 = 60_000;
const BAN_MS_MAX: u64 = 600_000;

/// How a connection, or the attempt to make one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was up and is gone.
    Lost {
        /// When the first subscription was answered, if any was.
        answered_at: Option<UnixMillis>,
        /// Whether the engine traded; `None` if the connection never said.
        was_trading: Option<bool>,
    },
    /// It could not be made.
    Failed,
    /// The exchange refuses us: 429 or 403 to the upgrade.
    Banned {
        /// Its `Retry-After`, if it gave one.
        retry_after_ms: Option<u64>,
    },
}

/// How a connection that the session did not give up ended, or the attempt to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It was not made in time.
    ConnectTimeout,
    /// It could not be made.
    ConnectFailed,
    /// The upgrade was refused as to somebody banned.
    Banned,
    /// The upgrade was refused.
    UpgradeRefused,
    /// The exchange, or the way to it, closed it.
    Closed,
    /// Nothing can be sent.
    SendFailed,
    /// Nothing can be read.
    ReadFailed,
    /// A message is longer than is read.
    MessageTooLong,
    /// The aggregator suspects that it is frozen.
    Frozen,
}

named! {
    Gone {
        ConnectTimeout = "connect_timeout",
        ConnectFailed = "connect_failed",
        Banned = "banned",
        UpgradeRefused = "upgrade_refused",
        Closed = "closed",
        SendFailed = "send_failed",
        ReadFailed = "read_failed",
        MessageTooLong = "message_too_long",
        Frozen = "frozen",
    }
}

/// Backoff, ban and budget in one place. Pure: the caller brings time and jitter.
#[derive(Debug)]
pub struct Reconnect {
    attempt: u32,
    bans: u32,
    /// The engine said that it does not trade, and has not said otherwise since.
    is_in_maintenance: bool,
    budget: ConnectionBudget,
    /// What was last decided, so that it outlives whoever was waiting for it.
    not_before: UnixMillis,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            attempt: 0,
            bans: 0,
            is_in_maintenance: false,
            budget: ConnectionBudget::new(ATTEMPTS_MAX, WINDOW_MS),
            not_before: UnixMillis::default(),
        }
    }
}

impl Reconnect {
    /// How many attempts in a row have led to nothing lasting.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Notes an attempt made at `now`.
    pub fn note_attempt(&mut self, now: UnixMillis) {
        self.budget.note_attempt(now);
    }

    /// When an attempt that is not made yet at `now` may be made.
    #[must_use]
    pub fn may_attempt_at(&self, now: UnixMillis) -> UnixMillis {
        self.not_before.max(now.plus_ms(self.budget.wait_ms(now)))
    }

    /// When to try again after `ended` at `now`. `jitter` is uniform in `[0, 1)`.
    pub fn next_attempt_at(&mut self, now: UnixMillis, ended: Ended, jitter: f64) -> UnixMillis {
        let delay_ms = match ended {
            Ended::Lost { answered_at, was_trading } => {
                self.bans = 0;
                if answered_at.is_some_and(|at| now.ms_since(at) >= HEALTHY_MS) {
                    self.attempt = 0;
                }
                self.is_in_maintenance = !was_trading.unwrap_or(!self.is_in_maintenance);
                self.backoff_ms(jitter)
            }
            Ended::Failed => self.backoff_ms(jitter),
            Ended::Banned { retry_after_ms } => self.ban_ms(retry_after_ms, jitter),
        };
        self.not_before = now.plus_ms(delay_ms);
        self.may_attempt_at(now)
    }

    fn backoff_ms(&mut self, jitter: f64) -> u64 {
        let delay_ms = backoff_delay_ms(self.attempt, jitter);
        self.attempt = self.attempt.saturating_add(1);
        if self.is_in_maintenance { delay_ms.max(MAINTENANCE_MS) } else { delay_ms }
    }

    /// What was asked for, or what a ban is likely to last; and a little more, so that several
    /// of us do not come back in the same second.
    fn ban_ms(&mut self, retry_after_ms: Option<u64>, jitter: f64) -> u64 {
        let doubled_ms = BAN_MS.checked_shl(self.bans).unwrap_or(BAN_MS_MAX);
        self.bans = self.bans.saturating_add(1).min(8);
        let wait_ms = retry_after_ms.unwrap_or(doubled_ms).clamp(1_000, BAN_MS_MAX);
        wait_ms.saturating_add(backoff_delay_ms(1, jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALMOST_ONE: f64 = 0.999_999;
    const LOST: Ended = Ended::Lost { answered_at: None, was_trading: Some(true) };

    fn at(ms: u64) -> UnixMillis {
        UnixMillis::from_ms(1_000_000 + ms)
    }

    #[test]
    fn the_first_loss_reconnects_at_once_and_further_ones_wait_up_to_thirty_seconds() {
        let mut reconnect = Reconnect::default();
        let waits: Vec<u64> = (0..8)
            .map(|_| reconnect.next_attempt_at(at(0), LOST, ALMOST_ONE).ms_since(at(0)))
            .collect();
        assert_eq!(waits, [0, 999, 1_999, 3_999, 7_999, 15_999, 29_999, 29_999]);
    }

    #[test]
    fn only_sixty_healthy_seconds_end_the_backoff() {
        for (healthy_ms, wait_ms) in [(59_999, 1_999), (60_000, 0)] {
            let mut reconnect = Reconnect::default();
            for _ in 0..2 {
                let _ = reconnect.next_attempt_at(at(0), LOST, ALMOST_ONE);
            }
            let ended = Ended::Lost { answered_at: Some(at(0)), was_trading: Some(true) };
            let now = at(healthy_ms);
            assert_eq!(reconnect.next_attempt_at(now, ended, ALMOST_ONE).ms_since(now), wait_ms);
        }
    }

    #[test]
    fn out_of_maintenance_it_never_comes_back_within_five_seconds() {
        let mut reconnect = Reconnect::default();
        let lost = |was_trading| Ended::Lost { answered_at: Some(at(0)), was_trading };
        for ended in [lost(Some(false)), Ended::Failed, lost(None)] {
            assert_eq!(reconnect.next_attempt_at(at(100), ended, 0.0), at(5_100), "{ended:?}");
        }
        assert_eq!(reconnect.next_attempt_at(at(100), lost(Some(true)), 0.0), at(100));
    }

    #[test]
    fn a_ban_waits_long_and_longer_or_as_long_as_was_asked() {
        let mut reconnect = Reconnect::default();
        let banned = |retry_after_ms| Ended::Banned { retry_after_ms };
        let waits: Vec<u64> = (0..6)
            .map(|_| reconnect.next_attempt_at(at(0), banned(None), 0.0).ms_since(at(0)) / 1_000)
            .collect();
        assert_eq!(waits, [60, 120, 240, 480, 600, 600]);
        for (asked_ms, wait_ms) in [(90_000, 90_000), (0, 1_000), (u64::MAX, 600_000)] {
            let next = reconnect.next_attempt_at(at(0), banned(Some(asked_ms)), 0.0);
            assert_eq!(next.ms_since(at(0)), wait_ms);
        }
    }

    #[test]
    fn whoever_takes_over_waits_as_long_as_the_one_before_had_to() {
        let mut reconnect = Reconnect::default();
        assert_eq!(reconnect.may_attempt_at(at(0)), at(0));
        let banned = Ended::Banned { retry_after_ms: Some(90_000) };
        assert_eq!(reconnect.next_attempt_at(at(0), banned, 0.0), at(90_000));
        assert_eq!(reconnect.may_attempt_at(at(30_000)), at(90_000));
        assert_eq!(reconnect.may_attempt_at(at(95_000)), at(95_000));
        for _ in 0..ATTEMPTS_MAX {
            reconnect.note_attempt(at(95_000));
        }
        assert_eq!(reconnect.may_attempt_at(at(95_001)), at(95_000 + WINDOW_MS));
    }

    #[test]
    fn a_peer_that_drops_us_at_once_sees_at_most_sixty_attempts_in_ten_minutes() {
        let mut reconnect = Reconnect::default();
        let mut now = at(0);
        let mut attempts = Vec::new();
        while now < at(3_600_000) {
            reconnect.note_attempt(now);
            attempts.push(now);
            // No jitter at all: every delay is zero, only the budget holds it back.
            now = reconnect.next_attempt_at(now, LOST, 0.0).plus_ms(1);
        }
        for window in attempts.windows(61) {
            assert!(window[60].ms_since(window[0]) >= 600_000);
        }
        assert!(attempts.len() > 300, "and it never gives up");
    }
}
