//! Cloudflare's list prices, with where and when they were read. The only place they stand.

use serde::Serialize;

/// When all of them were read.
pub const READ_ON: &str = "2026-11-20";
/// What is announced to change.
pub const NEXT_CHANGE: &str = "Workers Logs have new prices from 2026-12-01; Pricecast logs nothing per request, so no line here changes";

/// One list price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ListPrice {
    /// Of what.
    pub item: &'static str,
    /// US dollars for `per` units.
    pub usd: f64,
    /// How many units that buys.
    pub per: f64,
    /// The unit.
    pub unit: &'static str,
    /// Units a month that are free of charge.
    pub included: f64,
    /// Where it stands.
    pub source: &'static str,
}

const WORKERS: &str = "https://developers.cloudflare.com/workers/platform/pricing/";
const WORKERS_CACHE: &str = "https://developers.cloudflare.com/workers/cache/#pricing";
const PLANS: &str = "https://www.cloudflare.com/plans/";

/// The Workers Paid plan itself.
pub(super) const PAID_PLAN: ListPrice = ListPrice {
    item: "Workers Paid plan",
    usd: 5.0,
    per: 1.0,
    unit: "month",
    included: 0.0,
    source: WORKERS,
};
/// A request to a Worker; a WebSocket or an event stream is one, messages are free.
pub(super) const REQUEST: ListPrice = ListPrice {
    item: "Worker requests",
    usd: 0.30,
    per: 1e6,
    unit: "requests",
    included: 10e6,
    source: WORKERS,
};
/// A request that Workers Cache answers costs the same.
pub(super) const CACHED_REQUEST: ListPrice = ListPrice {
    item: "Worker requests, answered by Workers Cache or not",
    source: WORKERS_CACHE,
    ..REQUEST
};
/// CPU time of Workers. Time that only passes costs nothing.
pub(super) const CPU: ListPrice = ListPrice {
    item: "Worker CPU time",
    usd: 0.02,
    per: 1e6,
    unit: "ms",
    included: 30e6,
    source: WORKERS,
};
/// An event of Workers Logs: one for each logged invocation, one for each line it logs. In no bill, since
/// hardly any is sent: `[observability]` in wrangler.toml.
#[cfg(test)]
pub(super) const LOG_EVENT: ListPrice = ListPrice {
    item: "Workers Logs events",
    usd: 0.60,
    per: 1e6,
    unit: "events",
    included: 20e6,
    source: WORKERS,
};
/// The zone's plan: free.
pub(super) const ZONE_FREE: ListPrice = ListPrice {
    item: "Zone plan Free",
    usd: 0.0,
    per: 1.0,
    unit: "month",
    included: 0.0,
    source: PLANS,
};
/// The zone's plan, paid monthly.
pub(super) const ZONE_PRO: ListPrice = ListPrice { item: "Zone plan Pro", usd: 25.0, ..ZONE_FREE };
/// The zone's plan, paid monthly.
pub(super) const ZONE_BUSINESS: ListPrice =
    ListPrice { item: "Zone plan Business", usd: 250.0, ..ZONE_FREE };

/// All of them.
pub const PRICES: [ListPrice; 7] =
    [PAID_PLAN, REQUEST, CACHED_REQUEST, CPU, ZONE_FREE, ZONE_PRO, ZONE_BUSINESS];

impl ListPrice {
    /// What `quantity` units cost beyond those included.
    pub(super) fn usd_for(&self, quantity: f64) -> f64 {
        (quantity - self.included).max(0.0) / self.per * self.usd
    }
}
