//! The fallback: a poll a second, each answer a proof for the moment its request was sent.

use std::collections::VecDeque;

use crate::listing::{Held, Listing};
use crate::plausibility::{OtherView, Verdict};
use crate::price::{Price, Volume};
use crate::quote::Quote;
use crate::snapshot::SourceReport;
use crate::source::{Source, SourceReason, SourceStatus};
use crate::time::UnixMillis;
use crate::transition::Transition;

/// A price is live until this long after the poll that should have followed.
const GRACE_MS: u64 = 2_000;
/// Every product unchanged for this long: an answer is a repetition, not a confirmation.
const FROZEN_AFTER_MS: u64 = 30_000;

/// Answers remembered, to tell one that comes again from news.
const REMEMBERED: usize = 64;
/// How far the prices of such an answer must lie from the last one's.
const OLD_ANSWER_BP: u32 = 25;

/// What an answer says of one product.
type Said = (Price, Option<Volume>);

#[derive(Clone, Debug, Default)]
struct CoinbaseListing {
    listing: Listing,
    last_said: Option<Said>,
    /// What was said before and has given way to something else, the newest last.
    superseded: VecDeque<Said>,
}

#[derive(Clone, Debug)]
pub(crate) struct Coinbase {
    interval_ms: u64,
    listings: Vec<CoinbaseListing>,
    /// Last moment any product's price or volume changed.
    changed_at: Option<UnixMillis>,
    /// An old answer has come again: which of the backends is right, only news can tell.
    repeats_itself: bool,
    last_success_at: Option<UnixMillis>,
    last_failure: Option<SourceReason>,
    breaker_is_open: bool,
}

impl Coinbase {
    pub(crate) fn new(symbols: usize, interval_ms: u64) -> Self {
        Self {
            interval_ms,
            listings: vec![CoinbaseListing::default(); symbols],
            changed_at: None,
            repeats_itself: false,
            last_success_at: None,
            last_failure: None,
            breaker_is_open: false,
        }
    }

    pub(crate) fn listing(&self, index: usize) -> Option<&Listing> {
        self.listings.get(index).map(|l| &l.listing)
    }

    pub(crate) fn listing_mut(&mut self, index: usize) -> Option<&mut Listing> {
        self.listings.get_mut(index).map(|l| &mut l.listing)
    }

    pub(crate) const fn last_update(&self) -> Option<UnixMillis> {
        self.last_success_at
    }

    // ── What the poller says ───────────────────────────────────────────────────────────────

    /// An answer arrived: notes whether anything in it has changed. Returns whether it can be
    /// believed; then its products follow.
    pub(crate) fn on_answer<'a>(
        &mut self,
        at: UnixMillis,
        quotes: impl Iterator<Item = (usize, &'a Quote)> + Clone,
    ) -> bool {
        self.last_success_at = Some(at);
        self.last_failure = None;
        if self.is_old_answer(quotes.clone()) {
            self.repeats_itself = true;
            quotes.for_each(|(index, quote)| self.remember_again(index, quote));
            return false;
        }
        for (index, quote) in quotes {
            let said = (quote.price, quote.volume_24h);
            if let Some(entry) = self.listings.get_mut(index)
                && entry.last_said != Some(said)
            {
                let before = entry.last_said.replace(said);
                if entry.superseded.len() == REMEMBERED {
                    entry.superseded.pop_front();
                }
                entry.superseded.extend(before);
                self.changed_at = Some(at);
                self.repeats_itself = false;
            }
        }
        !self.repeats_itself
    }

