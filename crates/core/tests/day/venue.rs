//! A venue: it makes its own prices round the fair one, at its own moments.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::chance::{gap_ms, relax};
use crate::market::{COINS, Market};

/// Standard deviation of a venue's distance from the fair price, and how long one lasts. Measured
/// between the two venues: 1.2 bp.
const BASIS_SD: f64 = 0.000_09;
const BASIS_TAU_MS: f64 = 60_000.0;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Venue {
    Kraken,
    Coinbase,
}

/// What may happen to a coin on a venue by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stir {
    /// Somebody trades.
    Trade,
    /// The best bid or offer changes.
    Book,
    /// A maker looks whether the price has run away.
    Look,
}

/// One coin on one venue.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    venue: Venue,
    index: usize,
    basis: f64,
    basis_at_ms: u64,
    quoted: f64,
    last: f64,
    /// In hundredths, grows with each trade.
    volume: u64,
}

impl Listing {
    pub(crate) fn new(venue: Venue, index: usize, market: &Market, at_ms: u64) -> Self {
        let price = market.fair(index, at_ms);
        Self { venue, index, basis: 0.0, basis_at_ms: at_ms, quoted: price, last: price, volume: 1 }
    }

    /// Whether anybody sees a change: Kraken would send a ticker.
    pub(crate) fn stir(
        &mut self,
        stir: Stir,
        market: &Market,
        now_ms: u64,
        rng: &mut StdRng,
    ) -> bool {
        let dt = (now_ms - self.basis_at_ms) as f64 / BASIS_TAU_MS;
        self.basis = relax(rng, self.basis, BASIS_SD, dt);
        self.basis_at_ms = now_ms;
        let price = market.fair(self.index, now_ms) * (1.0 + self.basis);
        let away_bp = (price / self.quoted - 1.0).abs() * 10_000.0;
        let is_trade = match stir {
            Stir::Trade => true,
            Stir::Book => false,
            Stir::Look if away_bp > COINS[self.index].requote_bp => rng.random_bool(0.5),
            Stir::Look => return false,
        };
        self.quoted = price;
        if is_trade {
            self.last = price;
            self.volume += rng.random_range(1..1_000);
        }
        true
    }

    /// When it next stirs in that way; `None` if never.
    pub(crate) fn next_ms(
        &self,
        stir: Stir,
        market: &Market,
        now_ms: u64,
        rng: &mut StdRng,
    ) -> Option<u64> {
        let coin = COINS[self.index];
        let activity = market.activity(self.venue, self.index, now_ms);
        let per_s = match (stir, self.venue) {
            (Stir::Look, _) => return Some(rng.random_range(300..1_000)),
            (Stir::Trade, venue) => coin.trades_per_s[venue as usize],
            (Stir::Book, Venue::Kraken) => coin.book_per_s,
            (Stir::Book, Venue::Coinbase) => return None,
        };
        Some(gap_ms(rng, per_s * activity))
    }

    /// The last trade's price and the volume, as the venue writes them.
    pub(crate) fn says(&self) -> (String, String) {
        let decimals = COINS[self.index].decimals[self.venue as usize];
        let volume = format!("{}.{:02}", self.volume / 100, self.volume % 100);
        (format!("{:.decimals$}", self.last), volume)
    }
}
