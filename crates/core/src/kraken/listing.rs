//! One symbol on Kraken: what is held of it, and what is doubted.

use crate::listing::Listing;
use crate::price::Price;
use crate::quote::Quote;
use crate::time::UnixMillis;

/// How far the other source must have moved away meanwhile.
const FROZEN_MOVE_BP: u32 = 25;
/// A suspicion resubscribes its symbol, and reconnects, at most this often.
pub(super) const SUSPICION_EVERY_MS: u64 = 60_000;
/// A symbol without a tick for this long is resubscribed anyway.
const QUIET_RESUBSCRIBE_AFTER_MS: u64 = 30_000;

/// One symbol on Kraken.
#[derive(Clone, Debug, Default)]
pub(super) struct KrakenListing {
    pub(super) listing: Listing,
    pub(super) rides: bool,
    /// Since when its ticks have been live; `None` while it is suspected or a candidate waits.
    pub(super) live_since: Option<UnixMillis>,
    /// On this connection.
    pub(super) last_tick_at: Option<UnixMillis>,
    /// The last tick, on whatever connection, that was news.
    pub(super) news_at: Option<UnixMillis>,
    /// The moment for which that tick proved the held price.
    pub(super) news_proved_at: UnixMillis,
    /// The price of Coinbase since that tick that was nearest to the held one: from there "has moved
    /// away" is measured.
    pub(super) nearest: Option<Price>,
    /// Since that tick Coinbase was near it, or its own price is the measure: when it is away, it has moved.
    pub(super) was_other_near: bool,
    pub(super) is_suspected: bool,
    /// Asked, it said the same again.
    pub(super) insists: bool,
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
    /// A snapshot that repeats the held price is none: a frozen venue would repeat it too.
    pub(super) fn is_news(&self, quote: &Quote, is_snapshot: bool) -> bool {
        let repeats = || self.listing.held.is_some_and(|held| held.price == quote.price);
        !is_snapshot || self.news_at.is_none() || !repeats()
    }

    /// An update was said just now, beside what Coinbase says at the moment. A snapshot may be old:
    /// only its own price can be its measure.
    pub(super) fn note_news(&mut self, quote: &Quote, is_snapshot: bool, other: Option<Price>) {
        let other = other.filter(|_| !is_snapshot);
        self.was_other_near = other.is_some();
        self.nearest = Some(other.unwrap_or(quote.price));
    }

    /// Coinbase may only follow a move that Kraken made first.
    pub(super) fn note_other(&mut self, other: Price) {
        let (Some(held), Some(nearest)) = (self.listing.held, self.nearest) else { return };
        self.was_other_near |= other.is_within_bp(held.price, FROZEN_MOVE_BP);
        if other.distance_bp(held.price) < nearest.distance_bp(held.price) {
            self.nearest = Some(other);
        }
    }

    /// Where it was nearest, if what Coinbase says is away from there.
    pub(super) fn left_behind_by(&self, said: Price) -> Option<Price> {
        self.nearest.filter(|nearest| !said.is_within_bp(*nearest, FROZEN_MOVE_BP))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Held;
    use crate::test_support::{at, price, quote};

    fn holding(held: &Quote) -> KrakenListing {
        let mut entry = KrakenListing { news_at: Some(at(0)), ..KrakenListing::default() };
        entry.listing.held = Some(Held::new(held, at(0)));
        entry
    }

    #[test]
    fn only_a_snapshot_that_repeats_the_held_price_is_no_news_and_the_first_tick_always_is() {
        let entry = holding(&quote("100"));
        for (said, is_snapshot, is_news) in
            [("100", false, true), ("101", false, true), ("101", true, true), ("100", true, false)]
        {
            assert_eq!(entry.is_news(&quote(said), is_snapshot), is_news, "{said} {is_snapshot}");
        }
        let restored = KrakenListing { news_at: None, ..entry };
        assert!(restored.is_news(&quote("100"), true));
    }

    #[test]
    fn of_two_prices_of_the_other_source_that_were_equally_near_the_first_is_the_measure() {
        let mut entry = holding(&quote("100"));
        entry.note_news(&quote("100"), false, Some(price("99.90")));
        entry.note_other(price("100.10"));
        assert_eq!(entry.left_behind_by(price("100.30")), Some(price("99.90")), "40 bp away");
        entry.note_other(price("100.09"));
        assert_eq!(entry.left_behind_by(price("100.30")), None, "21 bp from the nearer one");
    }

    #[test]
    fn an_older_event_time_and_another_price_are_told_by_the_exchanges_own_times_alone() {
        let newer = Quote { as_of: at(1_000), as_of_replaced: false, ..quote("100") };
        let older = Quote { as_of: at(999), price: price("101"), ..newer };
        let ours = |quote: &Quote| Quote { as_of_replaced: true, ..*quote };
        assert!(holding(&newer).holds_newer_than(&older));
        for (held, said) in [
            (newer, Quote { as_of: newer.as_of, ..older }),
            (newer, Quote { price: newer.price, ..older }),
            (newer, ours(&older)),
            (ours(&newer), older),
        ] {
            assert!(!holding(&held).holds_newer_than(&said), "{held:?} {said:?}");
        }
        assert!(!KrakenListing::default().holds_newer_than(&older));
    }
}
