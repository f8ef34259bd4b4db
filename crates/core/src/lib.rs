//! The domain of Pricecast and every decision it takes.
//!
//! What is absent here, on purpose: clocks (`now` is always an argument), I/O, async, serde,
//! randomness (jitter is an argument), threads. So every behaviour can be tested in virtual
//! time, and the same code decides in the origin, at the edge and in the fleet simulator.
//!
//! Data flows one way:
//!
//! ```text
//! RawQuote ─normalise─▶ Quote ─▶ Aggregator (health, plausibility, primary/fallback)
//!          ─▶ Snapshot ─▶ Publisher ─▶ … ─▶ cache_policy (edge) ─▶ poll (client)
//! ```

mod aggregate;
mod backoff;
mod breaker;
pub mod cache_policy;
mod coinbase;
mod event;
mod feed_config;
mod kraken;
pub mod lease;
mod listing;
pub mod objective;
mod plausibility;
pub mod poll;
mod price;
mod publish;
mod quote;
mod snapshot;
mod source;
mod symbol;
#[cfg(test)]
mod test_support;
mod time;
mod transition;

pub use aggregate::{ASSESS_EVERY_MS, Aggregator, Assessment};

pub use backoff::{ConnectionBudget, backoff_delay_ms};
pub use breaker::{Breaker, BreakerState};
pub use event::{Action, CoinbaseEvent, KrakenEvent, SourceEvent, SystemStatus};
pub use feed_config::FeedConfig;
pub use price::{ChangePct, DecimalError, Price, Volume};
pub use publish::Publisher;
pub use quote::{Quote, RawQuote, RejectReason, Trading};
pub use snapshot::{
    CONFIRMED_AHEAD_MAX_MS, FLIP_GRID_MS, FRESH_FOR_MS, Mode, PricePoint, Snapshot, SnapshotError,
    SourceReport, Version,
};
pub use source::{PerSource, Source, SourceReason, SourceStatus};
pub use symbol::{SYMBOL_LEN_MAX, Symbol, SymbolError};
pub use time::{UnixMillis, duration_ms};
pub use transition::Transition;
