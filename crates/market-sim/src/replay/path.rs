//! The price path through a symbol's candles: open → low → high → close when it rose, open → high
//! → low → close when it fell, a third of the candle each. Every price on it lies within its
//! candle.
//!
//! The replay starts 24 h into the file, so that the first day is the base of the 24 h change. At
//! the end of the file the last close holds.

use super::candles::Candle;
use crate::decimal::{Decimal, div_round};
use crate::market::rolling::Minute;

const DAY_US: i64 = 86_400_000_000;
const MINUTE_US: i64 = 60_000_000;
const VOLUME_DECIMALS: u32 = 8;

/// A path that may be asked for any moment, in any order.
#[derive(Debug, Clone)]
pub(crate) struct CandlePath {
    /// In the order of time, never empty for a path made by [`super::Replay::read`].
    candles: Vec<Candle>,
    /// Epoch µs in the file at market time 0.
    zero_us: i64,
}

impl CandlePath {
    /// A path whose file begins at `begin_us`.
    pub(crate) fn new(mut candles: Vec<Candle>, begin_us: i64) -> Self {
        candles.sort_by_key(|candle| candle.start_us);
        let mut path = Self { candles, zero_us: begin_us };
        // A file of a day or less has no day to spare: it starts at its beginning.
        if path.end_us() > DAY_US {
            path.zero_us += DAY_US;
        }
        path
    }

    /// Market time at which the last candle closes.
    pub(crate) fn end_us(&self) -> i64 {
        let last = self.candles.last();
        last.map_or(0, |candle| candle.start_us + candle.interval_us - self.zero_us)
    }

    /// Most decimals of any price in the file.
    pub(crate) fn scale(&self) -> u32 {
        self.candles.iter().map(|candle| candle.open.scale()).max().unwrap_or(0)
    }

    /// Seconds of market time in the shortest candle, for a tick rate that follows the path.
    pub(crate) fn interval_s(&self) -> f64 {
        let shortest = self.candles.iter().map(|candle| candle.interval_us).min();
        shortest.unwrap_or(MINUTE_US) as f64 / 1e6
    }

    /// The price at market time `at_us` with at least the file's decimals.
    pub(crate) fn price(&self, at_us: i64, decimals: u32) -> Decimal {
        let Some((candle, into_us)) = self.candle_at(at_us) else { return Decimal::zero(decimals) };
        let decimals = decimals.max(candle.open.scale());
        let [open, high, low, close] = [candle.open, candle.high, candle.low, candle.close]
            .map(|price| price.rescaled(decimals).units());
        let (second, third) = if close >= open { (low, high) } else { (high, low) };
        let third_us = candle.interval_us / 3;
        let (from, to, into, span) = match into_us {
            into if into < third_us => (open, second, into, third_us),
            into if into < 2 * third_us => (second, third, into - third_us, third_us),
            into => (third, close, into - 2 * third_us, candle.interval_us - 2 * third_us),
        };
        let step = (to - from).saturating_mul(i128::from(into.min(span)));
        Decimal::new(from + div_round(step, i128::from(span)), decimals)
    }

    /// Coins traded per second of market time.
    pub(crate) fn volume_per_s(&self, at_us: i64) -> f64 {
        self.candle_at(at_us)
            .map_or(0.0, |(candle, _)| candle.volume.to_f64() / (candle.interval_us as f64 / 1e6))
    }

    /// The 1,441 minutes before market time 0, oldest first, with prices of `decimals`.
    pub(crate) fn history(&self, decimals: u32, trades_per_s: f64) -> Vec<Minute> {
        (-1441..0).map(|minute| self.minute(minute * MINUTE_US, decimals, trades_per_s)).collect()
    }

    fn minute(&self, start_us: i64, decimals: u32, trades_per_s: f64) -> Minute {
        // Every five seconds is enough to see a candle's low and high within their thirds.
        let prices = (0..12).map(|step| self.price(start_us + step * MINUTE_US / 12, decimals));
        let close = self.price(start_us + MINUTE_US - 1, decimals).units();
        let (low, high) = prices.fold((close, close), |(low, high), price| {
            (low.min(price.units()), high.max(price.units()))
        });
        let coins = Decimal::from_f64(self.volume_per_s(start_us) * 60.0, VOLUME_DECIMALS);
        let trades = Decimal::from_f64(trades_per_s * 60.0, 0).units();
        Minute {
            high,
            low,
            close,
            volume: coins.units(),
            turnover: close.saturating_mul(coins.units()),
            trades: u64::try_from(trades).unwrap_or(0),
        }
    }

