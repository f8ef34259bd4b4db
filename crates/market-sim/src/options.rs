//! What to simulate.

use crate::market::Venue;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The five coins simulated unless others are named.
pub const DEFAULT_SYMBOLS: [&str; 5] = ["BTC", "ETH", "SOL", "XRP", "DOGE"];

/// Everything that can be set about a simulator. `Options::default()` is the market of `make run`
/// on a free port.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Canonical symbols (`BTC`), each traded as `BTC/USD` and `BTC-USD`.
    pub symbols: Vec<String>,
    /// Seed of the generated prices.
    pub seed: u64,
    /// Market seconds per second.
    pub speed: u32,
    /// Kraken updates per second over all symbols together, instead of the calibrated rates. 0 is
    /// a market in which nothing ticks: only [`crate::Handle::set_price`] moves it.
    pub update_hz: Option<f64>,
    /// Symbols that exist only on the other venue: `(venue, symbol)` pairs left out.
    pub unlisted: Vec<(Venue, String)>,
    /// What Coinbase does with an unknown product in a list.
    pub unknown_product: UnknownProduct,
    /// Whether the venues' own limits are enforced: 150 Kraken connection attempts per 10 minutes,
    /// 10 Coinbase requests per second with a burst of 15.
    pub enforce_limits: bool,
    /// How long a Kraken socket may stay without a subscription or a message.
    pub idle_close: Duration,
}

/// Coinbase's answer to a list with an unknown product: which of the two is real is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownProduct {
    /// It is missing in the answer.
    #[default]
    LeftOut,
    /// The whole request is refused with 404.
    RefuseAll,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            symbols: DEFAULT_SYMBOLS.map(str::to_owned).to_vec(),
            seed: 42,
            speed: 1,
            update_hz: None,
            unlisted: Vec::new(),
            unknown_product: UnknownProduct::LeftOut,
            enforce_limits: false,
            idle_close: Duration::from_secs(60),
        }
    }
}
