//! When a new snapshot is worth publishing.

use crate::aggregate::Aggregator;
use crate::snapshot::{PricePoint, Snapshot, Version};
use crate::source::{PerSource, Source};
use crate::time::UnixMillis;
use crate::transition::Transition;

/// A change of price or state is published at most this often.
const CHANGE_EVERY_MS: u64 = 100;
/// A beat that comes a little early still counts, or a change would wait for the next one.
const BEAT_SLACK_MS: u64 = 10;
/// When only confirmations have moved, at most this often.
const CONFIRMATION_EVERY_MS: u64 = 500;

/// Decides what becomes a publication, and numbers them.
#[derive(Clone, Debug)]
pub struct Publisher {
    epoch: u64,
    last: Option<(UnixMillis, Snapshot)>,
}

impl Publisher {
    /// Publications will carry `epoch`, and seq from 1 on.
    #[must_use]
    pub const fn new(epoch: u64) -> Self {
        Self { epoch, last: None }
    }

    /// Goes on at `now` after `last`, the latest publication of its epoch: no seq comes twice, and
    /// what has not changed since is not news.
    #[must_use]
    pub const fn resume(now: UnixMillis, last: Snapshot) -> Self {
        Self { epoch: last.version.epoch, last: Some((now, last)) }
    }

    /// What publications carry.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The next publication, if one is due at `now`. None without a price:
    /// what was published last stays.
    ///
    /// At most every 100 ms when a price or a state has changed or a price has passed its five
    /// seconds; every 500 ms when only confirmations have moved.
    pub fn publish(
        &mut self,
        now: UnixMillis,
        aggregator: &Aggregator,
    ) -> Option<(Snapshot, Option<Transition>)> {
        let elapsed_ms = self.last.as_ref().map_or(u64::MAX, |(at, _)| now.ms_since(*at));
        if elapsed_ms < CHANGE_EVERY_MS - BEAT_SLACK_MS {
            return None;
        }
        let (prices, unavailable) = aggregator.prices();
        if prices.is_empty() {
            return None;
        }
        let next = Snapshot {
            version: Version {
                epoch: self.epoch,
                seq: self.last.as_ref().map_or(1, |(_, last)| last.version.seq + 1),
            },
            data_at: aggregator
                .data_at()
                .or(prices.iter().map(|p| p.confirmed_at).max())
                .unwrap_or(now),
            prices,
            unavailable,
            sources: PerSource {
                kraken: aggregator.report(Source::Kraken, now),
                coinbase: aggregator.report(Source::Coinbase, now),
            },
            poll_after_ms: aggregator.config().poll_after_ms,
        };
        let last = self.last.as_ref();
        let is_due = last.is_none_or(|(at, last)| {
            differs(last, *at, &next, now)
                || elapsed_ms >= CONFIRMATION_EVERY_MS - BEAT_SLACK_MS
                    && confirmations_moved(last, &next)
        });
        if !is_due {
            return None;
        }
        let mode = next.mode(now);
        let before = last.map(|(at, last)| last.mode(*at));
        let transition =
            (before != Some(mode)).then_some(Transition::Mode { from: before, to: mode });
        self.last = Some((now, next.clone()));
        Some((next, transition))
    }
}

/// Whether a price or a state is another one than was published.
fn differs(last: &Snapshot, last_at: UnixMillis, next: &Snapshot, now: UnixMillis) -> bool {
    let state = |p: &PricePoint, at| {
        (p.symbol, p.price, p.change_24h, p.source, p.uncertain, p.is_stale(at))
    };
    let health = |s: &Snapshot| {
        Source::ALL.map(|source| {
            let report = s.sources.get(source);
            (report.status, report.reason)
        })
    };
    health(last) != health(next)
        || last.unavailable != next.unavailable
        || last.prices.len() != next.prices.len()
        || last.prices.iter().zip(&next.prices).any(|(a, b)| state(a, last_at) != state(b, now))
}

fn confirmations_moved(last: &Snapshot, next: &Snapshot) -> bool {
    last.data_at != next.data_at
        || last.prices.iter().zip(&next.prices).any(|(a, b)| a.confirmed_at != b.confirmed_at)
}