    /// The candle under way and how far into it; before the file its first moment, in a gap and
    /// after the end the last moment of the candle before.
    pub(crate) fn candle_at(&self, at_us: i64) -> Option<(&Candle, i64)> {
        let file_us = self.zero_us.saturating_add(at_us);
        let after = self.candles.partition_point(|candle| candle.start_us <= file_us);
        match after.checked_sub(1).and_then(|index| self.candles.get(index)) {
            Some(candle) => Some((candle, (file_us - candle.start_us).min(candle.interval_us))),
            None => self.candles.first().map(|candle| (candle, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Replay, ReplayError};
    use super::*;
    use std::path::Path;

    const SECOND_US: i64 = 1_000_000;

    fn path(lines: &[&str]) -> CandlePath {
        let header = "symbol,interval_s,timestamp,open,high,low,close,volume";
        let text = format!("{header}\n{}\n", lines.join("\n"));
        let paths = super::super::candle_paths(Path::new("test.csv"), &text).unwrap();
        paths.into_iter().next().unwrap().1
    }

    #[test]
    fn a_rising_candle_goes_by_its_low_and_a_falling_one_by_its_high() {
        let path = path(&[
            "BTC-USD,60,2025-06-21 00:00:00+00:00,100.0,110.0,90.0,105.0,1",
            "BTC-USD,60,2025-06-21 00:01:00+00:00,105.0,115.0,95.0,100.0,1",
        ]);
        let at = |second: i64| path.price(second * SECOND_US, 1).to_string();
        assert_eq!([at(0), at(10), at(20), at(30)], ["100.0", "95.0", "90.0", "100.0"]);
        assert_eq!([at(40), at(50), at(58)], ["110.0", "107.5", "105.5"]);
        assert_eq!([at(60), at(80), at(100)], ["105.0", "115.0", "95.0"]);
        assert_eq!([at(120), at(100_000)], ["100.0", "100.0"], "the last close holds");
        assert_eq!(at(-100), "100.0");
    }

    #[test]
    fn a_gap_holds_the_close_before_it() {
        let path = path(&[
            "BTC-USD,60,2025-06-21 00:00:00+00:00,100,100,100,100,1",
            "BTC-USD,60,2025-06-21 00:05:00+00:00,200,200,200,200,1",
        ]);
        assert_eq!(path.price(299 * SECOND_US, 0).to_string(), "100");
        assert_eq!(path.price(300 * SECOND_US, 0).to_string(), "200");
    }

    #[test]
    fn every_price_of_the_recorded_file_lies_within_its_candle() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/market-data/history/replay_5symbols_2025-06-21_3d.csv");
        if !file.exists() {
            println!("SKIPPED: {} is not there", file.display());
            return;
        }
        let Ok(Replay::Candles(paths)) = Replay::read(&file, None) else { panic!("unreadable") };
        assert_eq!(paths.len(), 5);
        for (symbol, path) in &paths {
            assert_eq!(path.end_us(), 2 * DAY_US, "{symbol}: starts 24 h into the file");
            let mut at_us = -DAY_US;
            while at_us < path.end_us() {
                let price = path.price(at_us, 7);
                let (candle, _) = path.candle_at(at_us).unwrap();
                let above = price.minus(candle.low).units() >= 0;
                let below = candle.high.minus(price).units() >= 0;
                assert!(above && below, "{symbol} {price} at {at_us} µs is outside {candle:?}");
                at_us += 7_300_000;
            }
        }
    }

    #[test]
    fn a_symbol_that_is_not_recorded_is_named() {
        let file = std::env::temp_dir().join(format!("market-sim-{}.csv", std::process::id()));
        let line = "BTC-USD,60,2025-06-21 00:00:00+00:00,1,1,1,1,1";
        let header = "symbol,interval_s,timestamp,open,high,low,close,volume";
        std::fs::write(&file, format!("{header}\n{line}\n")).unwrap();
        let wanted = ["BTC".to_owned(), "PEPE".to_owned()];
        let error = Replay::read(&file, Some(&wanted)).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(&error, ReplayError::Content { .. }), "{error}");
        assert!(error.to_string().contains("no data for PEPE; it has BTC"), "{error}");
    }
}
