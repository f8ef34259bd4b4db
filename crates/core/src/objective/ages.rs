//! The ages of the last hour and the last day, by symbol and by where they were seen.

use std::collections::BTreeMap;

use super::histogram::{AgeHistogram, AgeSummary};
use crate::source::Source;
use crate::symbol::Symbol;
use crate::time::UnixMillis;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// The whole ones of an hour or a day, and the present one.
const MINUTES: usize = 60 + 1;
const HOURS: usize = 24 + 1;

/// Where an age was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenAt {
    /// In what this instance serves.
    Served,
    /// In what one source last proved, served or not.
    Source(Source),
    /// In the answers of the public address, as a client sees them.
    Edge,
}

impl SeenAt {
    /// Every place.
    pub const ALL: [Self; 4] =
        [Self::Served, Self::Source(Source::Kraken), Self::Source(Source::Coinbase), Self::Edge];

    /// Its name in the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Source(source) => source.as_str(),
            Self::Edge => "edge",
        }
    }

    /// The place with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.as_str() == name)
    }
}

/// A histogram for each of the last so many stretches of time.
#[derive(Clone, Debug)]
pub struct AgeRing {
    stretch_ms: u64,
    /// Each at its number modulo their number.
    stretches: Vec<(u64, AgeHistogram)>,
}

impl AgeRing {
    fn new(stretch_ms: u64, len: usize) -> Self {
        Self { stretch_ms, stretches: vec![(0, AgeHistogram::default()); len] }
    }

    fn note(&mut self, now: UnixMillis, age_ms: u64) {
        let number = now.as_ms() / self.stretch_ms;
        if let Some((known, histogram)) = self.place_of(number) {
            if *known != number {
                (*known, *histogram) = (number, AgeHistogram::default());
            }
            histogram.note(age_ms);
        }
    }

    fn place_of(&mut self, number: u64) -> Option<&mut (u64, AgeHistogram)> {
        let len = u64::try_from(self.stretches.len()).ok()?;
        self.stretches.get_mut(usize::try_from(number % len).ok()?)
    }

    /// Every stretch in which something was seen, by its number since the Unix epoch, in no order.
    pub fn stretches(&self) -> impl Iterator<Item = (u64, &AgeHistogram)> {
        let seen = self.stretches.iter().filter(|(_, histogram)| !histogram.is_empty());
        seen.map(|(number, histogram)| (*number, histogram))
    }

    /// Takes a stretch back that was told once.
    pub fn restore(&mut self, number: u64, histogram: AgeHistogram) {
        if let Some(place) = self.place_of(number) {
            *place = (number, histogram);
        }
    }

    /// Of the stretches that are not over for longer than the ring, and none of the future.
    fn summary(&self, now: UnixMillis) -> Option<AgeSummary> {
        let present = now.as_ms() / self.stretch_ms;
        let len = u64::try_from(self.stretches.len()).unwrap_or(u64::MAX);
        let is_recent = |number: u64| number <= present && present - number < len;
        let recent = self.stretches.iter().filter(|(number, _)| is_recent(*number));
        AgeSummary::of(recent.map(|(_, histogram)| histogram))
    }
}

/// Both rings of one series.
#[derive(Clone, Debug)]
pub struct AgeRings {
    /// The present minute and the 60 before it.
    pub minutes: AgeRing,
    /// The present hour and the 24 before it.
    pub hours: AgeRing,
}

impl Default for AgeRings {
    fn default() -> Self {
        Self { minutes: AgeRing::new(MINUTE_MS, MINUTES), hours: AgeRing::new(HOUR_MS, HOURS) }
    }
}

impl AgeRings {
    /// Of the last hour: the present minute and the 60 before it.
    #[must_use]
    pub fn last_hour(&self, now: UnixMillis) -> Option<AgeSummary> {
        self.minutes.summary(now)
    }

    /// Of the last day: the present hour and the 24 before it.
    #[must_use]
    pub fn last_day(&self, now: UnixMillis) -> Option<AgeSummary> {
        self.hours.summary(now)
    }
}

/// All series. One takes 11 kB.
#[derive(Clone, Debug, Default)]
pub struct Ages {
    series: BTreeMap<(Symbol, SeenAt), AgeRings>,
}

