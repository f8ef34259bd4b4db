//! How much each address may ask: token buckets in a table of fixed size.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use pricecast_core::UnixMillis;

use super::address::AddressKey;

/// What may be saved up: this many seconds' worth of requests at once.
const BURST_S: u64 = 5;
/// Buckets, 8 bytes each. Addresses share them by a hash that nobody outside can foretell: to
/// empty somebody's bucket one has to empty all, and that takes more requests than a machine
/// answers. So no address is ever forgotten, and none makes the table grow.
const BUCKETS: usize = 16 * 1_024;

/// A token bucket per address, kept as the one instant it follows from (GCRA): when the bucket
/// would be full again.
pub(super) struct Buckets<S = RandomState> {
    hasher: S,
    /// µs since the epoch.
    full_at_us: Box<[AtomicU64]>,
    /// What one request takes, in µs of refilling.
    request_us: u64,
}

impl Buckets {
    /// Buckets that refill by `per_s` requests a second; `None` for 0, no limit.
    pub(super) fn new(per_s: u32) -> Option<Self> {
        Self::with_hasher(per_s, RandomState::new())
    }
}

impl<S: BuildHasher> Buckets<S> {
    fn with_hasher(per_s: u32, hasher: S) -> Option<Self> {
        let request_us = 1_000_000_u64.checked_div(per_s.into())?;
        let full_at_us = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Some(Self { hasher, full_at_us, request_us })
    }

    /// Takes a request's worth out of the bucket of `address`; false if there is less in it.
    pub(super) fn take(&self, address: AddressKey, now: UnixMillis) -> bool {
        let now_us = now.as_ms().saturating_mul(1_000);
        let latest_us = now_us.saturating_add(BURST_S * 1_000_000);
        let taken = |full_at_us: u64| {
            let full_at_us = full_at_us.max(now_us).saturating_add(self.request_us);
            (full_at_us <= latest_us).then_some(full_at_us)
        };
        let bucket = self.full_at_us.get(self.index(address));
        bucket.is_none_or(|b| b.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok())
    }

    fn index(&self, address: AddressKey) -> usize {
        let buckets = self.full_at_us.len() as u64;
        usize::try_from(self.hasher.hash_one(address) % buckets).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasherDefault, DefaultHasher};

    use super::*;
    use crate::test_support::at;

    /// Hashes as in no process but always the same, so that the tests do.
    type Buckets = super::Buckets<BuildHasherDefault<DefaultHasher>>;

    const ONE: AddressKey = AddressKey::V4([192, 0, 2, 1]);
    const OTHER: AddressKey = AddressKey::V4([192, 0, 2, 2]);

    fn buckets(per_s: u32) -> Buckets {
        Buckets::with_hasher(per_s, BuildHasherDefault::default()).unwrap()
    }

    fn taken(buckets: &Buckets, address: AddressKey, now_ms: u64, tries: usize) -> usize {
        (0..tries).filter(|_| buckets.take(address, at(now_ms))).count()
    }

    #[test]
    fn five_seconds_worth_at_once_then_the_rate_and_never_more() {
        let buckets = buckets(20);
        assert_eq!(taken(&buckets, ONE, 0, 1_000), 100);
        assert_eq!(taken(&buckets, ONE, 49, 1_000), 0);
        assert_eq!(taken(&buckets, ONE, 50, 1_000), 1);
        assert_eq!(taken(&buckets, ONE, 1_050, 1_000), 20);
        assert_eq!(taken(&buckets, OTHER, 1_050, 1_000), 100, "the other has its own");
        assert_eq!(taken(&buckets, ONE, 6_050, 1_000), 100, "full again, and not fuller");
        assert_eq!(taken(&buckets, ONE, 3_600_000, 1_000), 100);
    }

    #[test]
    fn whoever_stays_within_the_rate_is_never_refused() {
        let buckets = buckets(20);
        assert!((0..100_000).all(|i| buckets.take(ONE, at(i * 50))));
    }

    #[test]
    fn zero_is_no_limit_and_the_highest_rate_has_its_buckets_too() {
        assert!(super::Buckets::new(0).is_none());
        assert_eq!(taken(&buckets(10_000), ONE, 0, 60_000), 50_000);
    }

    #[test]
    fn an_attacker_with_a_whole_48_takes_no_memory_and_nobody_elses_place() {
        let buckets = buckets(20);
        for second in 0..5 {
            for network in 0..=u16::MAX {
                let attacker = AddressKey::V6([0x2001, 0xdb8, 1, network]);
                buckets.take(attacker, at(second * 1_000));
            }
        }
        assert_eq!(buckets.full_at_us.len(), BUCKETS);
        let innocent = (0..=255).map(|i| AddressKey::V4([198, 51, 100, i]));
        for address in innocent {
            assert!(buckets.take(address, at(5_000)), "{address:?}");
        }
    }

    #[test]
    fn addresses_are_spread_over_the_table() {
        let buckets = buckets(20);
        let used: HashSet<_> = (0..=u16::MAX)
            .map(|network| buckets.index(AddressKey::V6([0x2001, 0xdb8, 1, network])))
            .collect();
        assert!(used.len() > BUCKETS * 9 / 10, "{}", used.len());
    }
}
