//! The primary: one connection, a tick per change, heartbeats in between.
//!
//! A symbol *rides* on its connection from its own accepted tick on: every later ticker or
//! heartbeat frame of that connection proves its price anew, because Kraken sends a ticker only
//! when something changes. Anything doubtful ends the ride until the next accepted tick. For
//! which moment a frame proves it, [`Link`] knows.

mod link;
mod listing;
#[cfg(test)]
mod tests;

use link::{KRAKEN_DEADLINE_MS, Link};
use listing::{KrakenListing, SUSPICION_EVERY_MS};

use crate::event::SystemStatus;
use crate::listing::{Held, Listing};
use crate::plausibility::{OtherView, Verdict};
use crate::price::Price;
use crate::quote::Quote;
use crate::snapshot::SourceReport;
use crate::source::{Source, SourceReason};
use crate::symbol::Symbol;
use crate::time::UnixMillis;
use crate::transition::Transition;

/// Own silence after which a price that moved elsewhere is suspected frozen.
const FROZEN_AFTER_MS: u64 = 10_000;
/// What is merely quiet is asked for this soon after a frame: the proof that has to last until the
/// snapshot comes is young then, be the way as long as it may.
const ASK_WITHIN_MS: u64 = 200;
/// Those due this soon join the batch.
const QUIET_BATCH_MS: u64 = 2_000;
/// A resubscribed symbol must send its snapshot within this.
const SNAPSHOT_DEADLINE_MS: u64 = 3_000;

/// What the upkeep of the listings asks for.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    pub(crate) resubscribe: Vec<Symbol>,
    pub(crate) reconnect: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Kraken {
    link: Link,
    /// When a suspicion last asked for a new connection.
    reconnected_at: Option<UnixMillis>,
    listings: Vec<KrakenListing>,
}

impl Kraken {
    pub(crate) fn new(symbols: usize) -> Self {
        Self {
            link: Link::new(),
            reconnected_at: None,
            listings: vec![KrakenListing::default(); symbols],
        }
    }

    pub(crate) fn listing(&self, index: usize) -> Option<&Listing> {
        self.listings.get(index).map(|l| &l.listing)
    }

    pub(crate) fn listing_mut(&mut self, index: usize) -> Option<&mut Listing> {
        self.listings.get_mut(index).map(|l| &mut l.listing)
    }

    pub(crate) const fn last_update(&self) -> Option<UnixMillis> {
        self.link.last_update()
    }

    // ── What the connection says ───────────────────────────────────────────────────────────

    pub(crate) fn on_connected(&mut self, at: UnixMillis) {
        self.end_all_rides();
        self.link.on_connected(at);
        for entry in &mut self.listings {
            entry.last_tick_at = None;
            entry.insists = false;
            entry.resubscribed_at = None;
            entry.snapshot_due_at = None;
        }
    }

    pub(crate) fn on_disconnected(&mut self, reason: SourceReason) {
        self.end_all_rides();
        self.link.on_disconnected(reason);
    }

    /// Returns whether every symbol must be subscribed anew: back online, only snapshots prove
    /// anything.
    pub(crate) fn on_system(&mut self, system: SystemStatus) -> bool {
        let was = self.link.on_system(system);
        if system != SystemStatus::Online {
            self.end_all_rides();
        }
        system == SystemStatus::Online && matches!(was, Some(SystemStatus::NotTrading(_)))
    }

    /// A ticker or heartbeat frame arrived: what rides is proved anew.
    pub(crate) fn on_proof(&mut self, at: UnixMillis) {
        self.link.on_proof(at);
    }

    /// A ping that left at `sent_at` was answered: what follows was said later.
    pub(crate) fn on_pong(&mut self, at: UnixMillis, sent_at: UnixMillis) {
        self.link.on_pong(at, sent_at);
    }

    /// Anything may have been in it. Every symbol is subscribed anew by the session.
    pub(crate) fn on_undecodable(&mut self, at: UnixMillis) {
        self.end_all_rides();
        (0..self.listings.len()).for_each(|index| self.await_snapshot(index, at));
    }

    pub(crate) fn on_unsupported(&mut self, index: usize, at: UnixMillis) -> bool {
        self.end_ride(index);
        self.listings.get_mut(index).is_some_and(|entry| entry.listing.note_refused(at))
    }

    pub(crate) fn on_tick_refused(&mut self, index: usize) {
        self.end_ride(index);
        if let Some(entry) = self.listings.get_mut(index) {
            entry.listing.gate.drop_candidate();
        }
    }

