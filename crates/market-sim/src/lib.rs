//! A fake Kraken (WebSocket v2) and a fake Coinbase (REST) on loopback, with faults by name.
//!
//! It depends on neither `pricecast-core` nor the origin: a mistake shared by the encoder and the
//! decoder would not be seen. One listener carries `/v2` (Kraken), `/api/v3/…` (Coinbase) and
//! `/control/…`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use market_sim::{Fault, Options, Target};
//! let sim = market_sim::start(Options::default()).await?;
//! println!("{} {}", sim.kraken_url(), sim.coinbase_url());
//! sim.fault(Target::Kraken, Fault::Silence)?;
//! sim.clear();
//! # Ok(()) }
//! ```

mod clock;
mod coinbase;
mod control;
mod decimal;
mod fault;
mod gate;
mod handle;
mod http;
mod kraken;
mod limits;
mod market;
mod options;
mod replay;
mod rng;
mod script;
mod sim;
mod stats;
mod truth;

pub use decimal::{Decimal, NotADecimal};
pub use fault::{BadNumber, Fault, FaultSpec, SpecError, Target};
pub use handle::{Handle, StartError, start};
pub use market::{VENUES, Venue};
pub use options::{DEFAULT_SYMBOLS, Options, UnknownProduct};
pub use replay::ReplayError;
pub use script::{ScriptEntry, ScriptError, TextError, read_script};
pub use stats::{Stats, VenueStats};
pub use truth::{PricePoint, Truth};
