//! The aggregator: evidence of both sources in, one price per symbol out.
//!
//! `handle` takes evidence and is cheap: a heartbeat costs the same for five symbols and for
//! five hundred. `assess` draws the conclusions; its owner calls it every
//! [`ASSESS_EVERY_MS`], so that silence has consequences too.

mod told;

use crate::coinbase::Coinbase;
use crate::event::{Action, CoinbaseEvent, KrakenEvent, SourceEvent};
use crate::feed_config::FeedConfig;
use crate::kraken::Kraken;
use crate::listing::{Held, Listing};
use crate::plausibility::{AGREEMENT_BP, OtherView};
use crate::quote::{Quote, RejectReason};
use crate::snapshot::{PricePoint, SourceReport};
use crate::source::{PerSource, Source, SourceStatus};
use crate::symbol::Symbol;
use crate::time::UnixMillis;
use crate::transition::Transition;

/// How often [`Aggregator::assess`] wants to be called.
pub const ASSESS_EVERY_MS: u64 = 100;
/// Kraken must have been live this long, unbroken, before it is used again after a failover.
const HOLD_DOWN_MS: u64 = 10_000;
/// A symbol both sources refuse has no price after this.
const UNAVAILABLE_AFTER_MS: u64 = 60_000;

/// The conclusion on one symbol.
#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    source: Option<Source>,
    kraken_was_live: bool,
    has_failed_over: bool,
    is_uncertain: bool,
    is_unavailable: bool,
}

/// What [`Aggregator::assess`] concluded.
#[derive(Debug, Default)]
pub struct Assessment {
    /// To be done by the Kraken adapter.
    pub actions: Vec<Action>,
    /// To be logged and counted, in order.
    pub transitions: Vec<Transition>,
}

/// Both sources, health, plausibility, primary and fallback.
#[derive(Clone, Debug)]
pub struct Aggregator {
    config: FeedConfig,
    /// Sorted, with the place in `config.symbols`.
    index: Vec<(Symbol, usize)>,
    kraken: Kraken,
    coinbase: Coinbase,
    choices: Vec<Choice>,
    statuses: PerSource<SourceStatus>,
    resubscribe_all: bool,
    transitions: Vec<Transition>,
}

impl Aggregator {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(config: FeedConfig) -> Self {
        let mut index: Vec<_> = config.symbols.iter().enumerate().map(|(i, &s)| (s, i)).collect();
        index.sort_unstable();
        let count = config.symbols.len();
        Self {
            index,
            kraken: Kraken::new(count),
            coinbase: Coinbase::new(count, config.coinbase_interval_ms),
            choices: vec![Choice::default(); count],
            statuses: PerSource { kraken: SourceStatus::Down, coinbase: SourceStatus::Stale },
            resubscribe_all: false,
            transitions: Vec::new(),
            config,
        }
    }

    /// Takes over the last known prices of an earlier run. They keep their true age and are
    /// never live: the sources must say them anew. Symbols no longer configured are left out.
    pub fn restore(&mut self, points: &[PricePoint]) {
        for point in points {
            let Some(index) = self.index_of(point.symbol) else { continue };
            let listing = match point.source {
                Source::Kraken => self.kraken.listing_mut(index),
                Source::Coinbase => self.coinbase.listing_mut(index),
            };
            if let Some(listing) = listing {
                listing.held = Some(Held::restored(point));
            }
        }
    }

    /// The configuration it works by.
    #[must_use]
    pub const fn config(&self) -> &FeedConfig {
        &self.config
    }

    /// Takes one piece of evidence, received at `at`.
    pub fn handle(&mut self, at: UnixMillis, event: &SourceEvent) {
        match event {
            SourceEvent::Kraken(event) => self.handle_kraken(at, event),
            SourceEvent::Coinbase(event) => self.handle_coinbase(at, event),
        }
    }

    fn handle_kraken(&mut self, at: UnixMillis, event: &KrakenEvent) {
        match event {
            KrakenEvent::Connected => {
                self.resubscribe_all = false;
                self.kraken.on_connected(at);
            }
            KrakenEvent::Disconnected(reason) => self.kraken.on_disconnected(*reason),
            KrakenEvent::System(system) => self.resubscribe_all |= self.kraken.on_system(*system),
            KrakenEvent::Heartbeat => self.kraken.on_proof(at),
            KrakenEvent::Pong { sent_at } => self.kraken.on_pong(at, *sent_at),
            KrakenEvent::Undecodable => self.kraken.on_undecodable(at),
            KrakenEvent::Unsupported(symbol) => {
                if let Some(index) = self.index_of(*symbol)
                    && self.kraken.on_unsupported(index, at)
                {
                    self.note_unlisted(Source::Kraken, *symbol);
                }
            }
            KrakenEvent::Tick { quote, is_snapshot } => {
                self.kraken.on_proof(at);
                if let Some(index) = self.index_of(quote.symbol) {
                    let other = self.view(Source::Coinbase, index, at);
                    let transition = self.kraken.on_tick(index, at, quote, *is_snapshot, other);
                    self.transitions.extend(transition);
                }
            }
            KrakenEvent::TickRefused { symbol, .. } => {
                self.kraken.on_proof(at);
                if let Some(index) = self.index_of(*symbol) {
                    self.kraken.on_tick_refused(index);
                }
            }
        }
    }

