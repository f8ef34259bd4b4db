//! What to simulate.

use crate::market::Venue;
use crate::script::ScriptEntry;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The five coins simulated unless others are named.
pub const DEFAULT_SYMBOLS: [&str; 5] = ["BTC", "ETH", "SOL", "XRP", "DOGE"];

/// Everything that can be set about a simulator. `Options::default()` is the market of `make run`
/// on a free port.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Canonical symbols (`BTC`), each traded as `BTC/USD` and `BTC-USD`. `None`: the five default
    /// ones, or all of the replay's.
    pub symbols: Option<Vec<String>>,
    /// Recorded market to replay instead of generated prices: a `.csv` of candles or an `.ndjson`
    /// of Kraken frames.
    pub replay: Option<PathBuf>,
    /// Faults to inject by themselves.
    pub script: Vec<ScriptEntry>,
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
            symbols: None,
            replay: None,
            script: Vec::new(),
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

impl Options {
    /// A market in which nothing ticks by itself: heartbeats go on, and only
    /// [`crate::Handle::set_price`] moves a price.
    #[must_use]
    pub fn still() -> Self {
        Self { update_hz: Some(0.0), ..Self::default() }
    }

    /// The same with these symbols.
    #[must_use]
    pub fn symbols(self, symbols: &[&str]) -> Self {
        Self { symbols: Some(symbols.iter().map(|symbol| (*symbol).to_owned()).collect()), ..self }
    }

    /// What is wrong with these options, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.speed == 0 || self.speed > 100_000 {
            return Some(format!("speed must be from 1 to 100000, not {}", self.speed));
        }
        let hz = self.update_hz.unwrap_or(1.0);
        if !(0.0..=1_000_000.0).contains(&hz) {
            return Some(format!("update-hz must be from 0 to 1000000, not {hz}"));
        }
        let symbols = self.symbols.as_deref().unwrap_or_default();
        if self.symbols.is_some() && symbols.is_empty() {
            return Some("symbols must name at least one".to_owned());
        }
        let plain = |symbol: &str| {
            let chars = || symbol.chars();
            !symbol.is_empty()
                && symbol.len() <= 20
                && chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        };
        for (index, symbol) in symbols.iter().enumerate() {
            if !plain(symbol) {
                return Some(format!(
                    "symbol \"{symbol}\" must be 1 to 20 of A-Z and 0-9, without a pair: BTC"
                ));
            }
            if symbols.iter().take(index).any(|earlier| earlier == symbol) {
                return Some(format!("symbol \"{symbol}\" is named twice"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_options_say_what_would_be_right() {
        let default = Options::default;
        for (options, part) in [
            (Options { speed: 0, ..default() }, "from 1 to 100000"),
            (Options { update_hz: Some(-1.0), ..default() }, "from 0"),
            (Options { update_hz: Some(f64::NAN), ..default() }, "from 0"),
            (default().symbols(&[]), "at least one"),
            (default().symbols(&["BTC", "btc"]), "\"btc\" must be"),
            (default().symbols(&["BTC/USD"]), "without a pair"),
            (default().symbols(&["BTC", "ETH", "BTC"]), "\"BTC\" is named twice"),
        ] {
            let problem = options.problem().unwrap();
            assert!(problem.contains(part), "{problem}");
        }
        assert_eq!(default().symbols(&["1INCH", "PEPE"]).problem(), None);
    }
}
