//! The shape of the body: what the reader takes it apart into, and what the OpenAPI document
//! describes. The renderer writes the same keys; the golden files and the document's test hold
//! the three together.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

#[cfg(feature = "openapi")]
use crate::openapi::names;

/// The last known prices, each with its exchange and its age.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Prices))]
pub(crate) struct PricesBody<'a> {
    /// In the order of the service's configuration.
    #[serde(borrow)]
    pub(crate) prices: Vec<PriceBody<'a>>,
    /// When data last arrived from any exchange. Epoch milliseconds.
    pub(crate) timestamp: u64,
    /// Whether any listed price is stale.
    #[expect(dead_code, reason = "derived anew whenever it is served")]
    pub(crate) stale: bool,
    /// When the first of the prices stops being fresh. Epoch milliseconds.
    #[expect(dead_code, reason = "derived anew whenever it is served")]
    pub(crate) fresh_until: u64,
    /// The state of the feed in one word.
    #[expect(dead_code, reason = "derived anew whenever it is served")]
    #[cfg_attr(feature = "openapi", schema(value_type = names::Mode))]
    pub(crate) mode: Cow<'a, str>,
    /// Which publication of this run of the service. Clients drop an older (epoch, seq).
    pub(crate) seq: u64,
    /// Which run of the service.
    pub(crate) epoch: u64,
    /// When a client that does not follow the published poll rule should ask again.
    pub(crate) poll_after_ms: u32,
    /// Configured symbols for which no price is known.
    #[serde(borrow)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub(crate) unavailable: Vec<Cow<'a, str>>,
    /// How the exchanges are doing.
    pub(crate) sources: SourcesBody<'a>,
}

/// One price: what one exchange said, with its name on it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Price))]
pub(crate) struct PriceBody<'a> {
    /// Canonical symbol, e.g. `BTC`.
    #[serde(borrow)]
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Z0-9]{1,14}$"))]
    pub(crate) symbol: Cow<'a, str>,
    /// US dollars, with the exchange's exact decimal digits. Kraken's `last`, Coinbase's `price`.
    #[serde(borrow)]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, exclusive_minimum = 0.0))]
    pub(crate) price: &'a RawValue,
    /// Change over a rolling 24 hours in per cent, as that exchange reports it.
    #[serde(borrow, rename = "change24h")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64))]
    pub(crate) change_24h: &'a RawValue,
    /// The exchange that said it.
    #[cfg_attr(feature = "openapi", schema(value_type = names::Source))]
    pub(crate) source: Cow<'a, str>,
    /// The exchange's own event time. Epoch milliseconds.
    pub(crate) as_of: u64,
    /// The last moment the exchange proved that this is still its price. Age counts from here.
    /// Epoch milliseconds.
    pub(crate) confirmed_at: u64,
    /// Confirmed 5 s ago or longer.
    #[expect(dead_code, reason = "derived anew whenever it is served")]
    pub(crate) stale: bool,
    /// Both exchanges are live and more than 2 % apart.
    pub(crate) uncertain: bool,
}

/// Both exchanges. A further one would be a further key.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Sources))]
pub(crate) struct SourcesBody<'a> {
    /// Primary.
    #[serde(borrow)]
    pub(crate) kraken: SourceBody<'a>,
    /// Fallback.
    #[serde(borrow)]
    pub(crate) coinbase: SourceBody<'a>,
}

/// How one exchange is doing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SourceState))]
pub(crate) struct SourceBody<'a> {
    /// As of the moment of serving.
    #[serde(borrow)]
    #[cfg_attr(feature = "openapi", schema(value_type = names::Status))]
    pub(crate) status: Cow<'a, str>,
    /// Why it is not connected, where that is known. More values may be added.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<names::Reason>, nullable = false))]
    pub(crate) reason: Option<Cow<'a, str>>,
    /// When it last confirmed anything, in epoch milliseconds; 0 = never.
    pub(crate) last_update: u64,
}
