//! Coinbase: one REST request a second for all products, without a key.
//! `GET /api/v3/brokerage/market/products?product_ids=BTC-USD&product_ids=…`
//! <https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api> (2026-11)
//!
//! | what | limit |
//! |---|---|
//! | requests | 10 per second and address; "rate-limited more aggressively" without a key |
//! | cache | answers are cached for 1 s unless asked with `cache-control: no-cache` |
//! | size | about 1.2 kB per product; all 876 products would be 1 MB, so never unfiltered |

mod client;
mod listing;
pub mod messages;
pub mod schedule;
mod stream;

pub use client::{Client, Failure, Fetched};
pub use stream::CoinbasePoller;
