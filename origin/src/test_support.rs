//! Small values for unit tests.

use pricecast_core::{
    ChangePct, PerSource, Price, PricePoint, Snapshot, Source, SourceReport, SourceStatus, Symbol,
    UnixMillis, Version,
};

pub(crate) fn at(ms: u64) -> UnixMillis {
    UnixMillis::from_ms(1_706_900_000_000 + ms)
}

/// One price of BTC, confirmed at `confirmed_at`, in epoch 7.
pub(crate) fn snapshot(seq: u64, confirmed_at: UnixMillis) -> Snapshot {
    let report = SourceReport {
        status: SourceStatus::Connected,
        reason: None,
        last_update: Some(confirmed_at),
    };
    Snapshot {
        version: Version { epoch: 7, seq },
        data_at: confirmed_at,
        prices: vec![PricePoint {
            symbol: Symbol::parse("BTC").unwrap(),
            price: Price::parse("65000.10").unwrap(),
            change_24h: ChangePct::parse("-1.90").unwrap(),
            source: Source::Kraken,
            as_of: confirmed_at,
            confirmed_at,
            uncertain: false,
        }],
        unavailable: vec![],
        sources: PerSource { kraken: report, coinbase: report },
        poll_after_ms: 2_500,
    }
}