impl Ages {
    /// Notes that the price of `symbol` was seen at that age.
    pub fn note(&mut self, now: UnixMillis, symbol: Symbol, seen_at: SeenAt, age_ms: u64) {
        let rings = self.rings_mut(symbol, seen_at);
        rings.minutes.note(now, age_ms);
        rings.hours.note(now, age_ms);
    }

    /// One series, to be restored.
    pub fn rings_mut(&mut self, symbol: Symbol, seen_at: SeenAt) -> &mut AgeRings {
        self.series.entry((symbol, seen_at)).or_default()
    }

    /// One series, if anything was ever seen.
    #[must_use]
    pub fn rings(&self, symbol: Symbol, seen_at: SeenAt) -> Option<&AgeRings> {
        self.series.get(&(symbol, seen_at))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (Symbol, SeenAt, &AgeRings)> {
        self.series.iter().map(|(&(symbol, seen_at), rings)| (symbol, seen_at, rings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{at, symbol};

    const SEEN: SeenAt = SeenAt::Served;

    fn minute(number: u64) -> UnixMillis {
        at(0).floor_to_ms(HOUR_MS).plus_ms(number * MINUTE_MS)
    }

    fn maxima(ages: &Ages, now: UnixMillis) -> [Option<u64>; 2] {
        let rings = ages.rings(symbol("BTC"), SEEN).unwrap();
        [rings.last_hour(now), rings.last_day(now)].map(|told| Some(told?.max_ms))
    }

    #[test]
    fn an_age_counts_for_an_hour_and_for_a_day_and_not_longer() {
        let mut ages = Ages::default();
        ages.note(minute(0), symbol("BTC"), SEEN, 777);
        let of_day = minute(24 * 60);
        for (now, hour, day) in [
            (minute(0), Some(777), Some(777)),
            (minute(60).plus_ms(59_999), Some(777), Some(777)),
            (minute(61), None, Some(777)),
            (of_day.plus_ms(HOUR_MS - 1), None, Some(777)),
            (of_day.plus_ms(HOUR_MS), None, None),
        ] {
            assert_eq!(maxima(&ages, now), [hour, day], "{now}");
        }
    }

    #[test]
    fn a_place_that_is_used_again_forgets_what_it_held() {
        let mut ages = Ages::default();
        ages.note(minute(0), symbol("BTC"), SEEN, 777);
        ages.note(minute(61), symbol("BTC"), SEEN, 33);
        assert_eq!(maxima(&ages, minute(61)), [Some(33), Some(777)]);
    }

    #[test]
    fn what_a_clock_that_was_set_back_left_in_the_future_does_not_count() {
        let mut ages = Ages::default();
        ages.note(minute(90), symbol("BTC"), SEEN, 777);
        assert_eq!(maxima(&ages, minute(89)), [None, Some(777)], "the same hour, a later minute");
        assert_eq!(maxima(&ages, minute(59)), [None, None]);
    }

    #[test]
    fn each_symbol_and_place_has_a_series_of_its_own_that_can_be_brought_back() {
        let (btc, eth) = (symbol("BTC"), symbol("ETH"));
        let mut ages = Ages::default();
        for (symbol, seen_at, age_ms) in [
            (btc, SeenAt::Served, 1),
            (btc, SeenAt::Edge, 2),
            (eth, SeenAt::Source(Source::Coinbase), 3),
        ] {
            ages.note(minute(0), symbol, seen_at, age_ms);
        }
        let mut again = Ages::default();
        for (symbol, seen_at, rings) in ages.all() {
            let target = again.rings_mut(symbol, seen_at);
            rings.minutes.stretches().for_each(|(n, h)| target.minutes.restore(n, h.clone()));
            rings.hours.stretches().for_each(|(n, h)| target.hours.restore(n, h.clone()));
        }
        assert_eq!(again.all().count(), 3);
        for (symbol, seen_at, rings) in again.all() {
            let before = ages.rings(symbol, seen_at).unwrap();
            assert_eq!(rings.last_hour(minute(5)), before.last_hour(minute(5)));
            assert_eq!(rings.last_day(minute(5)), before.last_day(minute(5)));
        }
    }

    #[test]
    fn every_place_has_a_name_of_its_own() {
        for place in SeenAt::ALL {
            assert_eq!(SeenAt::from_name(place.as_str()), Some(place));
        }
        assert_eq!(SeenAt::from_name("elsewhere"), None);
    }
}
