//! What is published, and how often its sources are asked.

use crate::symbol::Symbol;

/// What the aggregator must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// In the order they are published. Each once.
    pub symbols: Vec<Symbol>,
    /// Pause between two polls of Coinbase.
    pub coinbase_interval_ms: u64,
    /// Published hint for clients that do not follow the poll rule.
    pub poll_after_ms: u32,
}
