//! The six promises, checked against what the world knows, not against our own stamps.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use pricecast_core::{PricePoint, Snapshot, Source, UnixMillis, Version};

use super::SYMBOLS;
use super::instance::CLOCK_OFF_MS_MAX;
use super::venue::Path;

/// A price is fresh for this long after the venue has left it.
const FRESH_FOR_MS: u64 = 5_000;
/// An answer may sit in a cache downstream for this long.
pub(crate) const HOLD_MS: u64 = 1_000;
/// A frozen symbol may be further away than this, and as much more as the venues are apart at that
/// moment and were when it froze, for the other venue's own moves are all the feed can see …
const FROZEN_BP: i64 = 25;
/// … only for this long.
const FROZEN_FOR_MS: u64 = 15_000;
/// The edge takes an earlier snapshot only after it had nothing fresh for so long.
const ROLLBACK_AFTER_MS: u64 = 30_000;
/// After the last trouble everything must be fresh again within this: the backoff (30 s), a
/// connection's silence and the edge's refresh.
const RECOVERED_AFTER_MS: u64 = 45_000;

/// Returns what is wrong, unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($told:tt)*) => {
        if !$holds {
            return Err(format!($($told)*));
        }
    };
}
pub(crate) use ensure;

/// Who holds a copy, and never goes back to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Isolate(usize),
    Origin(usize),
}

/// What was seen so far.
pub(crate) struct Checks {
    isolates: usize,
    has_shared: bool,
    shown: Vec<Option<Version>>,
    /// When each place last showed a fresh price.
    fresh_at: Vec<u64>,
    /// How many prices each place has shown at most.
    prices_shown: Vec<usize>,
    frozen: BTreeMap<usize, (u64, Option<u64>)>,
    trouble_until: u64,
    coinbase_answered_at: u64,
    coinbase_answers_since: u64,
    /// Since when the present client of the exchanges has known each symbol's price on Kraken.
    heard_since: Vec<u64>,
    pub(crate) fetches: Vec<u64>,
    /// When a connection to Kraken was tried.
    pub(crate) connected_at: Vec<u64>,
    pub(crate) polls: u64,
    /// Since when an exchange can be reached again, until a price of that time is published.
    back_since: Option<UnixMillis>,
    /// How long that took at most.
    pub(crate) back_ms_max: Option<u64>,
    evictions: u64,
    pub(crate) answers: u64,
    /// All of them: when, where, what, and how it was flagged.
    told: DefaultHasher,
    pub(crate) fresh_prices: u64,
    pub(crate) flagged_prices: u64,
    /// Of them, those that clients of the edge have seen.
    pub(crate) flagged_at_edge: u64,
    pub(crate) fallback_prices: u64,
    /// Longest time, over all prices shown fresh, since the venue had left them.
    pub(crate) oldest_fresh_ms: u64,
    /// What the clocks of two instances may differ by.
    clocks_off_ms: u64,
}