    /// Whether it says, of every product of which it says something else than the answer before it,
    /// what an earlier answer said, price and volume: one of several backends has stopped. One
    /// product may come back by chance, the volume does not move with every trade, and a few basis
    /// points are no matter.
    fn is_old_answer<'a>(&self, quotes: impl Iterator<Item = (usize, &'a Quote)>) -> bool {
        let (mut changed, mut is_far) = (0, false);
        for (index, quote) in quotes {
            let Some(entry) = self.listings.get(index) else { return false };
            let said = (quote.price, quote.volume_24h);
            let Some((last, _)) = entry.last_said else { return false };
            if entry.last_said == Some(said) {
                continue;
            }
            if quote.volume_24h.is_none() || !entry.superseded.contains(&said) {
                return false;
            }
            changed += 1;
            is_far |= !quote.price.is_within_bp(last, OLD_ANSWER_BP);
        }
        changed > 1 && is_far
    }

    /// What is said again and again is not to be forgotten for all the news in between.
    fn remember_again(&mut self, index: usize, quote: &Quote) {
        let Some(entry) = self.listings.get_mut(index) else { return };
        let said = (quote.price, quote.volume_24h);
        let place = entry.superseded.iter().position(|before| *before == said);
        let again = place.and_then(|place| entry.superseded.remove(place));
        entry.superseded.extend(again);
    }

    pub(crate) fn on_quote(
        &mut self,
        index: usize,
        at: UnixMillis,
        sent_at: UnixMillis,
        quote: &Quote,
        other: OtherView,
    ) -> Option<Transition> {
        let is_frozen = self.is_frozen(at);
        let entry = self.listings.get_mut(index)?;
        entry.listing.note_listed();
        match entry.listing.gate.judge(at, sent_at, *quote, other) {
            Verdict::Accepted => {
                if !is_frozen {
                    entry.listing.held = Some(Held::new(quote, sent_at));
                }
                None
            }
            Verdict::Waiting => None,
            Verdict::Quarantined { reference } => Some(Transition::Quarantined {
                source: Source::Coinbase,
                symbol: quote.symbol,
                price: quote.price,
                reference,
            }),
        }
    }

    /// The product is in the answer, but cannot be used.
    pub(crate) fn on_quote_refused(&mut self, index: usize) {
        if let Some(entry) = self.listings.get_mut(index) {
            entry.listing.gate.drop_candidate();
        }
    }

    pub(crate) fn on_unsupported(&mut self, index: usize, at: UnixMillis) -> bool {
        self.listings.get_mut(index).is_some_and(|entry| entry.listing.note_refused(at))
    }

    pub(crate) const fn on_failed(&mut self, reason: SourceReason) {
        self.last_failure = Some(reason);
    }

    pub(crate) const fn on_breaker(&mut self, is_open: bool) {
        self.breaker_is_open = is_open;
    }

    // ── What follows with time ─────────────────────────────────────────────────────────────

    /// Lets a waiting candidate pass if something speaks for it by now.
    /// A repetition of what may be frozen is no standing.
    pub(crate) fn review(
        &mut self,
        index: usize,
        now: UnixMillis,
        other: OtherView,
    ) -> Option<Transition> {
        if self.is_frozen(now) {
            return None;
        }
        let entry = self.listings.get_mut(index)?;
        let proved_at = entry.listing.gate.received_at()?;
        let candidate = entry.listing.gate.review(proved_at, other)?;
        entry.listing.held = Some(Held::new(&candidate.quote, candidate.confirmed_at));
        Some(Transition::Released {
            source: Source::Coinbase,
            symbol: candidate.quote.symbol,
            price: candidate.quote.price,
            is_decimal_shift: candidate.is_decimal_shift,
        })
    }

    // ── What is known ──────────────────────────────────────────────────────────────────────

    pub(crate) fn held(&self, index: usize) -> Option<Held> {
        self.listings.get(index)?.listing.held
    }

    /// The held price, if it is live at `now`.
    pub(crate) fn live(&self, index: usize, now: UnixMillis) -> Option<Held> {
        let entry = self.listings.get(index)?;
        // A price restored from an earlier run is last known, however young.
        entry.last_said?;
        entry.listing.held.filter(|held| {
            !entry.listing.gate.is_waiting()
                && now.ms_since(held.confirmed_at) < self.interval_ms + GRACE_MS
        })
    }

    pub(crate) fn report(&self, now: UnixMillis) -> SourceReport {
        let last_update = self.last_success_at;
        let is_late = last_update.is_none_or(|at| now.ms_since(at) >= self.interval_ms + GRACE_MS);
        let (status, reason) = if self.breaker_is_open {
            (SourceStatus::Down, Some(SourceReason::BreakerOpen))
        } else if is_late {
            let never =
                if last_update.is_none() { SourceReason::Starting } else { SourceReason::Silent };
            (SourceStatus::Stale, Some(self.last_failure.unwrap_or(never)))
        } else if self.is_frozen(now) {
            (SourceStatus::Stale, Some(SourceReason::Frozen))
        } else {
            (SourceStatus::Connected, None)
        };
        SourceReport { status, reason, last_update }
    }

    fn is_frozen(&self, now: UnixMillis) -> bool {
        self.changed_at.is_some_and(|at| now.ms_since(at) >= FROZEN_AFTER_MS)
    }
}
