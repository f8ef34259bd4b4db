//! Snapshots to render: one in DESIGN's own numbers, and arbitrary ones.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses a part")]

use pricecast_core::{
    ChangePct, PerSource, Price, PricePoint, Snapshot, Source, SourceReason, SourceReport,
    SourceStatus, Symbol, UnixMillis, Version,
};
use proptest::prelude::*;

pub(crate) const NOW: u64 = 1_706_900_000_000;

pub(crate) fn at(offset_ms: i64) -> UnixMillis {
    UnixMillis::from_ms(NOW.checked_add_signed(offset_ms).unwrap())
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub(crate) fn point(
    name: &str,
    price: &str,
    change: &str,
    source: Source,
    offset_ms: i64,
) -> PricePoint {
    PricePoint {
        symbol: symbol(name),
        price: Price::parse(price).unwrap(),
        change_24h: ChangePct::parse(change).unwrap(),
        source,
        as_of: at(offset_ms - 188),
        confirmed_at: at(offset_ms),
        uncertain: false,
    }
}

pub(crate) fn connected(offset_ms: i64) -> SourceReport {
    SourceReport { status: SourceStatus::Connected, reason: None, last_update: Some(at(offset_ms)) }
}

/// Five prices from Kraken, all fresh.
pub(crate) fn live() -> Snapshot {
    Snapshot {
        version: Version { epoch: 1_706_890_000_123, seq: 18_231 },
        data_at: at(0),
        prices: vec![
            point("BTC", "67432.15", "2.34", Source::Kraken, 0),
            point("ETH", "3521.40", "-1.90", Source::Kraken, -20),
            point("SOL", "104.0", "0.00", Source::Kraken, -20),
            point("XRP", "0.51230", "0.5", Source::Kraken, -900),
            point("DOGE", "0.00044780", "-0.28225832119521", Source::Kraken, -950),
        ],
        unavailable: vec![],
        sources: PerSource { kraken: connected(0), coinbase: connected(-500) },
        poll_after_ms: 2_500,
    }
}

/// Kraken is silent: everything comes from Coinbase, and one price is in doubt.
pub(crate) fn fallback() -> Snapshot {
    let mut snapshot = live();
    for point in &mut snapshot.prices {
        point.source = Source::Coinbase;
    }
    snapshot.prices[1].uncertain = true;
    snapshot.sources.kraken.status = SourceStatus::Stale;
    snapshot.sources.kraken.reason = Some(SourceReason::Silent);
    snapshot.sources.kraken.last_update = Some(at(-7_000));
    snapshot
}

/// One coin has no price, and Coinbase never answered.
pub(crate) fn degraded() -> Snapshot {
    let mut snapshot = live();
    snapshot.prices.truncate(2);
    snapshot.unavailable = vec![symbol("SOL"), symbol("1INCH")];
    snapshot.sources.coinbase = SourceReport {
        status: SourceStatus::Down,
        reason: Some(SourceReason::BreakerOpen),
        last_update: None,
    };
    snapshot
}

prop_compose! {
    fn any_report()(
        status in prop::sample::select(SourceStatus::ALL),
        reason in prop::option::of(prop::sample::select(SourceReason::ALL)),
        last_update in prop::option::of(-20_000_i64..2_000),
    ) -> SourceReport {
        SourceReport { status, reason, last_update: last_update.map(at) }
    }
}

prop_compose! {
    fn any_point()(
        mantissa in 1_u64..1_000_000_000_000,
        scale in 0_usize..12,
        change in "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,10})?",
        source in prop::sample::select(&Source::ALL[..]),
        as_of in -60_000_i64..1_000,
        confirmed in -20_000_i64..1_000,
        uncertain: bool,
    ) -> PricePoint {
        let digits = format!("{mantissa:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let text = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
        PricePoint {
            symbol: symbol("X"),
            price: Price::parse(&text).unwrap(),
            change_24h: ChangePct::parse(&change).unwrap(),
            source,
            as_of: at(as_of),
            confirmed_at: at(confirmed),
            uncertain,
        }
    }
}

prop_compose! {
    /// Any snapshot that could be published.
    pub(crate) fn any_snapshot()(
        mut prices in prop::collection::vec(any_point(), 1..9),
        unavailable_count in 0_usize..3,
        epoch in 0_u64..1 << 53,
        seq in 0_u64..1 << 53,
        data in -20_000_i64..1_000,
        kraken in any_report(),
        coinbase in any_report(),
        poll_after_ms: u32,
    ) -> Snapshot {
        for (index, point) in prices.iter_mut().enumerate() {
            point.symbol = symbol(&format!("C{index}"));
        }
        let unavailable = (0..unavailable_count).map(|i| symbol(&format!("U{i}"))).collect();
        Snapshot {
            version: Version { epoch, seq },
            data_at: at(data),
            prices,
            unavailable,
            sources: PerSource { kraken, coinbase },
            poll_after_ms,
        }
    }
}
