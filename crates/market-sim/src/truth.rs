//! What each venue's price was at each moment: the tests' own truth, independent of what a faulty
//! feed said.

use crate::decimal::Decimal;
use crate::market::{Market, VENUES, Venue};
use serde::ser::{Serialize, SerializeMap, SerializeTuple, Serializer};
use std::collections::VecDeque;

/// How long history is kept. The newest entry before the window stays too, so that the price at
/// its start is known.
const KEEP_MS: i64 = 6 * 60 * 1000;
/// Bound on the entries of one venue and symbol, whatever the update rate.
const KEEP_ENTRIES: usize = 200_000;

/// The moment a venue's price became a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricePoint {
    /// Epoch ms on the simulator's clock.
    pub at_ms: i64,
    /// The price from then on.
    pub price: Decimal,
}

/// The price history of the last minutes, by symbol and venue.
#[derive(Debug, Clone)]
pub struct Truth {
    now_ms: i64,
    symbols: Vec<String>,
    series: Vec<[VecDeque<PricePoint>; 2]>,
}

impl Truth {
    pub(crate) fn new(market: &Market, now_ms: i64) -> Self {
        let symbols = market.listings().iter().map(|listing| listing.symbol.clone()).collect();
        let series = market
            .quotes()
            .iter()
            .map(|pair| {
                VENUES.map(|venue| {
                    VecDeque::from([PricePoint { at_ms: now_ms, price: venue.of(pair).last }])
                })
            })
            .collect();
        Self { now_ms, symbols, series }
    }

    /// Notes that a venue's price is `price` from `at_ms` on; an unchanged price is no entry.
    pub(crate) fn record(&mut self, venue: Venue, listing: usize, at_ms: i64, price: Decimal) {
        let Some(pair) = self.series.get_mut(listing) else { return };
        let series = venue.of_mut(pair);
        if series.back().is_some_and(|point| point.price == price) {
            return;
        }
        series.push_back(PricePoint { at_ms, price });
        let horizon = at_ms.saturating_sub(KEEP_MS);
        while series.len() > KEEP_ENTRIES || series.get(1).is_some_and(|next| next.at_ms < horizon)
        {
            series.pop_front();
        }
    }

    /// The history as read at `now_ms`: all of it, or the last `window_ms` with the prices that
    /// held at its start.
    pub(crate) fn at(&self, now_ms: i64, window_ms: Option<i64>) -> Self {
        let Some(window_ms) = window_ms else { return Self { now_ms, ..self.clone() } };
        let from_ms = now_ms.saturating_sub(window_ms);
        let recent = |series: &VecDeque<PricePoint>| {
            let before = series.partition_point(|point| point.at_ms <= from_ms).saturating_sub(1);
            series.iter().skip(before).copied().collect()
        };
        let series = self.series.iter().map(|pair| VENUES.map(|venue| recent(venue.of(pair))));
        Self { now_ms, symbols: self.symbols.clone(), series: series.collect() }
    }

    /// Epoch ms on the simulator's clock when this was read.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Every price `venue` had for `symbol`, oldest first; empty for an unknown symbol.
    #[must_use]
    pub fn history(&self, venue: Venue, symbol: &str) -> Vec<PricePoint> {
        let index = self.symbols.iter().position(|known| known == symbol);
        let pair = index.and_then(|index| self.series.get(index));
        pair.map(|pair| venue.of(pair).iter().copied().collect()).unwrap_or_default()
    }

    /// The price that was true at `at_ms`, if the history reaches back that far.
    #[must_use]
    pub fn price_at(&self, venue: Venue, symbol: &str, at_ms: i64) -> Option<Decimal> {
        let history = self.history(venue, symbol);
        history.iter().rev().find(|point| point.at_ms <= at_ms).map(|point| point.price)
    }
}

/// `{"now":…,"kraken":{"BTC":[[ms,"price"],…]},"coinbase":{…}}`
impl Serialize for Truth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("now", &self.now_ms)?;
        for venue in VENUES {
            map.serialize_entry(venue.as_str(), &OfVenue { truth: self, venue })?;
        }
        map.end()
    }
}

struct OfVenue<'a> {
    truth: &'a Truth,
    venue: Venue,
}

impl Serialize for OfVenue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.truth.symbols.len()))?;
        for (symbol, pair) in self.truth.symbols.iter().zip(&self.truth.series) {
            map.serialize_entry(symbol, self.venue.of(pair))?;
        }
        map.end()
    }
}

impl Serialize for PricePoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.at_ms)?;
        pair.serialize_element(&self.price.to_string())?;
        pair.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{Generator, Pace};

    fn truth() -> Truth {
        let pace = Pace { seed: 1, speed: 1, update_hz: Some(0.0), epoch_us: 0 };
        Truth::new(&Generator::market(&["BTC".to_owned()], pace), 1_000)
    }

    fn points(truth: &Truth) -> Vec<i64> {
        truth.history(Venue::Kraken, "BTC").iter().map(|point| point.at_ms).collect()
    }

    #[test]
    fn a_price_is_true_from_its_moment_until_the_next() {
        let mut truth = truth();
        let [one, two] = [Decimal::new(1, 0), Decimal::new(2, 0)];
        truth.record(Venue::Kraken, 0, 2_000, one);
        truth.record(Venue::Kraken, 0, 3_000, one);
        truth.record(Venue::Kraken, 0, 4_000, two);
        assert_eq!(points(&truth), [1_000, 2_000, 4_000], "an unchanged price is no entry");
        let at = |ms| truth.price_at(Venue::Kraken, "BTC", ms);
        assert_eq!((at(1_999) == Some(one), at(2_000), at(3_999)), (false, Some(one), Some(one)));
        assert_eq!((at(4_000), at(999)), (Some(two), None));
        assert_eq!(points(&truth.at(5_000, Some(1_500))), [2_000, 4_000]);
        assert_eq!(points(&truth.at(5_000, Some(1_000))), [4_000]);
    }

    #[test]
    fn history_is_bounded_and_keeps_the_price_at_its_start() {
        let mut truth = truth();
        for i in 1..=1_000 {
            truth.record(Venue::Kraken, 0, i * 1_000, Decimal::new(i128::from(i), 0));
        }
        let kept = points(&truth);
        assert_eq!((kept.first(), kept.last()), (Some(&639_000), Some(&1_000_000)));
    }
}
