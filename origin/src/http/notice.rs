//! Tells the log that a limit refuses clients: once in a while, not once per client.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::limits::Limit;

/// Until the same is told again.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Tells of each limit.
#[derive(Debug, Default)]
pub(super) struct Notice {
    told: [Seldom; Limit::ALL.len()],
}

impl Notice {
    /// Logs that `limit` has refused somebody, unless it was told a short while ago.
    pub(super) fn refused(&self, limit: Limit, now: Instant) {
        if !self.is_due(limit, now) {
            return;
        }
        let reason = limit.as_str();
        if limit.is_of_address() {
            info!(reason, "clients are refused by a limit ({reason}); metrics count them");
        } else {
            warn!(
                reason,
                "all places are taken ({reason}), clients are refused; metrics count them"
            );
        }
    }

    /// Logs that for `limit` connections are closed without a word, likewise.
    pub(super) fn closed(&self, limit: Limit, now: Instant) {
        if self.is_due(limit, now) {
            let reason = limit.as_str();
            warn!(
                reason,
                "connections that say nothing are closed for a limit ({reason}); metrics count them"
            );
        }
    }

    fn is_due(&self, limit: Limit, now: Instant) -> bool {
        let of_limit = Limit::ALL.iter().zip(&self.told).find(|(known, _)| **known == limit);
        of_limit.is_some_and(|(_, told)| told.is_due(now))
    }
}

/// What is told once in a while.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it is to be told at `now`; then it is taken as told.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut told_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told_at.is_none_or(|at| now.duration_since(at) >= TOLD_AGAIN_AFTER);
        if is_due {
            *told_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_told_once_a_minute() {
        let (notice, began) = (Notice::default(), Instant::now());
        for (limit, ms, is_told) in [
            (Limit::Connections, 0, true),
            (Limit::Connections, 1, false),
            (Limit::RequestsPerAddress, 1, true),
            (Limit::Connections, 59_999, false),
            (Limit::Connections, 60_000, true),
            (Limit::Connections, 60_001, false),
        ] {
            assert_eq!(
                notice.is_due(limit, began + Duration::from_millis(ms)),
                is_told,
                "{limit:?} at {ms} ms"
            );
        }
    }
}
