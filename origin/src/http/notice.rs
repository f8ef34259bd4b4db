//! Tells the log that a limit refuses clients: once in a while, not once per client.

use std::sync::atomic::{AtomicU64, Ordering};

use pricecast_core::UnixMillis;
use tracing::{info, warn};

use super::limits::Limit;

/// Until the same is told again.
const TOLD_AGAIN_MS: u64 = 60_000;

/// When each limit was last told of, ms since the epoch.
#[derive(Debug, Default)]
pub(super) struct Notice {
    told_at_ms: [AtomicU64; Limit::ALL.len()],
}

impl Notice {
    /// Logs that `limit` has refused somebody, unless it was told a short while ago.
    pub(super) fn refused(&self, limit: Limit, now: UnixMillis) {
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

    fn is_due(&self, limit: Limit, now: UnixMillis) -> bool {
        let of_limit = Limit::ALL.iter().zip(&self.told_at_ms).find(|(known, _)| **known == limit);
        let is_due = |told_at_ms: u64| {
            let is_over = now.as_ms().saturating_sub(told_at_ms) >= TOLD_AGAIN_MS;
            is_over.then_some(now.as_ms())
        };
        of_limit.is_some_and(|(_, told_at_ms)| {
            told_at_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_due).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::at;

    #[test]
    fn each_limit_is_told_once_a_minute() {
        let notice = Notice::default();
        for (limit, ms, is_told) in [
            (Limit::Connections, 0, true),
            (Limit::Connections, 1, false),
            (Limit::RequestsPerAddress, 1, true),
            (Limit::Connections, 59_999, false),
            (Limit::Connections, 60_000, true),
            (Limit::Connections, 60_001, false),
        ] {
            assert_eq!(notice.is_due(limit, at(ms)), is_told, "{limit:?} at {ms} ms");
        }
    }
}