impl Checks {
    pub(crate) fn new(isolates: usize, instances: usize, has_shared: bool) -> Self {
        Self {
            isolates,
            has_shared,
            shown: vec![None; isolates + instances],
            fresh_at: vec![0; isolates + instances],
            prices_shown: vec![0; isolates + instances],
            frozen: BTreeMap::new(),
            trouble_until: 0,
            coinbase_answered_at: 0,
            coinbase_answers_since: 0,
            heard_since: vec![0; SYMBOLS.len()],
            fetches: vec![],
            connected_at: vec![],
            polls: 0,
            back_since: None,
            back_ms_max: None,
            evictions: 0,
            answers: 0,
            told: DefaultHasher::new(),
            fresh_prices: 0,
            flagged_prices: 0,
            flagged_at_edge: 0,
            fallback_prices: 0,
            oldest_fresh_ms: 0,
            clocks_off_ms: if instances > 1 { 2 * CLOCK_OFF_MS_MAX.unsigned_abs() } else { 0 },
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

    /// A number that another timeline's answers would not have.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.told.finish()
    }

    fn index(&self, place: Place) -> usize {
        match place {
            Place::Isolate(index) => index,
            Place::Origin(index) => self.isolates + index,
        }
    }

    /// Promises 1, 2, 4 and 5, and that everything is well again once it may be.
    pub(crate) fn note_answer(
        &mut self,
        (now, place): (u64, Place),
        snapshot: &Snapshot,
        shown_at: UnixMillis,
        venues: (&[Path], &[Path]),
    ) -> Result<(), String> {
        self.answers += 1;
        let (index, version) = (self.index(place), snapshot.version);
        (now, index, version.epoch, version.seq).hash(&mut self.told);
        let shown = self.shown[index].replace(version);
        let stale_for_ms = now - self.fresh_at[index];
        let may_roll_back = matches!(place, Place::Isolate(_)) && stale_for_ms >= ROLLBACK_AFTER_MS;
        ensure!(shown <= Some(version) || may_roll_back, "{place:?} went back to {version}");
        if snapshot.any_fresh(shown_at) {
            self.fresh_at[index] = now;
        }
        let shown = std::mem::replace(&mut self.prices_shown[index], snapshot.prices.len());
        ensure!(shown <= snapshot.prices.len(), "{place:?} lost a price");
        for point in &snapshot.prices {
            let is_stale = point.is_stale(shown_at);
            self.flagged_at_edge += u64::from(is_stale && matches!(place, Place::Isolate(_)));
            self.note_price(now, point, is_stale, venues)
                .map_err(|told| format!("{place:?}: {told}"))?;
        }
        Ok(())
    }

    fn note_price(
        &mut self,
        now: u64,
        point: &PricePoint,
        is_stale: bool,
        (kraken, coinbase): (&[Path], &[Path]),
    ) -> Result<(), String> {
        let (name, source) = (point.symbol.as_str(), point.source);
        let index = SYMBOLS.iter().position(|(s, _)| *s == name).unwrap();
        let (path, other) = match source {
            Source::Kraken => (&kraken[index], &coinbase[index]),
            Source::Coinbase => (&coinbase[index], &kraken[index]),
        };
        let price = hundredths(&point.price.to_string());
        (price, source.as_str(), point.confirmed_at.as_ms(), is_stale).hash(&mut self.told);
        let Some(last_had) = path.last_had(price, now) else {
            return Err(format!("{name} {price} was never {source}'s price"));
        };
        if is_stale {
            self.flagged_prices += 1;
            let calm_ms = now.saturating_sub(self.trouble_until);
            ensure!(calm_ms < RECOVERED_AFTER_MS, "{name} still stale after {calm_ms} ms of calm");
            return Ok(());
        }
        self.fresh_prices += 1;
        self.fallback_prices += u64::from(source == Source::Coinbase);
        let left_ms = (now + HOLD_MS).saturating_sub(last_had);
        if source == Source::Kraken
            && let Some(since) = self.frozen_since(index, now)
        {
            if self.can_compare(index, now) {
                let window = (now.saturating_sub(FROZEN_FOR_MS), now);
                let off_bp = path.closest_bp(price, other, window) - path.apart_bp(other, since);
                ensure!(off_bp <= FROZEN_BP, "frozen {name} shown fresh {off_bp} bp off for 15 s");
            }
        } else if last_had != now {
            self.oldest_fresh_ms = self.oldest_fresh_ms.max(left_ms - HOLD_MS);
            ensure!(
                left_ms <= FRESH_FOR_MS + self.clocks_off_ms,
                "{name} {price} of {source} shown fresh, left {} ms ago",
                left_ms - HOLD_MS
            );
        }
        Ok(())
    }

    /// What a symbol's freeze has made of its copies may live on for a while.
    fn frozen_since(&self, index: usize, now: u64) -> Option<u64> {
        let is_it = |(since, until): &&(u64, Option<u64>)| {
            now >= *since && until.is_none_or(|until| now < until + FRESH_FOR_MS)
        };
        self.frozen.get(&index).filter(is_it).map(|&(since, _)| since)
    }

    /// Promise 4: only where nothing was ever known.
    pub(crate) fn note_unavailable(&self, isolate: usize, has_shared: bool) -> Result<(), String> {
        let was_known = self.prices_shown[isolate] > 0 || has_shared;
        ensure!(!was_known, "isolate {isolate} lost its last known prices");
        Ok(())
    }

    pub(crate) fn note_eviction(&mut self, isolate: usize) {
        self.evictions += 1;
        self.forget(Place::Isolate(isolate));
    }

    /// What was there is gone.
    pub(crate) fn forget(&mut self, place: Place) {
        let index = self.index(place);
        self.prices_shown[index] = 0;
        self.shown[index] = None;
    }

    pub(crate) fn note_market_back(&mut self, at: UnixMillis) {
        self.back_since = Some(at);
    }

    pub(crate) fn note_published(&mut self, now: UnixMillis, snapshot: &Snapshot) {
        let is_newer = |since: &UnixMillis| snapshot.prices.iter().any(|p| p.confirmed_at > *since);
        if let Some(since) = self.back_since.take_if(|since| is_newer(since)) {
            let ms = now.ms_since(since);
            self.back_ms_max = self.back_ms_max.max(Some(ms));
        }
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

    pub(crate) fn note_ingestion(&mut self, now: u64) {
        self.heard_since.fill(now);
    }

    pub(crate) fn note_first_tick(&mut self, now: u64, index: usize) {
        self.heard_since[index] = now;
    }

    /// A frozen symbol can only be found by comparing, and by whoever has heard both: one that starts
    /// during Kraken's maintenance cannot know that what it is told afterwards had frozen before.
    fn can_compare(&self, index: usize, now: u64) -> bool {
        now - self.coinbase_answered_at <= 2_500
            && now - self.coinbase_answers_since.max(self.heard_since[index]) >= FROZEN_FOR_MS
    }

    /// Promise 3 over the whole timeline.
    pub(crate) fn finish(&self, length_ms: u64) -> Result<(), String> {
        let isolates = self.isolates as u64;
        // One a second, one per isolate that starts cold, and a few for flags that flip.
        let allowed = length_ms * 6 / 5 / 1_000 + (isolates + self.evictions) * 3 + 30;
        let fetches = self.fetches.len() as u64;
        // Without a shared cache every isolate is on its own.
        let allowed = if self.has_shared { allowed } else { allowed * isolates };
        ensure!(
            fetches <= allowed,
            "{fetches} fetches from {isolates} isolates, {allowed} allowed"
        );
        Ok(())
    }
}

fn hundredths(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

#[cfg(test)]
mod tests {
    use pricecast_core::{ChangePct, PerSource, Price, SourceReport, SourceStatus, Symbol};

    use super::super::{stamp, venue};
    use super::*;

    /// At `now` an origin that first heard of BTC at `heard_at` shows what Kraken's price was before
    /// it froze, at 0. Both venues have moved on since.
    fn shows_frozen(heard_at: u64, now: u64) -> Result<(), String> {
        let mut checks = Checks::new(0, 1, false);
        checks.note_frozen(0, 0);
        checks.note_first_tick(heard_at, 0);
        (0..=now).step_by(1_000).for_each(|at| checks.note_coinbase_answered(at));
        let (mut kraken, mut coinbase) = (venue::paths(), venue::paths());
        let price = Price::parse(&venue::text(kraken[0].price())).unwrap();
        for path in [&mut kraken[0], &mut coinbase[0]] {
            path.move_to(1_000, path.price() * 10_030 / 10_000);
        }
        let report =
            SourceReport { status: SourceStatus::Connected, reason: None, last_update: None };
        let snapshot = Snapshot {
            version: Version { epoch: 1, seq: 1 },
            data_at: stamp(now),
            prices: vec![PricePoint {
                symbol: Symbol::parse(SYMBOLS[0].0).unwrap(),
                price,
                change_24h: ChangePct::parse("1.0").unwrap(),
                source: Source::Kraken,
                as_of: stamp(now),
                confirmed_at: stamp(now),
                uncertain: false,
            }],
            unavailable: vec![],
            sources: PerSource { kraken: report, coinbase: report },
            poll_after_ms: 2_500,
        };
        checks.note_answer((now, Place::Origin(0)), &snapshot, stamp(now), (&kraken, &coinbase))
    }

    #[test]
    fn a_price_that_froze_before_it_was_first_heard_may_be_shown_for_fifteen_seconds() {
        for (heard_at, now, is_excused) in [
            (5_000, 19_999, true),
            (5_000, 20_000, false),
            (20_000, 34_999, true),
            (20_000, 35_000, false),
        ] {
            let verdict = shows_frozen(heard_at, now);
            assert_eq!(verdict.is_ok(), is_excused, "{heard_at} {now}: {verdict:?}");
        }
    }
}
