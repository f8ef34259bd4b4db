//! One day of a market: what five coins were worth at every second, and how busily each venue
//! trades and quotes them.

use std::path::Path;
use std::sync::Arc;

use rand::rngs::StdRng;

use crate::chance::{normal, relax};
use crate::venue::Venue;

const DAY_S: usize = 86_400;
pub(crate) const DAY_MS: u64 = DAY_S as u64 * 1_000;
const NIGHT_ENDS_MS: u64 = 6 * 3_600_000;
/// A coin that moved so far within a minute is traded as by day.
const LIVELY_BP: f64 = 15.0;

/// A coin as both venues list it. The figures are those of a recorded Saturday, as market-sim has
/// them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coin {
    pub(crate) symbol: &'static str,
    price: f64,
    daily_volatility: f64,
    /// Decimals of a price on Kraken and on Coinbase.
    pub(crate) decimals: [usize; 2],
    /// Trades per second on Kraken and on Coinbase, by day.
    pub(crate) trades_per_s: [f64; 2],
    /// Changes of Kraken's best bid or offer per second that nothing moved, by day.
    pub(crate) book_per_s: f64,
    /// How much of that is left at night, on Kraken and on Coinbase.
    night: [f64; 2],
    /// How far the fair price runs from the quoted one before a maker follows it.
    pub(crate) requote_bp: f64,
}

const fn coin(
    symbol: &'static str,
    (price, daily_volatility): (f64, f64),
    decimals: [usize; 2],
    (trades, book): (f64, f64),
    (kraken_night, requote_bp): (f64, f64),
) -> Coin {
    let trades_per_s = [trades, trades * 2.5];
    let night = [kraken_night, 0.2];
    let book_per_s = book;
    Coin { symbol, price, daily_volatility, decimals, trades_per_s, book_per_s, night, requote_bp }
}

/// Kraken says nothing of the two thin ones for minutes at night.
pub(crate) const COINS: [Coin; 5] = [
    coin("BTC", (83_744.3, 0.020), [1, 2], (1.3, 5.0), (0.2, 2.0)),
    coin("ETH", (2_412.55, 0.030), [2, 2], (0.6, 4.0), (0.1, 3.0)),
    coin("SOL", (143.27, 0.038), [2, 2], (0.5, 3.0), (0.05, 5.0)),
    coin("XRP", (2.134_21, 0.035), [5, 4], (0.45, 2.5), (0.02, 8.0)),
    coin("DOGE", (0.162_340_5, 0.045), [7, 5], (0.25, 1.5), (0.02, 10.0)),
];

/// What the day is like.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    /// Per coin, its fair price at each second.
    fair: Arc<Vec<Vec<f64>>>,
    /// Whether nobody trades the thin coins by day either.
    is_quiet: bool,
}

impl Market {
    /// The recorded day that begins `skip_days` into the recording, or `None` with a word about
    /// it where the recording is not there.
    pub(crate) fn recorded(skip_days: usize) -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/market-data/history/replay_5symbols_2025-06-21_3d.csv");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("no recording at {}: a generated market instead", path.display());
            return None;
        };
        let fair = COINS.map(|coin| {
            let name = format!("{}-USD", coin.symbol);
            let seconds: Vec<f64> = text
                .lines()
                .filter(|line| line.split(',').next() == Some(&name))
                .flat_map(seconds_of_candle)
                .skip(skip_days * DAY_S)
                .take(DAY_S)
                .collect();
            assert_eq!(seconds.len(), DAY_S, "{name}");
            seconds
        });
        Some(Self { fair: Arc::new(fair.into()), is_quiet: false })
    }

    /// A seeded random walk with the volatility of a real day.
    pub(crate) fn generated(rng: &mut StdRng) -> Self {
        Self::walk(rng, 1.0, false)
    }

    /// A day on which hardly anything moves.
    pub(crate) fn quiet(rng: &mut StdRng) -> Self {
        Self::walk(rng, 0.1, true)
    }

    fn walk(rng: &mut StdRng, volatility: f64, is_quiet: bool) -> Self {
        let fair = COINS.map(|coin| {
            let step = coin.daily_volatility / (DAY_S as f64).sqrt() * volatility;
            let (mut price, mut mood) = (coin.price, 0.0);
            let next = |_| {
                // Volatility comes in clusters of about an hour.
                mood = relax(rng, mood, 0.3, 1.0 / 3_600.0);
                price *= 1.0 + step * mood.exp() * normal(rng);
                price
            };
            (0..DAY_S).map(next).collect()
        });
        Self { fair: Arc::new(fair.into()), is_quiet }
    }

    pub(crate) fn fair(&self, index: usize, now_ms: u64) -> f64 {
        let second = usize::try_from(now_ms / 1_000).unwrap();
        self.fair[index][second.min(DAY_S - 1)]
    }

    /// How much of its busiest rate a coin has on a venue at the moment. What moves is traded, at
    /// night too.
    pub(crate) fn activity(&self, venue: Venue, index: usize, now_ms: u64) -> f64 {
        let night = COINS[index].night[venue as usize];
        match (self.is_quiet, venue) {
            // All day is night, and only the first two are traded on Kraken at all.
            (true, Venue::Kraken) if index > 1 => night * 0.02,
            (true, _) => night,
            _ if now_ms >= NIGHT_ENDS_MS => 1.0,
            _ => {
                let ago_ms = [15_000, 30_000, 60_000].map(|ms| now_ms.saturating_sub(ms));
                let moved_bp = ago_ms.map(|from_ms| self.moved_bp(index, from_ms, now_ms));
                (moved_bp.into_iter().fold(0.0, f64::max) / LIVELY_BP).clamp(night, 1.0)
            }
        }
    }

    /// How far the fair price is from where it was.
    pub(crate) fn moved_bp(&self, index: usize, from_ms: u64, now_ms: u64) -> f64 {
        (self.fair(index, now_ms) / self.fair(index, from_ms) - 1.0).abs() * 10_000.0
    }
}

/// A candle's seconds, by its low and its high: a third of its time each.
fn seconds_of_candle(line: &str) -> Vec<f64> {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |at: usize| fields[at].parse::<f64>().unwrap();
    let length_s = fields[1].parse::<usize>().unwrap();
    let (open, high, low, close) = (number(3), number(4), number(5), number(6));
    let (first, second) = if close >= open { (low, high) } else { (high, low) };
    let legs = [(open, first), (first, second), (second, close)];
    let leg_s = length_s / 3;
    let second = |s: usize| {
        let (from, to) = legs[(s / leg_s).min(2)];
        from + (to - from) * (s % leg_s) as f64 / leg_s as f64
    };
    (0..length_s).map(second).collect()
}
