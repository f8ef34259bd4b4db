//! The origin of Pricecast: one well-behaved client of two exchanges, one published snapshot,
//! served over HTTP.
//!
//! ```text
//! exchange/kraken ─┐ Received{at, SourceEvent}           (I/O; bytes in)
//! exchange/coinbase ┴─▶ ingest ─▶ core::Aggregator ─▶ core::Publisher ─ Snapshot
//!                    ─▶ snapshot::Store ─ bytes, ETags ─▶ http ═ HTTP ═▶ edge
//! ```
//!
//! `record` takes down what went in and what came out, so that it can be run again.
//!
//! Where several instances share a Redis, `cluster` says which of them ingests, and hands the
//! others its publications.
//!
//! What is absent here, on purpose: every decision about prices, sources and freshness (they are
//! in `pricecast-core`), and the shape of the JSON (it is in `pricecast-wire`).

pub mod app;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod config_file;
pub mod exchange;
pub mod feed;
pub mod form;
pub mod health;
pub mod healthcheck;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod outgoing;
pub mod persist;
pub mod record;
pub mod retry_after;
pub mod shutdown;
pub mod snapshot;
pub mod state_file;
pub mod status;
pub mod supervise;
pub mod telemetry;
#[cfg(test)]
mod test_support;
pub mod watchdog;
pub mod webhook;

/// What exactly this is, where the build was told: `BUILD_VERSION=$(git describe --tags --always) cargo build …`.
pub const BUILD: Option<&str> = option_env!("BUILD_VERSION");
/// How we introduce ourselves to the exchanges.
pub const USER_AGENT: &str = concat!("pricecast/", env!("CARGO_PKG_VERSION"));