    fn handle_coinbase(&mut self, at: UnixMillis, event: &CoinbaseEvent) {
        match event {
            CoinbaseEvent::Answered { sent_at, products } => {
                let index = &self.index;
                let quotes = products
                    .iter()
                    .flatten()
                    .filter_map(|quote| Some((find(index, quote.symbol)?, quote)));
                if self.coinbase.on_answer(at, quotes) {
                    for product in products {
                        self.handle_product(at, *sent_at, product);
                    }
                }
            }
            CoinbaseEvent::Unsupported(symbol) => self.refuse_on_coinbase(at, *symbol),
            CoinbaseEvent::Failed(reason) => self.coinbase.on_failed(*reason),
            CoinbaseEvent::BreakerOpen(is_open) => self.coinbase.on_breaker(*is_open),
        }
    }

    fn handle_product(
        &mut self,
        at: UnixMillis,
        sent_at: UnixMillis,
        product: &Result<Quote, (Symbol, RejectReason)>,
    ) {
        match product {
            Ok(quote) => {
                if let Some(index) = self.index_of(quote.symbol) {
                    let other = self.view(Source::Kraken, index, at);
                    let transition = self.coinbase.on_quote(index, at, sent_at, quote, other);
                    self.transitions.extend(transition);
                }
            }
            Err((symbol, RejectReason::Delisted)) => self.refuse_on_coinbase(at, *symbol),
            Err((symbol, _)) => {
                if let Some(index) = self.index_of(*symbol) {
                    self.coinbase.on_quote_refused(index);
                }
            }
        }
    }

    fn refuse_on_coinbase(&mut self, at: UnixMillis, symbol: Symbol) {
        if let Some(index) = self.index_of(symbol)
            && self.coinbase.on_unsupported(index, at)
        {
            self.note_unlisted(Source::Coinbase, symbol);
        }
    }

    fn note_unlisted(&mut self, source: Source, symbol: Symbol) {
        self.transitions.push(Transition::Unlisted { source, symbol });
    }

    /// Draws the conclusions at `now`.
    pub fn assess(&mut self, now: UnixMillis) -> Assessment {
        for index in 0..self.choices.len() {
            let Some(&symbol) = self.config.symbols.get(index) else { continue };
            self.review_candidates(index, now);
            let other = self.view(Source::Coinbase, index, now);
            let suspicion = self.kraken.suspect(index, symbol, now, other);
            self.transitions.extend(suspicion);
            self.choose(index, symbol, now);
        }
        self.note_statuses(now);
        Assessment { actions: self.upkeep(now), transitions: std::mem::take(&mut self.transitions) }
    }

    fn review_candidates(&mut self, index: usize, now: UnixMillis) {
        let other = self.view(Source::Coinbase, index, now);
        let released = self.kraken.review(index, now, other);
        self.transitions.extend(released);
        let other = self.view(Source::Kraken, index, now);
        let released = self.coinbase.review(index, now, other);
        self.transitions.extend(released);
    }

    fn choose(&mut self, index: usize, symbol: Symbol, now: UnixMillis) {
        let live = PerSource {
            kraken: self.kraken.live(index, now),
            coinbase: self.coinbase.live(index, now),
        };
        let is_unavailable = self.is_refused_by_both(index, now);
        let source = self.pick(index, now, &live);
        let Some(choice) = self.choices.get_mut(index) else { return };
        let before = *choice;
        let switched = |from, to| before.source == Some(from) && source == Some(to);
        let by_bp = match (live.kraken, live.coinbase) {
            (Some(k), Some(c)) if !k.price.is_within_bp(c.price, AGREEMENT_BP) => {
                Some(k.price.distance_bp(c.price))
            }
            _ => None,
        };
        *choice = Choice {
            source,
            kraken_was_live: before.kraken_was_live || live.kraken.is_some(),
            has_failed_over: before.has_failed_over
                || before.kraken_was_live && switched(Source::Kraken, Source::Coinbase),
            is_uncertain: by_bp.is_some(),
            is_unavailable,
        };
        // What an earlier run left behind has not failed in this one.
        if before.kraken_was_live && switched(Source::Kraken, Source::Coinbase) {
            self.transitions.push(Transition::Failover { symbol });
        } else if before.has_failed_over && switched(Source::Coinbase, Source::Kraken) {
            self.transitions.push(Transition::Failback { symbol });
        }
        match by_bp {
            Some(by_bp) if !before.is_uncertain => {
                self.transitions.push(Transition::Diverged { symbol, by_bp });
            }
            None if before.is_uncertain => self.transitions.push(Transition::Converged { symbol }),
            _ => {}
        }
        if is_unavailable && !before.is_unavailable {
            // A name that comes back may stand for another coin: its price is measured anew.
            self.kraken.listing_mut(index).into_iter().for_each(Listing::forget);
            self.coinbase.listing_mut(index).into_iter().for_each(Listing::forget);
            self.transitions.push(Transition::Unavailable { symbol });
        }
    }