    /// A ticker item that passed the normaliser. The frame itself is [`Kraken::on_proof`].
    /// Nothing counts while the engine is not online.
    pub(crate) fn on_tick(
        &mut self,
        index: usize,
        at: UnixMillis,
        quote: &Quote,
        is_snapshot: bool,
        other: OtherView,
    ) -> Option<Transition> {
        let proved_at = self.link.proved_at().filter(|_| self.link.is_online())?;
        let was_live = self.live(index, at).is_some();
        let is_first = self.listings.get(index)?.last_tick_at.is_none();
        let entry = self.listings.get_mut(index)?;
        entry.listing.note_listed();
        entry.snapshot_due_at = entry.snapshot_due_at.filter(|_| !is_snapshot);
        let is_news = entry.is_news(quote, is_snapshot);
        if entry.is_suspected && !is_news {
            entry.insists = true;
            // Where Coinbase was off all the time nothing speaks against the connection.
            entry.is_unanswered = entry.was_other_near;
            return None;
        }
        entry.needs_proof = false;
        let verdict = entry.listing.gate.judge(at, proved_at, *quote, other);
        entry.last_tick_at = Some(at);
        if is_news {
            entry.news_at = Some(at);
            entry.news_proved_at = proved_at;
            entry.note_news(quote, is_snapshot, other.live);
        }
        let was_suspected = std::mem::take(&mut entry.is_suspected);
        entry.insists = false;
        entry.has_reconnected_for_suspicion = false;
        if verdict != Verdict::Accepted {
            self.end_ride(index);
            if let Some(entry) = self.listings.get_mut(index) {
                entry.live_since = None;
            }
            return match verdict {
                Verdict::Quarantined { reference } => Some(Transition::Quarantined {
                    source: Source::Kraken,
                    symbol: quote.symbol,
                    price: quote.price,
                    reference,
                }),
                Verdict::Waiting | Verdict::Accepted => None,
            };
        }
        if is_snapshot && is_first && entry.holds_newer_than(quote) {
            // An older answer of a lagging backend after a reconnect: no proof of either price.
            return None;
        }
        // A late tick of the subscription that is being renewed: no later frame proves it.
        entry.rides = entry.snapshot_due_at.is_none();
        entry.live_since = entry.live_since.filter(|_| was_live).or(Some(at));
        entry.listing.held = Some(Held::new(quote, proved_at));
        was_suspected.then_some(Transition::SuspicionCleared { symbol: quote.symbol })
    }

    // ── What follows with time ─────────────────────────────────────────────────────────────

    /// Lets a waiting candidate pass if something speaks for it by now.
    pub(crate) fn review(
        &mut self,
        index: usize,
        now: UnixMillis,
        other: OtherView,
    ) -> Option<Transition> {
        let proved_at = self.link.proved_at()?;
        let entry = self.listings.get_mut(index)?;
        let candidate = entry.listing.gate.review(proved_at, other)?;
        entry.listing.held = Some(Held::new(&candidate.quote, candidate.confirmed_at));
        entry.rides = entry.snapshot_due_at.is_none();
        entry.live_since = Some(now);
        Some(Transition::Released {
            source: Source::Kraken,
            symbol: candidate.quote.symbol,
            price: candidate.quote.price,
            is_decimal_shift: candidate.is_decimal_shift,
        })
    }

    /// Suspects a symbol that is silent while the other source's price moves; or drops the
    /// suspicion once it has no grounds any more: not while the other says nothing, for then nobody
    /// could tell a price that stands from one that was left. A move counts even while it is only a candidate:
    /// a crash seen on Coinbase alone waits for Kraken, and a frozen Kraken would never speak.
    pub(crate) fn suspect(
        &mut self,
        index: usize,
        symbol: Symbol,
        now: UnixMillis,
        other: OtherView,
    ) -> Option<Transition> {
        let is_live = self.live(index, now).is_some();
        let entry = self.listings.get_mut(index)?;
        other.live.into_iter().for_each(|said| entry.note_other(said));
        let moved = other.says.and_then(|said| Some((said, entry.left_behind_by(said)?)));
        let Some((said, nearest)) = moved else {
            if other.says.is_none() || !std::mem::take(&mut entry.is_suspected) {
                return None;
            }
            entry.insists = false;
            entry.needs_proof = true;
            return Some(Transition::SuspicionCleared { symbol });
        };
        let silent_ms = now.ms_since(entry.news_at?);
        if entry.is_suspected || !is_live || silent_ms < FROZEN_AFTER_MS {
            return None;
        }
        entry.is_suspected = true;
        entry.live_since = None;
        let news_proved_at = entry.news_proved_at;
        self.end_ride(index);
        if let Some(held) = self.listings.get_mut(index).and_then(|e| e.listing.held.as_mut()) {
            // What rode since then is in doubt: its own tick is the last proof that stands.
            held.confirmed_at = news_proved_at;
        }
        Some(Transition::SuspectedFrozen { symbol, silent_ms, moved_bp: said.distance_bp(nearest) })
    }

    /// Whether its price is suspected frozen.
    pub(crate) fn is_suspected(&self, index: usize) -> bool {
        self.listings.get(index).is_some_and(|entry| entry.is_suspected)
    }

