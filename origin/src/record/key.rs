//! What a segment of the record must begin with, so that it can be replayed without the one
//! before: the last of each kind that a running feed was told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use pricecast_core::{
    CoinbaseEvent, FeedConfig, KrakenEvent, Quote, RejectReason, Snapshot, SourceEvent, Symbol,
    UnixMillis,
};
use pricecast_wire::render;

use super::line::{Begins, Earlier};
use super::{Entry, What};

/// Of a connection that changes on and on, only the last changes are of consequence.
const CHANGES_MAX: usize = 16;

type Told = (UnixMillis, SourceEvent);

/// The last of each kind, in order to be told again.
#[derive(Debug, Default)]
pub(super) struct Key {
    feed: Option<FeedConfig>,
    epoch: u64,
    last: Option<Arc<Snapshot>>,
    /// What has changed the standing of the whole connection, since it is open.
    connection: VecDeque<Told>,
    sign_of_life: Option<Told>,
    pong: Option<Told>,
    snapshots: BTreeMap<Symbol, Told>,
    ticks: BTreeMap<Symbol, Told>,
    answers: BTreeMap<Symbol, Told>,
    failed: Option<Told>,
    breaker: Option<Told>,
    unlisted: BTreeMap<(Symbol, bool), Told>,
}

impl Key {
    /// Notes what happens.
    pub(super) fn note(&mut self, entry: &Entry) {
        match &entry.what {
            What::Begins { feed, epoch, last } => {
                *self = Self {
                    feed: Some(FeedConfig::clone(feed)),
                    epoch: *epoch,
                    last: last.clone(),
                    ..Self::default()
                };
            }
            What::Event(event) => self.note_event((entry.at, event.clone())),
            What::Beat { epoch, published } => {
                self.epoch = epoch.unwrap_or(self.epoch);
                if published.is_some() {
                    self.last.clone_from(published);
                }
            }
            What::Frame(_) | What::Answer { .. } => {}
        }
    }

    fn note_event(&mut self, told: Told) {
        match &told.1 {
            SourceEvent::Kraken(event) => match event {
                KrakenEvent::Connected | KrakenEvent::Disconnected(_) => {
                    // Nothing said on an earlier connection counts on this one.
                    self.connection.clear();
                    (self.sign_of_life, self.pong) = (None, None);
                    self.snapshots.clear();
                    self.connection.push_back(told);
                }
                KrakenEvent::System(_) | KrakenEvent::Undecodable => self.note_change(told),
                KrakenEvent::Heartbeat => self.sign_of_life = Some(told),
                KrakenEvent::Pong { .. } => self.pong = Some(told),
                KrakenEvent::Tick { quote: Quote { symbol, .. }, is_snapshot } => {
                    let of = if *is_snapshot { &mut self.snapshots } else { &mut self.ticks };
                    of.insert(*symbol, told);
                }
                KrakenEvent::TickRefused { symbol, .. } => {
                    self.ticks.insert(*symbol, told);
                }
                KrakenEvent::Unsupported(symbol) => {
                    self.unlisted.insert((*symbol, true), told);
                }
            },
            SourceEvent::Coinbase(event) => match event {
                CoinbaseEvent::Answered { products, .. } => {
                    if let Some(first) = products.iter().map(symbol_of).min() {
                        self.answers.insert(first, told);
                    }
                }
                CoinbaseEvent::Failed(_) => self.failed = Some(told),
                CoinbaseEvent::BreakerOpen(_) => self.breaker = Some(told),
                CoinbaseEvent::Unsupported(symbol) => {
                    self.unlisted.insert((*symbol, false), told);
                }
            },
        }
    }

    fn note_change(&mut self, told: Told) {
        let is_system =
            |event: &SourceEvent| matches!(event, SourceEvent::Kraken(KrakenEvent::System(_)));
        let last = self.connection.iter().rev().find(|(_, event)| is_system(event));
        if is_system(&told.1) && last.is_some_and(|(_, event)| *event == told.1) {
            return;
        }
        if self.connection.len() >= CHANGES_MAX {
            // The first one is the connection itself.
            self.connection.remove(1);
        }
        self.connection.push_back(told);
    }

    /// What the segment begins with; `None` before any feed has begun.
    pub(super) fn begins(&self) -> Option<Begins> {
        let feed = self.feed.as_ref()?;
        let one = [&self.sign_of_life, &self.pong, &self.failed, &self.breaker];
        let one = self.connection.iter().chain(one.into_iter().flatten());
        let several = self.snapshots.values().chain(self.ticks.values());
        let several = several.chain(self.answers.values()).chain(self.unlisted.values());
        let mut told: Vec<_> = one.chain(several).collect();
        told.sort_by_key(|(at, _)| *at);
        let earlier = |(at, event): &Told| Earlier { at: at.as_ms(), event: event.into() };
        let earlier = told.into_iter().map(earlier).collect();
        Some(begins(feed, self.epoch, self.last.as_deref(), Some(earlier)))
    }
}

/// The line a feed, or a segment, begins with.
pub(super) fn begins(
    feed: &FeedConfig,
    epoch: u64,
    last: Option<&Snapshot>,
    earlier: Option<Vec<Earlier>>,
) -> Begins {
    Begins {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        symbols: feed.symbols.iter().map(ToString::to_string).collect(),
        coinbase_interval_ms: feed.coinbase_interval_ms,
        poll_after_ms: feed.poll_after_ms,
        epoch,
        // As it was published: no status has gone stale by time yet.
        last: last.map(|last| render(last, UnixMillis::default())),
        earlier,
    }
}

fn symbol_of(product: &Result<Quote, (Symbol, RejectReason)>) -> Symbol {
    match product {
        Ok(quote) => quote.symbol,
        Err((symbol, _)) => *symbol,
    }
}
