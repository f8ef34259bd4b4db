//! What is published: immutable prices with their provenance, and everything that follows from
//! them at a given moment. `stale` is never stored: it is derived at the instant of serving.

use std::fmt;

use crate::price::{ChangePct, Price};
use crate::source::{PerSource, Source, SourceReason, SourceStatus, names};
use crate::symbol::Symbol;
use crate::time::UnixMillis;

/// How long a confirmation lasts: a price is fresh until this long after `confirmed_at`.
pub const FRESH_FOR_MS: u64 = 5_000;
/// Flags flip on this grid, always towards older, so that 500 prices flip at most 10 times a
/// second and not one by one.
pub const FLIP_GRID_MS: u64 = 100;
/// A `confirmed_at` further ahead of the sender's own clock than this refuses the snapshot.
pub const CONFIRMED_AHEAD_MAX_MS: u64 = 1_000;

/// The order of snapshots: a later epoch wins, then a later seq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Which run of the origin: its start in epoch ms, made to grow from run to run.
    pub epoch: u64,
    /// Which publication of that run.
    pub seq: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

/// One price, with the name of the exchange that said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricePoint {
    /// Of what.
    pub symbol: Symbol,
    /// What one exchange said, digit for digit.
    pub price: Price,
    /// That exchange's rolling 24 h change in per cent.
    pub change_24h: ChangePct,
    /// Who said it.
    pub source: Source,
    /// The exchange's own event time.
    pub as_of: UnixMillis,
    /// The last moment the source proved that this is still its price. Age counts from here.
    pub confirmed_at: UnixMillis,
    /// Both sources are live and disagree by more than 2 %.
    pub uncertain: bool,
}

impl PricePoint {
    /// The instant it stops being fresh.
    #[must_use]
    pub const fn fresh_until(&self) -> UnixMillis {
        self.confirmed_at.plus_ms(FRESH_FOR_MS)
    }

    /// The instant its flag flips: `fresh_until`, floored to the grid.
    #[must_use]
    pub const fn flips_at(&self) -> UnixMillis {
        self.fresh_until().floor_to_ms(FLIP_GRID_MS)
    }

    /// Whether it must be flagged at `now`.
    #[must_use]
    pub fn is_stale(&self, now: UnixMillis) -> bool {
        now >= self.flips_at()
    }
}

/// What is said of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// As of the publication.
    pub status: SourceStatus,
    /// Why, where it is not connected.
    pub reason: Option<SourceReason>,
    /// When it last confirmed anything; `None` if never.
    pub last_update: Option<UnixMillis>,
}

impl SourceReport {
    /// The instant a `connected` turns into `stale` by itself.
    #[must_use]
    pub fn flips_at(&self) -> Option<UnixMillis> {
        self.last_update.map(|at| at.plus_ms(FRESH_FOR_MS).floor_to_ms(FLIP_GRID_MS))
    }

    /// The status as it must be told at `now`.
    #[must_use]
    pub fn status_at(&self, now: UnixMillis) -> SourceStatus {
        match self.status {
            SourceStatus::Connected if self.flips_at().is_none_or(|flip| now >= flip) => {
                SourceStatus::Stale
            }
            status => status,
        }
    }
}

names! {
    /// The state of the feed in one word; the first that applies, in this order.
    Mode {
        /// Every price is stale.
        Frozen = "frozen",
        /// Some price is stale or unavailable.
        Degraded = "degraded",
        /// Some price comes from the fallback.
        Fallback = "fallback",
        /// Every price is fresh and from the primary.
        Live = "live",
    }
}

/// One publication. Immutable; readers share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its place in the order of snapshots.
    pub version: Version,
    /// When data last arrived from any exchange.
    pub data_at: UnixMillis,
    /// In the order of the configuration.
    pub prices: Vec<PricePoint>,
    /// Configured symbols without any price.
    pub unavailable: Vec<Symbol>,
    /// How the sources are doing.
    pub sources: PerSource<SourceReport>,
    /// Hint for clients that do not follow the poll rule.
    pub poll_after_ms: u32,
}

/// A snapshot that cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A stamp lies in the sender's own future.
    #[error("{symbol} was confirmed {ahead_ms} ms after the moment its sender sent it")]
    ConfirmedInFuture {
        /// The price concerned.
        symbol: Symbol,
        /// How far.
        ahead_ms: u64,
    },
}

impl Snapshot {
    /// The moments at which what is derived from this snapshot changes: sorted, each once, and
    /// few, as they lie on a grid.
    fn flips(&self) -> Vec<UnixMillis> {
        let sources = Source::ALL.iter().filter_map(|&s| self.sources.get(s).flips_at());
        let mut flips = Vec::new();
        for flip in self.prices.iter().map(PricePoint::flips_at).chain(sources) {
            let at = flips.partition_point(|&known| known < flip);
            if flips.get(at) != Some(&flip) {
                flips.insert(at, flip);
            }
        }
        flips
    }

    /// k: how many flips have passed at `now`. Part of the ETag, so that a flipped flag is a
    /// new representation.
    #[must_use]
    pub fn flips_passed(&self, now: UnixMillis) -> usize {
        self.flips().partition_point(|&flip| flip <= now)
    }

    /// The next instant after `now` at which a body rendered at `now` stops being true.
    #[must_use]
    pub fn next_flip(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.flips().into_iter().find(|&flip| flip > now)
    }

    /// Whether any listed price is stale at `now`.
    #[must_use]
    pub fn any_stale(&self, now: UnixMillis) -> bool {
        self.prices.iter().any(|p| p.is_stale(now))
    }

    /// Whether any listed price is fresh at `now`.
    #[must_use]
    pub fn any_fresh(&self, now: UnixMillis) -> bool {
        self.prices.iter().any(|p| !p.is_stale(now))
    }

