//! One symbol on Kraken: what is held of it, and what is doubted.

use crate::listing::Listing;
use crate::plausibility::OtherView;
use crate::price::Price;
use crate::quote::Quote;
use crate::time::UnixMillis;

/// How far the other source must have moved meanwhile.
pub(super) const FROZEN_MOVE_BP: u32 = 25;
/// Sources this close say the same: the other has only followed a move that Kraken made first.
const FROZEN_APART_BP: u32 = 12;
/// A suspicion resubscribes its symbol, and reconnects, at most this often.
pub(super) const SUSPICION_EVERY_MS: u64 = 60_000;
/// A symbol without a tick for this long is resubscribed anyway.
const QUIET_RESUBSCRIBE_AFTER_MS: u64 = 30_000;

/// One symbol on Kraken.
#[derive(Clone, Debug, Default)]
pub(super) struct KrakenListing {
    pub(super) listing: Listing,
    pub(super) rides: bool,
    pub(super) live_since: Option<UnixMillis>,
    /// On this connection.
    pub(super) last_tick_at: Option<UnixMillis>,
    /// The last tick, on whatever connection, that may have been news.
    pub(super) news_at: Option<UnixMillis>,
    /// The moment for which that tick proved the held price.
    pub(super) news_proved_at: UnixMillis,
    /// Coinbase's price at that tick: what "has moved since" is measured from.
    pub(super) other_at_tick: Option<Price>,
    pub(super) is_suspected: bool,
    /// Its resubscription has brought nothing that would clear the suspicion.
    pub(super) is_unanswered: bool,
    pub(super) has_reconnected_for_suspicion: bool,
    /// When it was last resubscribed for a suspicion, on whatever connection.
    pub(super) suspect_asked_at: Option<UnixMillis>,
    /// A suspicion has lost its grounds: the snapshot of a new subscription is to tell.
    pub(super) needs_proof: bool,
    pub(super) resubscribed_at: Option<UnixMillis>,
    /// Set from a resubscription until its snapshot is in, be it overdue.
    pub(super) snapshot_due_at: Option<UnixMillis>,
}

impl KrakenListing {
    pub(super) fn says_the_same_as(&self, said: Price) -> bool {
        self.listing.held.is_some_and(|held| said.is_within_bp(held.price, FROZEN_APART_BP))
    }

    /// A snapshot that repeats the held price is no news while the other source is away from where
    /// it was at the last one: a frozen venue would say so too.
    pub(super) fn repeats_the_held(&self, quote: &Quote, other: OtherView) -> bool {
        let is_same = self.listing.held.is_some_and(|held| held.price == quote.price);
        let is_away = match (other.live, self.other_at_tick) {
            (Some(other), Some(reference)) => !other.is_within_bp(reference, FROZEN_MOVE_BP),
            _ => false,
        };
        is_same && is_away
    }

    /// Whether what is held carries a later time of the exchange, and another price.
    pub(super) fn holds_newer_than(&self, quote: &Quote) -> bool {
        self.listing.held.is_some_and(|held| {
            !held.as_of_replaced
                && !quote.as_of_replaced
                && quote.as_of < held.as_of
                && quote.price != held.price
        })
    }

    pub(super) fn is_due_for_resubscribe(&self, connected_at: UnixMillis, by: UnixMillis) -> bool {
        if self.is_suspected {
            let asked_at = self.suspect_asked_at.unwrap_or_default();
            return by.ms_since(asked_at) >= SUSPICION_EVERY_MS;
        }
        // Ticks of a subscription whose snapshot never came are no sign that it is in order.
        let heard_at = self.last_tick_at.filter(|_| self.snapshot_due_at.is_none());
        let heard_at = heard_at.unwrap_or(connected_at);
        let asked_at = self.resubscribed_at.unwrap_or_default();
        self.needs_proof || by.ms_since(heard_at.max(asked_at)) >= QUIET_RESUBSCRIBE_AFTER_MS
    }
}
