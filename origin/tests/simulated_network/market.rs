//! What both exchanges trade: prices that follow from the time alone, each different from all
//! others of its symbol, so that any price tells when it was true.

use pricecast_core::{Source, Symbol};

/// Name, first price in hundredths, and how often it changes.
const SYMBOLS: [(&str, u64, u64); 3] =
    [("BTC", 6_500_000, 400), ("ETH", 350_000, 1_700), ("SOL", 14_000, 20_000)];
/// What Coinbase's prices are above Kraken's, in hundredths.
const APART: u64 = 3;

pub(crate) fn symbols() -> Vec<Symbol> {
    SYMBOLS.iter().map(|&(name, ..)| Symbol::parse(name).unwrap()).collect()
}

/// A price as its exchange writes it.
pub(crate) fn price(source: Source, symbol: Symbol, at_ms: u64) -> String {
    let (first, every_ms) = path(symbol);
    let price = first + apart(source) + at_ms / every_ms;
    format!("{}.{:02}", price / 100, price % 100)
}

/// For how long the exchange has had another price than `text` at `now_ms`; `None` if it has
/// never had that one.
pub(crate) fn left_since_ms(
    source: Source,
    symbol: Symbol,
    text: &str,
    now_ms: u64,
) -> Option<u64> {
    let (first, every_ms) = path(symbol);
    let price: u64 = text.replace('.', "").parse().ok()?;
    let nth = price.checked_sub(first + apart(source))?;
    (nth * every_ms <= now_ms).then(|| now_ms.saturating_sub((nth + 1) * every_ms))
}

fn path(symbol: Symbol) -> (u64, u64) {
    let found = SYMBOLS.iter().find(|(name, ..)| *name == symbol.as_str());
    found.map(|&(_, first, every_ms)| (first, every_ms)).unwrap()
}

fn apart(source: Source) -> u64 {
    match source {
        Source::Kraken => 0,
        Source::Coinbase => APART,
    }
}
