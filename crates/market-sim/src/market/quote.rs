//! What one venue says about one symbol at one moment.

use crate::decimal::Decimal;

/// A full ticker record of one venue. Both faces are encoded from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quote {
    /// Last trade price.
    pub last: Decimal,
    /// Best bid.
    pub bid: Decimal,
    /// Size at the best bid.
    pub bid_qty: Decimal,
    /// Best ask.
    pub ask: Decimal,
    /// Size at the best ask.
    pub ask_qty: Decimal,
    /// Volume over the last 24 h, in coins.
    pub volume: Decimal,
    /// Volume-weighted average price over 24 h.
    pub vwap: Decimal,
    /// Lowest trade of the last 24 h.
    pub low: Decimal,
    /// Highest trade of the last 24 h.
    pub high: Decimal,
    /// Price 24 h ago; `change` and `change_pct` follow from it.
    pub base: Decimal,
    /// Trades over 24 h; absent in recordings of 2024 and 2025.
    pub trades: Option<u64>,
    /// Event time in epoch µs; absent in recordings of 2024 and 2025.
    pub at_us: Option<i64>,
}

impl Quote {
    /// 24 h change in quote currency.
    #[must_use]
    pub(crate) fn change(&self) -> Decimal {
        self.last.minus(self.base)
    }

    /// 24 h change in percent with `scale` decimals.
    #[must_use]
    pub(crate) fn change_pct(&self, scale: u32) -> Decimal {
        self.last.percent_above(self.base, scale)
    }

    /// The same record with `last`, `bid` and `ask` multiplied by `numerator / denominator`.
    #[must_use]
    pub(crate) fn scaled(&self, numerator: i128, denominator: i128) -> Self {
        let scale = |price: Decimal| price.times_ratio(numerator, denominator);
        Self { last: scale(self.last), bid: scale(self.bid), ask: scale(self.ask), ..self.clone() }
    }
}
