//! One symbol on one source: what is held, how it was proved, and what waits.

use crate::plausibility::{Gate, OtherView};
use crate::price::{ChangePct, Price};
use crate::quote::Quote;
use crate::snapshot::PricePoint;
use crate::time::UnixMillis;

/// The last accepted quote. Kept for ever: last known prices are never lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) price: Price,
    pub(crate) change_24h: ChangePct,
    pub(crate) as_of: UnixMillis,
    /// Whether `as_of` is our own receive time and so says nothing of the exchange's order.
    pub(crate) as_of_replaced: bool,
    pub(crate) confirmed_at: UnixMillis,
}

impl Held {
    pub(crate) const fn new(quote: &Quote, confirmed_at: UnixMillis) -> Self {
        Self {
            price: quote.price,
            change_24h: quote.change_24h,
            as_of: quote.as_of,
            as_of_replaced: quote.as_of_replaced,
            confirmed_at,
        }
    }

    /// A price of an earlier run, with its true age.
    pub(crate) const fn restored(point: &PricePoint) -> Self {
        Self {
            price: point.price,
            change_24h: point.change_24h,
            as_of: point.as_of,
            as_of_replaced: false,
            confirmed_at: point.confirmed_at,
        }
    }
}

/// What both sources keep of each symbol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) held: Option<Held>,
    pub(crate) gate: Gate,
    /// Since when the source says it does not list the symbol.
    pub(crate) refused_since: Option<UnixMillis>,
}

impl Listing {
    /// What the other source needs to know to judge its own quote of this symbol.
    pub(crate) fn view(&self, now: UnixMillis, live: Option<Price>) -> OtherView {
        let latest = self.gate.latest(now, live.is_some());
        OtherView {
            live,
            latest,
            says: if self.gate.is_waiting() { latest } else { live },
            lists: self.refused_since.is_none(),
        }
    }

    /// What is listed under this name from now on has nothing to do with what was.
    pub(crate) fn forget(&mut self) {
        self.held = None;
        self.gate = Gate::default();
    }

    /// The source answers for the symbol, so it lists it.
    pub(crate) const fn note_listed(&mut self) {
        self.refused_since = None;
    }

    /// The source says it does not list the symbol. Returns whether that is news.
    pub(crate) fn note_refused(&mut self, at: UnixMillis) -> bool {
        self.gate.drop_candidate();
        let is_news = self.refused_since.is_none();
        self.refused_since.get_or_insert(at);
        is_news
    }
}
