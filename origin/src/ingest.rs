//! The one writer: takes what the adapters saw, lets core conclude, publishes, logs. Events are
//! handled as they come; conclusions are drawn ten times a second, so that silence has
//! consequences too.

use std::sync::Arc;
use std::time::Duration;

use pricecast_core::{
    ASSESS_EVERY_MS, Action, Aggregator, FeedConfig, Publisher, Snapshot, Source, Transition,
    UnixMillis,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::exchange::Received;
use crate::metrics::Metrics;
use crate::record::{Recorder, What};
use crate::snapshot::Store;
use crate::snapshot::state::restorable;

/// Events taken in one go before anything else gets its turn.
const BATCH_LEN_MAX: usize = 256;

/// Under which epoch, and until when, what is ingested may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mandate {
    /// What publications carry.
    pub epoch: u64,
    /// Exclusive; in the past: not at all.
    pub until: UnixMillis,
}

impl Mandate {
    /// Not given.
    pub const NONE: Self = Self { epoch: 0, until: UnixMillis::from_ms(0) };

    /// Of the only instance there is.
    #[must_use]
    pub const fn for_ever(epoch: u64) -> Self {
        Self { epoch, until: UnixMillis::from_ms(u64::MAX) }
    }
}

/// Everything the loop needs.
pub struct Ingest {
    /// What the adapters saw.
    pub events: mpsc::Receiver<Received>,
    /// What the Kraken adapter is to do.
    pub actions: mpsc::Sender<Action>,
    /// Tells the Coinbase adapter whether any price is live.
    pub any_source_live: watch::Sender<bool>,
    /// The process clock.
    pub clock: Clock,
    /// All decisions.
    pub aggregator: Aggregator,
    /// When to publish.
    pub publisher: Publisher,
    /// Whether, and under which epoch.
    pub mandate: watch::Receiver<Mandate>,
    /// Where it is published.
    pub store: Arc<Store>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Takes down what is handled and what comes of it.
    pub recorder: Recorder,
}

/// Core at its beginning at `now`, when `last` was published before.
#[must_use]
pub fn begin(
    feed: FeedConfig,
    epoch: u64,
    last: Option<&Snapshot>,
    now: UnixMillis,
) -> (Aggregator, Publisher) {
    let mut aggregator = Aggregator::new(feed);
    if let Some(last) = last {
        aggregator.restore(&restorable(last, now));
    }
    let publisher = match last {
        Some(last) if last.version.epoch == epoch => Publisher::resume(now, last.clone()),
        _ => Publisher::new(epoch),
    };
    (aggregator, publisher)
}

impl Ingest {
    /// Runs until every adapter has ended.
    pub async fn run(&mut self) {
        let mut assess = interval(Duration::from_millis(ASSESS_EVERY_MS));
        assess.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH_LEN_MAX);
        loop {
            tokio::select! {
                count = self.events.recv_many(&mut batch, BATCH_LEN_MAX) => {
                    if count == 0 {
                        return;
                    }
                    for Received { at, event } in batch.drain(..) {
                        self.metrics.event(&event);
                        self.aggregator.handle(at, &event);
                        self.recorder.note(at, || What::Event(event));
                    }
                }
                _ = assess.tick() => self.conclude(self.clock.now()),
            }
        }
    }

    /// Draws the conclusions at `now` and publishes what is due.
    pub fn conclude(&mut self, now: UnixMillis) {
        let assessment = self.aggregator.assess(now);
        for transition in &assessment.transitions {
            self.note(transition);
        }
        for action in assessment.actions {
            // A busy adapter is about to connect anew, which does more than was wanted.
            if self.actions.try_send(action).is_err() {
                self.metrics.action_dropped();
            }
        }
        let mandate = *self.mandate.borrow();
        let epoch = (now < mandate.until).then_some(mandate.epoch);
        let is_published = epoch.is_some_and(|epoch| self.publish(now, epoch));
        self.recorder.note(now, || {
            let published = if is_published { self.store.snapshot() } else { None };
            What::Beat { epoch, published }
        });
        self.metrics.divergences(self.aggregator.divergences(now));
        let of = |source| self.aggregator.confirmations(source).map(move |(s, at)| (s, source, at));
        self.metrics.confirmations(Source::ALL.into_iter().flat_map(of));
        self.metrics.suspected(self.aggregator.suspected());
        self.metrics.event_queue(self.events.len());
        let is_live = self.aggregator.any_source_live(now);
        self.any_source_live
            .send_if_modified(|before| std::mem::replace(before, is_live) != is_live);
    }

    /// Publishes if it is due; whether it was.
    fn publish(&mut self, now: UnixMillis, epoch: u64) -> bool {
        if self.publisher.epoch() != epoch {
            self.publisher = Publisher::new(epoch);
        }
        let Some((snapshot, transition)) = self.publisher.publish(now, &self.aggregator) else {
            return false;
        };
        if let Some(transition) = &transition {
            self.note(transition);
        }
        self.metrics.publication();
        self.store.publish(snapshot, now);
        true
    }

    fn note(&self, transition: &Transition) {
        self.metrics.transition(transition);
        let kind = transition.as_str();
        let symbol = transition.symbol().map(|symbol| symbol.to_string());
        let source = source_of(transition).map(Source::as_str);
        if transition.is_worse() {
            warn!(transition = kind, symbol, source, "{transition}");
        } else {
            info!(transition = kind, symbol, source, "{transition}");
        }
    }
}

const fn source_of(transition: &Transition) -> Option<Source> {
    match transition {
        Transition::Status { source, .. }
        | Transition::Quarantined { source, .. }
        | Transition::Released { source, .. }
        | Transition::Unlisted { source, .. } => Some(*source),
        _ => None,
    }
}
