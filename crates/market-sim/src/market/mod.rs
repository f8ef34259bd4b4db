//! The market underneath both venues: what each one's price is at each moment.
//!
//! Pure: time comes in as microseconds since the start and ticks come out. No fault is known here;
//! a fault distorts what a venue *says*, this is what is true. The one exception, a crash, is a
//! move of the market itself.

pub(crate) mod calibration;
mod generator;
mod quote;
pub(crate) mod rolling;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use generator::{Generator, Pace};
pub(crate) use quote::Quote;

use crate::decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One of the two simulated exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Venue {
    /// The WebSocket v2 face.
    Kraken,
    /// The REST face.
    Coinbase,
}

/// Both venues, in the order of [`Venue::index`].
pub const VENUES: [Venue; 2] = [Venue::Kraken, Venue::Coinbase];

impl Venue {
    /// 0 for Kraken, 1 for Coinbase.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Venue::Kraken => 0,
            Venue::Coinbase => 1,
        }
    }

    /// Lower-case name, as in the control API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Venue::Kraken => "kraken",
            Venue::Coinbase => "coinbase",
        }
    }

    /// This venue's element of a pair ordered like [`VENUES`].
    pub(crate) fn of<T>(self, pair: &[T; 2]) -> &T {
        let [kraken, coinbase] = pair;
        match self {
            Venue::Kraken => kraken,
            Venue::Coinbase => coinbase,
        }
    }

    /// This venue's element of a pair, to change.
    pub(crate) fn of_mut<T>(self, pair: &mut [T; 2]) -> &mut T {
        let [kraken, coinbase] = pair;
        match self {
            Venue::Kraken => kraken,
            Venue::Coinbase => coinbase,
        }
    }
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a venue's record changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TickKind {
    /// A trade: `last`, volume and count move. Sent to subscribers of both triggers.
    Trade,
    /// Only the best bid or ask moved. Sent to `event_trigger: "bbo"` only.
    Book,
}

/// A change of one venue's record of one symbol.
#[derive(Debug, Clone)]
pub(crate) struct Tick {
    /// Which venue.
    pub venue: Venue,
    /// Index into [`Market::listings`].
    pub listing: usize,
    /// Why.
    pub kind: TickKind,
    /// Microseconds since the start of the simulator.
    pub at_us: i64,
    /// The record from then on.
    pub quote: Arc<Quote>,
}

/// A symbol traded here, the same on both venues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Canonical symbol, e.g. `BTC`; the pairs are `BTC/USD` and `BTC-USD`.
    pub symbol: String,
    /// Full name, e.g. `Bitcoin`.
    pub name: String,
    /// Price decimals on each venue, in the order of [`VENUES`].
    pub decimals: [u32; 2],
}

/// Where ticks come from: the generator or a recording.
pub(crate) trait TickSource: Send {
    /// When the next tick is due, in µs since the start; `None` when nothing more will come.
    fn next_at(&self) -> Option<i64>;
    /// The tick due next.
    fn next_tick(&mut self) -> Option<Tick>;
}

/// The current record of every venue and symbol.
pub(crate) struct Market {
    listings: Vec<Listing>,
    source: Box<dyn TickSource>,
    quotes: Vec<[Arc<Quote>; 2]>,
    /// Price factor of a crash in parts per million; 1,000,000 is none.
    factors: Vec<i128>,
}

const WHOLE: i128 = 1_000_000;

impl Market {
    pub(crate) fn new(
        listings: Vec<Listing>,
        quotes: Vec<[Arc<Quote>; 2]>,
        source: Box<dyn TickSource>,
    ) -> Self {
        let factors = vec![WHOLE; listings.len()];
        Self { listings, source, quotes, factors }
    }

    /// The symbols traded, in configured order.
    #[must_use]
    pub(crate) fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// When the next tick is due, in µs since the start.
    #[must_use]
    pub(crate) fn next_at(&self) -> Option<i64> {
        self.source.next_at()
    }