    /// Asks for what the silent symbols need, and notes that it was asked for.
    /// `renew_all` asks for every symbol.
    pub(crate) fn upkeep(
        &mut self,
        now: UnixMillis,
        symbols: &[Symbol],
        renew_all: bool,
    ) -> Upkeep {
        let mut upkeep = Upkeep::default();
        let Some(connected_at) = self.link.online_since() else {
            return upkeep;
        };
        for index in 0..self.listings.len() {
            upkeep.reconnect |= self.escalates(index, now);
        }
        let is_heard = self.link.is_heard_within(now, ASK_WITHIN_MS);
        let is_due = |entry: &KrakenListing, within_ms: u64| {
            let is_urgent = entry.is_suspected || entry.needs_proof;
            entry.listing.refused_since.is_none()
                && (renew_all
                    || (is_heard || is_urgent)
                        && entry.is_due_for_resubscribe(connected_at, now.plus_ms(within_ms)))
        };
        let batch_ms =
            if self.listings.iter().any(|entry| is_due(entry, 0)) { QUIET_BATCH_MS } else { 0 };
        for (index, symbol) in symbols.iter().enumerate() {
            if self.listings.get(index).is_some_and(|entry| is_due(entry, batch_ms)) {
                self.await_snapshot(index, now);
                upkeep.resubscribe.push(*symbol);
            }
        }
        upkeep
    }

    /// The symbol is subscribed anew: until its snapshot comes, no tick of it may be sent at all,
    /// so no other frame proves that nothing has changed.
    fn await_snapshot(&mut self, index: usize, now: UnixMillis) {
        self.end_ride(index);
        if let Some(entry) = self.listings.get_mut(index) {
            entry.needs_proof = false;
            entry.resubscribed_at = Some(now);
            entry.suspect_asked_at = entry.suspect_asked_at.max(entry.is_suspected.then_some(now));
            entry.snapshot_due_at = Some(now.plus_ms(SNAPSHOT_DEADLINE_MS));
        }
    }

    // ── What is known ──────────────────────────────────────────────────────────────────────

    /// The last moment the symbol's held price was proved.
    pub(crate) fn held(&self, index: usize) -> Option<Held> {
        let entry = self.listings.get(index)?;
        let held = entry.listing.held?;
        let proved_at = self.link.proved_at().filter(|_| entry.rides);
        let confirmed_at = proved_at.map_or(held.confirmed_at, |at| at.max(held.confirmed_at));
        Some(Held { confirmed_at, ..held })
    }

    /// The held price, if it is live at `now`.
    pub(crate) fn live(&self, index: usize, now: UnixMillis) -> Option<Held> {
        self.listings.get(index)?.live_since?;
        self.held(index).filter(|held| now.ms_since(held.confirmed_at) < KRAKEN_DEADLINE_MS)
    }

    /// A price that is suspected, and yet stands against a candidate of the other source: asked
    /// anew, Kraken repeats it.
    pub(crate) fn insists(&self, index: usize, now: UnixMillis) -> Option<Price> {
        let entry = self.listings.get(index)?;
        let is_answered = entry.insists && entry.snapshot_due_at.is_none();
        let is_heard = |at: UnixMillis| now.ms_since(at) < KRAKEN_DEADLINE_MS;
        self.link.proved_at().filter(|&at| is_answered && is_heard(at))?;
        entry.listing.held.map(|held| held.price)
    }

    /// How long the symbol has been live without a break.
    pub(crate) fn live_for_ms(&self, index: usize, now: UnixMillis) -> Option<u64> {
        self.live(index, now)?;
        let since = self.listings.get(index)?.live_since?;
        Some(now.ms_since(since.max(self.link.unbroken_since())))
    }

    pub(crate) fn report(&self, now: UnixMillis) -> SourceReport {
        self.link.report(now)
    }

    fn end_ride(&mut self, index: usize) {
        let held = self.held(index);
        if let Some(entry) = self.listings.get_mut(index) {
            entry.rides = false;
            entry.listing.held = held;
        }
    }

    /// Ends every ride, and every candidate with it: what it rested on is gone.
    fn end_all_rides(&mut self) {
        for index in 0..self.listings.len() {
            self.end_ride(index);
            if let Some(entry) = self.listings.get_mut(index) {
                entry.listing.gate.drop_candidate();
            }
        }
    }

    /// A suspected symbol whose resubscription brought nothing: reconnect, once per suspicion.
    fn escalates(&mut self, index: usize, now: UnixMillis) -> bool {
        let Some(entry) = self.listings.get_mut(index) else { return false };
        let is_overdue = entry.snapshot_due_at.is_some_and(|due| due <= now);
        let is_unanswered = std::mem::take(&mut entry.is_unanswered) || is_overdue;
        let is_too_soon =
            self.reconnected_at.is_some_and(|at| now.ms_since(at) < SUSPICION_EVERY_MS);
        if !is_unanswered
            || !entry.is_suspected
            || entry.has_reconnected_for_suspicion
            || is_too_soon
        {
            return false;
        }
        entry.has_reconnected_for_suspicion = true;
        self.reconnected_at = Some(now);
        true
    }
}
