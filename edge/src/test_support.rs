//! A body as an origin would send it, and an isolate that has fetched it.

use std::fmt::Write;

use pricecast_core::UnixMillis;
use pricecast_core::cache_policy::{EdgeMillis, Settled};

use crate::config::EdgeConfig;
use crate::document::Document;
use crate::isolate::Isolate;
use crate::kept::RawCopy;

/// The origin's clock at which [`raw_copy`]`(0, _)` was sent.
pub(crate) const NOW: u64 = 1_706_900_000_000;

/// An answer sent at `NOW + origin_ms` whose two prices were confirmed at that moment; its request
/// left at `sent_ms` of the isolate's clock.
pub(crate) fn raw_copy(origin_ms: u64, sent_ms: u64) -> RawCopy {
    let now = NOW + origin_ms;
    let mut prices = String::new();
    for (symbol, comma) in [("BTC", ","), ("ETH", "")] {
        write!(
            prices,
            r#"{{"symbol":"{symbol}","price":67432.15,"change24h":2.34,"source":"kraken","asOf":{now},"confirmedAt":{now},"stale":false,"uncertain":false}}{comma}"#
        )
        .unwrap();
    }
    let body = format!(
        r#"{{"prices":[{prices}],"timestamp":{now},"stale":false,"freshUntil":{},"mode":"live","seq":{now},"epoch":7,"pollAfterMs":2500,"unavailable":[],"sources":{{"kraken":{{"status":"connected","lastUpdate":{now}}},"coinbase":{{"status":"connected","lastUpdate":{now}}}}}}}"#,
        now + 5_000
    );
    RawCopy {
        sent_at: EdgeMillis::from_ms(sent_ms),
        origin_sent_at: UnixMillis::from_ms(now),
        is_custom_market: false,
        body,
    }
}

/// The configuration with these variables beside the origin's URL.
pub(crate) fn config(vars: &[(&str, &str)]) -> EdgeConfig {
    let lookup = |name: &str| {
        let origin = [("ORIGIN_URLS", "https://origin.example")];
        let found = vars.iter().chain(&origin).find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    EdgeConfig::load(lookup, []).unwrap()
}

impl Isolate {
    /// One that knows nothing.
    pub(crate) fn cold(vars: &[(&str, &str)]) -> Self {
        Self::new(config(vars), 1)
    }

    /// One that has fetched `raw`.
    pub(crate) fn with_copy(vars: &[(&str, &str)], raw: &RawCopy) -> Self {
        let mut isolate = Self::cold(vars);
        let mut flight = isolate.held.prices.cache.begin_refresh(raw.sent_at);
        let answer =
            raw.read(Document::Prices, isolate.held.prices.cache.policy().hold_ms).unwrap();
        let settled =
            isolate.held.prices.cache.settle_fetch(&mut flight, raw.sent_at, Some(answer), 0.0);
        assert!(matches!(settled, Settled::Adopted { .. }));
        isolate
    }
}
