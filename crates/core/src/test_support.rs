//! Shorthands shared by the unit tests of this crate.

use crate::price::{ChangePct, Price};
use crate::quote::Quote;
use crate::source::Source;
use crate::symbol::Symbol;
use crate::time::UnixMillis;

/// `ms` after the tests' own zero.
pub(crate) fn at(ms: u64) -> UnixMillis {
    UnixMillis::from_ms(1_706_900_000_000 + ms)
}

pub(crate) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

/// BTC on Kraken at that price.
pub(crate) fn quote(text: &str) -> Quote {
    Quote {
        source: Source::Kraken,
        symbol: symbol("BTC"),
        price: price(text),
        change_24h: ChangePct::parse("0.5").unwrap(),
        volume_24h: None,
        as_of: at(0),
        as_of_replaced: true,
    }
}
