//! What the aggregator tells beside what is published: for the adapters, the metrics and the status.

use super::Aggregator;
use crate::source::Source;
use crate::symbol::Symbol;
use crate::time::UnixMillis;

impl Aggregator {
    /// Whether any price of any source is live at `now`. While none is, the breaker probes more
    /// often.
    #[must_use]
    pub fn any_source_live(&self, now: UnixMillis) -> bool {
        (0..self.choices.len()).any(|index| {
            self.kraken.live(index, now).is_some() || self.coinbase.live(index, now).is_some()
        })
    }

    /// How far the sources are apart, in basis points of Coinbase's price, where both are live.
    pub fn divergences(&self, now: UnixMillis) -> impl Iterator<Item = (Symbol, u32)> {
        self.config.symbols.iter().enumerate().filter_map(move |(index, &symbol)| {
            let (kraken, coinbase) =
                (self.kraken.live(index, now)?, self.coinbase.live(index, now)?);
            Some((symbol, kraken.price.distance_bp(coinbase.price)))
        })
    }

    /// When `source` last confirmed each price it has, whichever is served.
    pub fn confirmations(&self, source: Source) -> impl Iterator<Item = (Symbol, UnixMillis)> {
        let of = move |(index, &symbol)| Some((symbol, self.held(source, index)?.confirmed_at));
        self.config.symbols.iter().enumerate().filter_map(of)
    }

    /// The symbols whose price on Kraken is suspected frozen.
    pub fn suspected(&self) -> impl Iterator<Item = Symbol> {
        let symbols = self.config.symbols.iter().enumerate();
        symbols.filter(|&(index, _)| self.kraken.is_suspected(index)).map(|(_, &symbol)| symbol)
    }
}
