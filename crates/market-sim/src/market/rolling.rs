//! The rolling 24 h figures of one venue and symbol, in minute buckets of market time.

use std::collections::VecDeque;

const DAY_MINUTES: usize = 1440;
const MINUTE_US: i64 = 60_000_000;

/// One minute of trading, prices in units of the venue's last decimal, volume in 1e-8 coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Minute {
    pub(crate) high: i128,
    pub(crate) low: i128,
    pub(crate) close: i128,
    pub(crate) volume: i128,
    pub(crate) turnover: i128,
    pub(crate) trades: u64,
}

impl Minute {
    /// A minute without a trade after one that closed at `price`.
    fn quiet(price: i128) -> Self {
        Self { high: price, low: price, close: price, volume: 0, turnover: 0, trades: 0 }
    }
}

/// Sums over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayTotals {
    pub(crate) high: i128,
    pub(crate) low: i128,
    pub(crate) volume: i128,
    pub(crate) turnover: i128,
    pub(crate) trades: u64,
}

/// A window of 1,440 minutes, plus the two closes that bracket the moment 24 h ago.
#[derive(Debug, Clone)]
pub(crate) struct RollingDay {
    /// Oldest first; the last one is the minute under way. Never empty.
    minutes: VecDeque<Minute>,
    current: i64,
    /// Totals of the window without the minute under way, so that a tick costs O(1).
    finished: Option<DayTotals>,
}

impl RollingDay {
    /// Starts with `history` (the minutes before market time 0, oldest first) and the price now.
    pub(crate) fn new(history: impl IntoIterator<Item = Minute>, price: i128) -> Self {
        let mut minutes: VecDeque<Minute> = history.into_iter().collect();
        while minutes.len() > DAY_MINUTES + 1 {
            minutes.pop_front();
        }
        let last_close = minutes.back().map_or(price, |minute| minute.close);
        minutes.push_back(Minute::quiet(last_close));
        let mut day = Self { minutes, current: 0, finished: None };
        day.finish();
        day
    }

    /// Counts one trade at market time `at_us`.
    pub(crate) fn trade(&mut self, at_us: i64, price: i128, volume: i128) {
        self.roll_to(at_us);
        if let Some(minute) = self.minutes.back_mut() {
            if minute.trades == 0 {
                (minute.high, minute.low) = (price, price);
            }
            minute.high = minute.high.max(price);
            minute.low = minute.low.min(price);
            minute.close = price;
            minute.volume = minute.volume.saturating_add(volume);
            minute.turnover = minute.turnover.saturating_add(price.saturating_mul(volume));
            minute.trades += 1;
        }
    }

    /// Moves the window on to market time `at_us`.
    pub(crate) fn roll_to(&mut self, at_us: i64) {
        let minute = at_us.div_euclid(MINUTE_US);
        if minute <= self.current {
            return;
        }
        let steps = usize::try_from(minute - self.current).unwrap_or(usize::MAX);
        let close = self.minutes.back().map_or(0, |minute| minute.close);
        for _ in 0..steps.min(DAY_MINUTES + 2) {
            self.minutes.push_back(Minute::quiet(close));
            while self.minutes.len() > DAY_MINUTES + 2 {
                self.minutes.pop_front();
            }
        }
        self.current = minute;
        self.finish();
    }

    /// The price 24 h before market time `at_us`, between two closes: it moves without a trade, as
    /// the exchanges' does.
    pub(crate) fn base(&self, at_us: i64) -> i128 {
        let close = |index: usize| self.minutes.get(index).map(|minute| minute.close);
        // The window holds DAY + 2 minutes once full; before that the oldest close stands.
        if self.minutes.len() < DAY_MINUTES + 2 {
            return close(0).unwrap_or(0);
        }
        let (Some(before), Some(after)) = (close(0), close(1)) else { return 0 };
        let into = i128::from(at_us.rem_euclid(MINUTE_US));
        before + crate::decimal::div_round((after - before) * into, i128::from(MINUTE_US))
    }

    /// High, low and sums of the last 1,440 minutes.
    pub(crate) fn totals(&self) -> DayTotals {
        let now = self.minutes.back().copied().unwrap_or(Minute::quiet(0));
        merge(self.finished, &now)
    }

    fn finish(&mut self) {
        let finished = self.minutes.len().saturating_sub(1);
        let skip = finished.saturating_sub(DAY_MINUTES - 1);
        self.finished = self
            .minutes
            .iter()
            .take(finished)
            .skip(skip)
            .fold(None, |totals, minute| Some(merge(totals, minute)));
    }
}

fn merge(totals: Option<DayTotals>, minute: &Minute) -> DayTotals {
    let Some(t) = totals else {
        return DayTotals {
            high: minute.high,
            low: minute.low,
            volume: minute.volume,
            turnover: minute.turnover,
            trades: minute.trades,
        };
    };
    DayTotals {
        high: t.high.max(minute.high),
        low: t.low.min(minute.low),
        volume: t.volume.saturating_add(minute.volume),
        turnover: t.turnover.saturating_add(minute.turnover),
        trades: t.trades.saturating_add(minute.trades),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day_at(close: impl Fn(i128) -> i128) -> RollingDay {
        let history = (0..1441).map(|i| {
            let close = close(i);
            Minute { high: close, low: close, close, volume: 1, turnover: close, trades: 1 }
        });
        RollingDay::new(history, 0)
    }

    #[test]
    fn the_base_is_the_price_of_24_hours_ago_and_moves_without_a_trade() {
        // Minute i of the history closes at 1000 + i; index 0 is the minute that ended 24 h ago.
        let mut day = day_at(|i| 1000 + 60 * i);
        assert_eq!(day.base(0), 1000);
        assert_eq!(day.base(30_000_000), 1030);
        day.roll_to(MINUTE_US);
        assert_eq!(day.base(MINUTE_US), 1060);
    }

    #[test]
    fn a_high_leaves_the_window_after_24_hours() {
        let mut day = day_at(|_| 100);
        day.trade(0, 500, 3);
        assert_eq!(day.totals().high, 500);
        day.roll_to(1439 * MINUTE_US);
        assert_eq!(day.totals().high, 500);
        assert_eq!(day.totals().volume, 3);
        day.roll_to(1440 * MINUTE_US);
        assert_eq!((day.totals().high, day.totals().volume), (500, 0), "price stayed at 500");
        day.trade(1440 * MINUTE_US, 90, 1);
        day.roll_to(2880 * MINUTE_US);
        assert_eq!(day.totals().high, 90);
    }

    #[test]
    fn a_jump_of_years_is_survived() {
        let mut day = day_at(|_| 100);
        day.roll_to(i64::MAX);
        assert_eq!(day.totals().high, 100);
    }
}