    /// Kraken if live (after its hold-down), else Coinbase if live, else the one confirmed last.
    fn pick(
        &self,
        index: usize,
        now: UnixMillis,
        live: &PerSource<Option<Held>>,
    ) -> Option<Source> {
        let choice = self.choices.get(index)?;
        match (live.kraken, live.coinbase) {
            (Some(_), None) => Some(Source::Kraken),
            (None, Some(_)) => Some(Source::Coinbase),
            (Some(_), Some(_)) => {
                let is_held_down = choice.source == Some(Source::Coinbase)
                    && choice.has_failed_over
                    && self.kraken.live_for_ms(index, now).is_none_or(|ms| ms < HOLD_DOWN_MS);
                Some(if is_held_down { Source::Coinbase } else { Source::Kraken })
            }
            (None, None) => match (self.kraken.held(index), self.coinbase.held(index)) {
                (Some(k), Some(c)) if c.confirmed_at > k.confirmed_at => Some(Source::Coinbase),
                (Some(_), _) => Some(Source::Kraken),
                (None, Some(_)) => Some(Source::Coinbase),
                (None, None) => None,
            },
        }
    }

    fn is_refused_by_both(&self, index: usize, now: UnixMillis) -> bool {
        let since = |listing: Option<&Listing>| listing?.refused_since;
        match (since(self.kraken.listing(index)), since(self.coinbase.listing(index))) {
            (Some(k), Some(c)) => now.ms_since(k.max(c)) >= UNAVAILABLE_AFTER_MS,
            _ => false,
        }
    }

    fn note_statuses(&mut self, now: UnixMillis) {
        for source in Source::ALL {
            let report = self.report(source, now);
            let from = std::mem::replace(self.statuses.get_mut(source), report.status);
            if from != report.status {
                let (to, reason) = (report.status, report.reason);
                self.transitions.push(Transition::Status { source, from, to, reason });
            }
        }
    }

    fn upkeep(&mut self, now: UnixMillis) -> Vec<Action> {
        let renew_all = std::mem::take(&mut self.resubscribe_all);
        let upkeep = self.kraken.upkeep(now, &self.config.symbols, renew_all);
        if upkeep.reconnect {
            vec![Action::ReconnectKraken]
        } else if upkeep.resubscribe.is_empty() {
            vec![]
        } else {
            vec![Action::ResubscribeKraken(upkeep.resubscribe)]
        }
    }

    // ── What is published ──────────────────────────────────────────────────────────────────

    /// The prices as last assessed, in the configured order, and the symbols without one.
    #[must_use]
    pub fn prices(&self) -> (Vec<PricePoint>, Vec<Symbol>) {
        let mut points = Vec::with_capacity(self.choices.len());
        let mut unavailable = Vec::new();
        for (index, (choice, &symbol)) in self.choices.iter().zip(&self.config.symbols).enumerate()
        {
            let held = choice
                .source
                .filter(|_| !choice.is_unavailable)
                .and_then(|source| Some((source, self.held(source, index)?)));
            match held {
                Some((source, held)) => points.push(PricePoint {
                    symbol,
                    price: held.price,
                    change_24h: held.change_24h,
                    source,
                    as_of: held.as_of,
                    confirmed_at: held.confirmed_at,
                    uncertain: choice.is_uncertain,
                }),
                None => unavailable.push(symbol),
            }
        }
        (points, unavailable)
    }

    /// How a source is doing at `now`.
    #[must_use]
    pub fn report(&self, source: Source, now: UnixMillis) -> SourceReport {
        match source {
            Source::Kraken => self.kraken.report(now),
            Source::Coinbase => self.coinbase.report(now),
        }
    }

    /// When data last arrived from any exchange.
    #[must_use]
    pub fn data_at(&self) -> Option<UnixMillis> {
        self.kraken.last_update().max(self.coinbase.last_update())
    }

    fn held(&self, source: Source, index: usize) -> Option<Held> {
        match source {
            Source::Kraken => self.kraken.held(index),
            Source::Coinbase => self.coinbase.held(index),
        }
    }

    fn view(&self, source: Source, index: usize, now: UnixMillis) -> OtherView {
        let price = |held: Held| held.price;
        let (listing, live) = match source {
            Source::Kraken => (
                self.kraken.listing(index),
                self.kraken.live(index, now).map(price).or(self.kraken.insists(index, now)),
            ),
            Source::Coinbase => {
                (self.coinbase.listing(index), self.coinbase.live(index, now).map(price))
            }
        };
        listing.map(|listing| listing.view(now, live)).unwrap_or_default()
    }

    fn index_of(&self, symbol: Symbol) -> Option<usize> {
        find(&self.index, symbol)
    }
}

fn find(index: &[(Symbol, usize)], symbol: Symbol) -> Option<usize> {
    let place = index.binary_search_by_key(&symbol, |&(s, _)| s).ok()?;
    index.get(place).map(|&(_, i)| i)
}
