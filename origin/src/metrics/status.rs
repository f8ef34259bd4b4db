//! What the status is made from, and what is told to people.

use std::sync::Arc;

use pricecast_core::{Source, Symbol, UnixMillis};

use super::Metrics;
use super::labels::OfOutcome;
use crate::webhook::Delivery;

impl Metrics {
    /// When each source last confirmed each price; empty where this instance does not ingest.
    #[must_use]
    pub fn confirmed(&self) -> Arc<Vec<(Symbol, Source, UnixMillis)>> {
        self.confirmations.load_full()
    }

    /// Tells which symbols are suspected frozen.
    pub fn suspected(&self, all: impl Iterator<Item = Symbol>) {
        self.suspects.store(Arc::new(all.collect()));
    }

    /// Which symbols are; none where this instance does not ingest.
    #[must_use]
    pub fn suspects(&self) -> Arc<Vec<Symbol>> {
        self.suspects.load_full()
    }

    /// Counts a message to the webhook.
    pub fn webhook(&self, delivery: Delivery) {
        self.webhook_messages.get_or_create(&OfOutcome { outcome: delivery.as_str() }).inc();
    }
}
