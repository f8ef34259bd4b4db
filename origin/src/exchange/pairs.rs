//! Our symbols and the exchanges' spellings of them: one table, and no other place spells a pair.
//!
//! Both exchanges name a pair by the coin's modern code and `USD`. Kraken's WebSocket v2 refuses
//! the historic `XBT/USD` and `XDG/USD` (measured 2026-09-25 and 2026-10-06), so those live only
//! as aliases in the configuration.

use pricecast_core::{SYMBOL_LEN_MAX, Symbol};

/// What every price is quoted in.
const QUOTE_CURRENCY: &str = "USD";

/// How one exchange joins the coin and the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `BTC/USD`, <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker.md>
    /// (2026-11).
    KrakenV2,
    /// `BTC-USD`,
    /// <https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api> (2026-11).
    Coinbase,
}

impl Spelling {
    const fn separator(self) -> char {
        match self {
            Self::KrakenV2 => '/',
            Self::Coinbase => '-',
        }
    }

    /// The pair under which the exchange knows `symbol`.
    #[must_use]
    pub fn pair(self, symbol: Symbol) -> String {
        let mut pair = String::with_capacity(SYMBOL_LEN_MAX + 1 + QUOTE_CURRENCY.len());
        pair.push_str(symbol.as_str());
        pair.push(self.separator());
        pair.push_str(QUOTE_CURRENCY);
        pair
    }

    /// The symbol of `pair`, if it is one of ours: upper case, against USD, canonical.
    #[must_use]
    pub fn symbol(self, pair: &str) -> Option<Symbol> {
        let coin = pair.strip_suffix(QUOTE_CURRENCY)?.strip_suffix(self.separator())?;
        Symbol::parse(coin).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_goes_out_and_comes_back() {
        for (symbol, kraken, coinbase) in [
            ("BTC", "BTC/USD", "BTC-USD"),
            ("DOGE", "DOGE/USD", "DOGE-USD"),
            ("1INCH", "1INCH/USD", "1INCH-USD"),
        ] {
            let symbol = Symbol::parse(symbol).unwrap();
            for (spelling, pair) in [(Spelling::KrakenV2, kraken), (Spelling::Coinbase, coinbase)] {
                assert_eq!(spelling.pair(symbol), pair);
                assert_eq!(spelling.symbol(pair), Some(symbol));
            }
        }
    }

    #[test]
    fn any_other_spelling_is_not_ours() {
        for pair in [
            "", "USD", "/USD", "BTC", "BTCUSD", "btc/usd", "BTC/EUR", "BTC-USD", "BTC/USDT",
            "BTC/USD ",
        ] {
            assert_eq!(Spelling::KrakenV2.symbol(pair), None, "{pair:?}");
        }
        for pair in ["BTC-USDC", "BTC/USD", "-USD", "ETH-BTC"] {
            assert_eq!(Spelling::Coinbase.symbol(pair), None, "{pair:?}");
        }
    }
}
