//! The limits the real exchanges impose on one client, when the simulator is told to.
//!
//! Kraken: "~150 connection attempts per rolling 10 minutes per IP", then a ban of 10 minutes
//! (<https://docs.kraken.com/api/docs/guides/spot-ws-intro>, 2026-11). Coinbase: 10 requests per
//! second with a burst of 15 (<https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits.md>,
//! 2026-11).

use crate::http::Response;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

const KRAKEN_ATTEMPTS: usize = 150;
const KRAKEN_WINDOW_MS: i64 = 600_000;
const COINBASE_PER_S: i64 = 10;
const COINBASE_BURST: i64 = 15;

/// Both venues' limits; everything passes while they are off.
#[derive(Debug)]
pub(crate) struct Limits {
    enforced: bool,
    kraken: Mutex<Attempts>,
    coinbase: Mutex<Bucket>,
}

impl Limits {
    pub(crate) fn new(enforced: bool) -> Self {
        Self { enforced, kraken: Mutex::default(), coinbase: Mutex::new(Bucket::full()) }
    }

    /// The refusal of a connection attempt, if it is one too many.
    pub(crate) fn kraken(&self, now_ms: i64) -> Option<Response> {
        let mut attempts = self.kraken.lock().unwrap_or_else(PoisonError::into_inner);
        let banned_ms = if self.enforced { attempts.attempt(now_ms) } else { 0 };
        (banned_ms > 0).then(|| {
            let seconds = banned_ms / 1000 + 1;
            Response::new(429, "text/plain", "error code: 1015")
                .with("retry-after", seconds.to_string())
        })
    }

    /// The refusal of a request, if it is one too many.
    pub(crate) fn coinbase(&self, now_ms: i64) -> Option<Response> {
        let mut bucket = self.coinbase.lock().unwrap_or_else(PoisonError::into_inner);
        (self.enforced && !bucket.take(now_ms))
            .then(|| Response::json(429, r#"{"message":"Public rate limit exceeded"}"#))
    }
}

/// Connection attempts of the last ten minutes, and a ban.
#[derive(Debug, Default)]
struct Attempts {
    times: VecDeque<i64>,
    banned_until_ms: i64,
}

impl Attempts {
    /// How many ms of the ban are left; 0 when the attempt is allowed.
    fn attempt(&mut self, now_ms: i64) -> i64 {
        if now_ms < self.banned_until_ms {
            return self.banned_until_ms - now_ms;
        }
        while self.times.front().is_some_and(|at| now_ms - at >= KRAKEN_WINDOW_MS) {
            self.times.pop_front();
        }
        if self.times.len() >= KRAKEN_ATTEMPTS {
            self.times.clear();
            self.banned_until_ms = now_ms + KRAKEN_WINDOW_MS;
            return KRAKEN_WINDOW_MS;
        }
        self.times.push_back(now_ms);
        0
    }
}

/// A token bucket in thousandths of a request.
#[derive(Debug)]
struct Bucket {
    milli_tokens: i64,
    at_ms: i64,
}

impl Bucket {
    fn full() -> Self {
        Self { milli_tokens: COINBASE_BURST * 1000, at_ms: i64::MIN }
    }

    fn take(&mut self, now_ms: i64) -> bool {
        let gained = now_ms.saturating_sub(self.at_ms).clamp(0, 60_000) * COINBASE_PER_S;
        self.milli_tokens = (self.milli_tokens + gained).min(COINBASE_BURST * 1000);
        self.at_ms = now_ms;
        let allowed = self.milli_tokens >= 1000;
        if allowed {
            self.milli_tokens -= 1000;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_151st_attempt_in_ten_minutes_is_banned_for_ten() {
        let limits = Limits::new(true);
        assert!((0..150).all(|i| limits.kraken(i).is_none()));
        assert_eq!(limits.kraken(150).unwrap().status, 429);
        assert!(limits.kraken(600_149).is_some());
        assert!(limits.kraken(600_150).is_none());
    }

    #[test]
    fn a_burst_of_15_passes_and_then_10_a_second() {
        let limits = Limits::new(true);
        assert!((0..15).all(|_| limits.coinbase(1_000).is_none()));
        assert!(limits.coinbase(1_099).is_some());
        assert!(limits.coinbase(1_199).is_none());
    }

    #[test]
    fn nothing_is_limited_unless_told() {
        let limits = Limits::new(false);
        assert!((0..1_000).all(|_| limits.coinbase(0).is_none() && limits.kraken(0).is_none()));
    }
}
