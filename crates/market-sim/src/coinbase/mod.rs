//! The fake Coinbase: the two public Advanced Trade `market/products` endpoints.
//!
//! <https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api> (2026-11).

mod cache;
mod catalogue;
mod product;
mod service;
mod spoil;

pub(crate) use cache::Cache;
pub(crate) use service::serve_one;