    /// Every tick due by `now_us`, in the order of time.
    pub(crate) fn advance(&mut self, now_us: i64) -> Vec<Tick> {
        let mut ticks = Vec::new();
        while self.source.next_at().is_some_and(|at| at <= now_us) {
            let Some(tick) = self.source.next_tick() else { break };
            ticks.push(self.settle(tick));
        }
        ticks
    }

    fn settle(&mut self, mut tick: Tick) -> Tick {
        let factor = self.factors.get(tick.listing).copied().unwrap_or(WHOLE);
        if factor != WHOLE {
            tick.quote = Arc::new(crashed(&tick.quote, factor, WHOLE));
        }
        self.store(&tick);
        tick
    }

    fn store(&mut self, tick: &Tick) {
        if let Some(pair) = self.quotes.get_mut(tick.listing) {
            *tick.venue.of_mut(pair) = Arc::clone(&tick.quote);
        }
    }

    /// What `venue` truthfully says about a listing now.
    #[must_use]
    pub(crate) fn quote(&self, venue: Venue, listing: usize) -> Option<&Arc<Quote>> {
        self.quotes.get(listing).map(|pair| venue.of(pair))
    }

    /// All records, indexed like the listings and [`VENUES`].
    #[must_use]
    pub(crate) fn quotes(&self) -> &[[Arc<Quote>; 2]] {
        &self.quotes
    }

    /// Moves the market of a listing to `ppm` millionths of its path on both venues, at once; a
    /// million brings it back. Answers with the ticks of the move.
    pub(crate) fn crash(
        &mut self,
        listing: usize,
        ppm: i128,
        now_us: i64,
        epoch_us: i64,
    ) -> Vec<Tick> {
        let Some(factor) = self.factors.get_mut(listing) else { return Vec::new() };
        let before = std::mem::replace(factor, ppm.max(1));
        if before == ppm.max(1) {
            return Vec::new();
        }
        VENUES
            .into_iter()
            .filter_map(|venue| {
                let mut quote = crashed(self.quote(venue, listing)?, ppm.max(1), before);
                quote.at_us = quote.at_us.map(|_| epoch_us);
                Some(self.put(venue, listing, quote, now_us))
            })
            .collect()
    }

    /// Makes `price` the venue's last price until its next tick.
    pub(crate) fn set_price(
        &mut self,
        venue: Venue,
        listing: usize,
        price: Decimal,
        now_us: i64,
        epoch_us: i64,
    ) -> Option<Tick> {
        let quote = self.quote(venue, listing)?;
        let decimals = quote.last.scale();
        let spread = quote.ask.minus(quote.bid).units().max(0);
        let last = if price.scale() <= decimals { price.rescaled(decimals) } else { price };
        let quote = Quote {
            last,
            bid: last,
            ask: Decimal::new(last.units() + spread, last.scale()),
            high: if last.minus(quote.high).units() > 0 { last } else { quote.high },
            low: if last.minus(quote.low).units() < 0 { last } else { quote.low },
            // Coinbase's volume moves with every trade: a price that moves without it would look
            // like a served-from-cache answer.
            volume: Decimal::new(quote.volume.units() + 1, quote.volume.scale()),
            trades: quote.trades.map(|trades| trades + 1),
            at_us: Some(epoch_us),
            ..quote.as_ref().clone()
        };
        Some(self.put(venue, listing, quote, now_us))
    }

    fn put(&mut self, venue: Venue, listing: usize, quote: Quote, at_us: i64) -> Tick {
        let quote = Arc::new(quote);
        let tick = Tick { venue, listing, kind: TickKind::Trade, at_us, quote };
        self.store(&tick);
        tick
    }
}

fn crashed(quote: &Quote, numerator: i128, denominator: i128) -> Quote {
    let mut out = quote.scaled(numerator, denominator);
    if out.last.minus(out.low).units() < 0 {
        out.low = out.last;
    }
    if out.last.minus(out.high).units() > 0 {
        out.high = out.last;
    }
    out
}
