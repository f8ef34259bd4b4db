//! The six promises, checked against what the world knows, not against our own stamps.

use std::collections::BTreeMap;

use pricecast_core::{Snapshot, Source, UnixMillis, Version};

use super::SYMBOLS;
use super::venue::Path;

/// A price is fresh for this long after the venue has left it.
const FRESH_FOR_MS: u64 = 5_000;
/// An answer may sit in a cache downstream for this long.
const HOLD_MS: u64 = 1_000;
/// A frozen symbol may be further away than this: 25 bp by the other venue's own movement, which
/// is all the feed can see, and as much again for how far the venues walk apart …
const FROZEN_BP: i64 = 50;
/// … only for this long.
const FROZEN_FOR_MS: u64 = 15_000;
/// After the last trouble everything must be fresh again within this: the backoff (30 s), a
/// connection's silence and the edge's refresh.
const RECOVERED_AFTER_MS: u64 = 45_000;

/// What was seen so far.
pub(crate) struct Checks {
    seed: u64,
    has_shared: bool,
    shown: Vec<Option<Version>>,
    answered_before: Vec<bool>,
    frozen: BTreeMap<usize, (u64, Option<u64>)>,
    trouble_until: u64,
    connections: u64,
    coinbase_answered_at: u64,
    coinbase_answers_since: u64,
    pub(crate) fetches: Vec<u64>,
    evictions: u64,
    pub(crate) answers: u64,
    pub(crate) fresh_prices: u64,
    pub(crate) flagged_prices: u64,
    pub(crate) fallback_prices: u64,
    /// Longest time, over all prices shown fresh, since the venue had left them.
    pub(crate) oldest_fresh_ms: u64,
}

impl Checks {
    pub(crate) fn new(seed: u64, isolates: usize, has_shared: bool) -> Self {
        Self {
            seed,
            has_shared,
            shown: vec![None; isolates],
            answered_before: vec![false; isolates],
            frozen: BTreeMap::new(),
            trouble_until: 0,
            connections: 0,
            coinbase_answered_at: 0,
            coinbase_answers_since: 0,
            fetches: vec![],
            evictions: 0,
            answers: 0,
            fresh_prices: 0,
            flagged_prices: 0,
            fallback_prices: 0,
            oldest_fresh_ms: 0,
        }
    }

    pub(crate) fn note_trouble(&mut self, now: u64, lasts: u64) {
        self.trouble_until = self.trouble_until.max(now + lasts);
    }

    pub(crate) fn note_frozen(&mut self, index: usize, now: u64) {
        self.frozen.insert(index, (now, None));
    }

    pub(crate) fn note_thawed(&mut self, index: usize, now: u64) {
        if let Some((_, until)) = self.frozen.get_mut(&index) {
            *until = Some(now);
        }
    }

    /// Promises 1, 2 and 5, and that everything is well again once it may be.
    pub(crate) fn note_answer(
        &mut self,
        (now, isolate): (u64, usize),
        snapshot: &Snapshot,
        shown_at: UnixMillis,
        (kraken, coinbase): (&[Path], &[Path]),
    ) {
        let seed = self.seed;
        self.answers += 1;
        self.answered_before[isolate] = true;
        let version = snapshot.version;
        assert!(
            self.shown[isolate].is_none_or(|shown| shown <= version),
            "seed {seed}, {now} ms: isolate {isolate} went back to {version}"
        );
        self.shown[isolate] = Some(version);
        assert_eq!(snapshot.prices.len(), SYMBOLS.len(), "seed {seed}, {now} ms: a price is lost");
        for point in &snapshot.prices {
            let name = point.symbol.as_str();
            let index = SYMBOLS.iter().position(|(s, _)| *s == name).unwrap();
            let path = match point.source {
                Source::Kraken => &kraken[index],
                Source::Coinbase => &coinbase[index],
            };
            let price = hundredths(&point.price.to_string());
            let Some(last_had) = path.last_had(price, now) else {
                panic!("seed {seed}, {now} ms: {name} {price} was never {}'s price", point.source)
            };
            if point.is_stale(shown_at) {
                self.flagged_prices += 1;
                let calm_ms = now.saturating_sub(self.trouble_until);
                assert!(
                    calm_ms < RECOVERED_AFTER_MS,
                    "seed {seed}, {now} ms: {name} still stale after {calm_ms} ms of calm"
                );
                continue;
            }
            self.fresh_prices += 1;
            self.fallback_prices += u64::from(point.source == Source::Coinbase);
            let left_ms = (now + HOLD_MS).saturating_sub(last_had);
            let is_current = last_had == now;
            if point.source == Source::Kraken && self.is_frozen(index, now) {
                if !self.can_compare(now) {
                    continue;
                }
                let off_bp = path.closest_bp(price, now.saturating_sub(FROZEN_FOR_MS), now);
                assert!(
                    off_bp <= FROZEN_BP,
                    "seed {seed}, {now} ms: frozen {name} shown fresh {off_bp} bp off for 15 s"
                );
                continue;
            }
            if !is_current {
                self.oldest_fresh_ms = self.oldest_fresh_ms.max(left_ms - HOLD_MS);
                assert!(
                    left_ms <= FRESH_FOR_MS,
                    "seed {seed}, {now} ms: {name} {price} of {} shown fresh, left {} ms ago",
                    point.source,
                    left_ms - HOLD_MS
                );
            }
        }
    }

    /// What a symbol's freeze has made of its copies may live on for a while.
    fn is_frozen(&self, index: usize, now: u64) -> bool {
        self.frozen.get(&index).is_some_and(|(since, until)| {
            now >= *since && until.is_none_or(|until| now < until + FRESH_FOR_MS)
        })
    }

    /// Promise 4: only where nothing was ever known.
    pub(crate) fn note_unavailable(&mut self, now: u64, isolate: usize, has_shared: bool) {
        assert!(
            !self.answered_before[isolate] && !has_shared,
            "seed {}, {now} ms: isolate {isolate} lost its last known prices",
            self.seed
        );
    }

    pub(crate) fn note_eviction(&mut self, isolate: usize) {
        self.evictions += 1;
        self.answered_before[isolate] = false;
        self.shown[isolate] = None;
    }

    pub(crate) fn note_fetch(&mut self, now: u64) {
        self.fetches.push(now);
    }

    pub(crate) fn note_coinbase_answered(&mut self, now: u64) {
        if now - self.coinbase_answered_at > 2_500 {
            self.coinbase_answers_since = now;
        }
        self.coinbase_answered_at = now;
    }

    /// A frozen symbol can only be found by comparing.
    fn can_compare(&self, now: u64) -> bool {
        now - self.coinbase_answered_at <= 2_500
            && now - self.coinbase_answers_since >= FROZEN_FOR_MS
    }

    /// The number of the next connection to Kraken.
    pub(crate) fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Promise 3 over the whole timeline.
    pub(crate) fn finish(&self, length_ms: u64) {
        let seed = self.seed;
        let isolates = self.shown.len() as u64;
        // One a second, one per isolate that starts cold, and a few for flags that flip.
        let allowed = length_ms * 6 / 5 / 1_000 + (isolates + self.evictions) * 3 + 30;
        let fetches = self.fetches.len() as u64;
        assert!(
            fetches <= allowed * self.independent_isolates(),
            "seed {seed}: {fetches} fetches from {isolates} isolates, {allowed} allowed"
        );
    }

    /// Without a shared cache every isolate is on its own.
    fn independent_isolates(&self) -> u64 {
        if self.has_shared { 1 } else { self.shown.len() as u64 }
    }
}

fn hundredths(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}