    /// The earliest `fresh_until`; `None` without prices.
    #[must_use]
    pub fn fresh_until(&self) -> Option<UnixMillis> {
        self.prices.iter().map(PricePoint::fresh_until).min()
    }

    /// The mode at `now`.
    #[must_use]
    pub fn mode(&self, now: UnixMillis) -> Mode {
        if !self.any_fresh(now) {
            Mode::Frozen
        } else if self.any_stale(now) || !self.unavailable.is_empty() {
            Mode::Degraded
        } else if self.prices.iter().any(|p| p.source == Source::Coinbase) {
            Mode::Fallback
        } else {
            Mode::Live
        }
    }

    /// Checks the stamps against the clock of whoever sent it.
    ///
    /// # Errors
    /// [`SnapshotError::ConfirmedInFuture`] when a price claims to be confirmed more than 1 s
    /// after it was sent.
    pub fn check_stamps(&self, sender_now: UnixMillis) -> Result<(), SnapshotError> {
        let limit = sender_now.plus_ms(CONFIRMED_AHEAD_MAX_MS);
        match self.prices.iter().find(|p| p.confirmed_at > limit) {
            Some(point) => Err(SnapshotError::ConfirmedInFuture {
                symbol: point.symbol,
                ahead_ms: point.confirmed_at.ms_since(sender_now),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_706_900_000_000;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis::from_ms(T0 + ms)
    }

    fn point(symbol: &str, source: Source, confirmed_at: UnixMillis) -> PricePoint {
        PricePoint {
            symbol: Symbol::parse(symbol).unwrap(),
            price: Price::parse("1.50").unwrap(),
            change_24h: ChangePct::parse("0.1").unwrap(),
            source,
            as_of: confirmed_at,
            confirmed_at,
            uncertain: false,
        }
    }

    fn snapshot(prices: Vec<PricePoint>) -> Snapshot {
        let report = |ms| SourceReport {
            status: SourceStatus::Connected,
            reason: None,
            last_update: Some(at(ms)),
        };
        Snapshot {
            version: Version { epoch: 7, seq: 1 },
            data_at: at(1_000),
            prices,
            unavailable: vec![],
            sources: PerSource { kraken: report(1_000), coinbase: report(500) },
            poll_after_ms: 2_500,
        }
    }

    #[test]
    fn a_price_is_stale_from_its_floored_five_seconds_on_and_never_later() {
        let point = point("BTC", Source::Kraken, at(1_042));
        assert_eq!(point.fresh_until(), at(6_042));
        assert!(!point.is_stale(at(5_999)));
        assert!(point.is_stale(at(6_000)));
    }

    #[test]
    fn a_snapshot_is_fresh_until_its_first_price_turns_stale() {
        let prices = [3_000, 1_042, 2_000].map(|ms| point("BTC", Source::Kraken, at(ms)));
        assert_eq!(snapshot(prices.to_vec()).fresh_until(), Some(at(6_042)));
        assert_eq!(snapshot(vec![]).fresh_until(), None);
    }

    #[test]
    fn k_counts_each_distinct_flip_once() {
        let s = snapshot(vec![
            point("BTC", Source::Kraken, at(1_042)),
            point("ETH", Source::Kraken, at(1_099)),
            point("SOL", Source::Kraken, at(3_000)),
        ]);
        for (ms, k, next) in [
            (0, 0, Some(5_500)),
            (5_500, 1, Some(6_000)),
            (6_000, 2, Some(8_000)),
            (8_000, 3, None),
        ] {
            assert_eq!(s.flips_passed(at(ms)), k, "k at {ms}");
            assert_eq!(s.next_flip(at(ms)), next.map(at), "next flip after {ms}");
        }
    }

    #[test]
    fn mode_is_the_first_that_applies() {
        let live = snapshot(vec![point("BTC", Source::Kraken, at(1_000))]);
        assert_eq!(live.mode(at(1_000)), Mode::Live);
        assert_eq!(live.mode(at(6_000)), Mode::Frozen);
        let mut mixed = snapshot(vec![
            point("BTC", Source::Kraken, at(1_000)),
            point("ETH", Source::Coinbase, at(3_000)),
        ]);
        assert_eq!(mixed.mode(at(1_000)), Mode::Fallback);
        assert_eq!(mixed.mode(at(6_000)), Mode::Degraded);
        mixed.unavailable.push(Symbol::parse("SOL").unwrap());
        assert_eq!(mixed.mode(at(1_000)), Mode::Degraded);
    }

    #[test]
    fn a_connected_source_turns_stale_five_seconds_after_its_last_word() {
        let s = snapshot(vec![]);
        assert_eq!(s.sources.kraken.status_at(at(5_999)), SourceStatus::Connected);
        assert_eq!(s.sources.kraken.status_at(at(6_000)), SourceStatus::Stale);
        let never = SourceReport { last_update: None, ..s.sources.kraken };
        assert_eq!(never.status_at(at(0)), SourceStatus::Stale);
    }

    #[test]
    fn a_confirmation_up_to_one_second_ahead_of_its_sender_passes_and_beyond_is_refused() {
        let s = snapshot(vec![point("BTC", Source::Kraken, at(2_000))]);
        assert_eq!(s.check_stamps(at(1_000)), Ok(()));
        let error = s.check_stamps(at(999)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "BTC was confirmed 1001 ms after the moment its sender sent it"
        );
    }

    #[test]
    fn a_later_epoch_beats_any_seq() {
        assert!(Version { epoch: 8, seq: 0 } > Version { epoch: 7, seq: 99 });
        assert!(Version { epoch: 7, seq: 2 } > Version { epoch: 7, seq: 1 });
        assert_eq!(Version { epoch: 7, seq: 2 }.to_string(), "7-2");
    }
}
