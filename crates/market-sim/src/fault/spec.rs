//! One request to inject a fault, and whether it makes sense.

use super::Fault;
use crate::market::Venue;
use serde::{Deserialize, Serialize};

/// Whom a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Only the WebSocket face.
    Kraken,
    /// Only the REST face.
    Coinbase,
    /// Both faces.
    Both,
}

impl Target {
    /// Whether `venue` is hit.
    #[must_use]
    pub fn hits(self, venue: Venue) -> bool {
        match self {
            Target::Both => true,
            Target::Kraken => venue == Venue::Kraken,
            Target::Coinbase => venue == Venue::Coinbase,
        }
    }
}

impl From<Venue> for Target {
    fn from(venue: Venue) -> Self {
        match venue {
            Venue::Kraken => Target::Kraken,
            Venue::Coinbase => Target::Coinbase,
        }
    }
}

/// A fault to inject: the body of `POST /control/faults` and an entry of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// Whom it hits.
    pub target: Target,
    /// What goes wrong.
    pub fault: Fault,
    /// Only this symbol (`BTC`); all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Ends by itself after so many seconds; stays until cleared when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// Why a fault cannot be injected. Each message names what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The venue cannot have this fault.
    #[error("fault \"{fault}\" exists only on {venues}")]
    WrongTarget {
        /// The fault.
        fault: Fault,
        /// Where it exists.
        venues: String,
    },
    /// The fault hits a whole venue.
    #[error("fault \"{0}\" hits the whole venue: leave \"symbol\" out")]
    NoSymbol(Fault),
    /// The symbol is not simulated.
    #[error("symbol \"{symbol}\" is not simulated; known: {known}")]
    UnknownSymbol {
        /// What was asked.
        symbol: String,
        /// What exists.
        known: String,
    },
    /// A parameter this fault does not have.
    #[error("fault \"{fault}\" has no parameter \"{param}\"; it takes {valid}")]
    WrongParam {
        /// The fault.
        fault: Fault,
        /// What was given.
        param: &'static str,
        /// What it takes.
        valid: String,
    },
    /// A value outside its range.
    #[error("\"{param}\" must be {range}")]
    OutOfRange {
        /// The parameter.
        param: &'static str,
        /// The range, in words.
        range: &'static str,
    },
}

impl FaultSpec {
    /// A fault on the whole target until it is cleared.
    #[must_use]
    pub fn new(target: impl Into<Target>, fault: Fault) -> Self {
        Self { target: target.into(), fault, symbol: None, seconds: None }
    }

    /// Only this symbol.
    #[must_use]
    pub fn symbol(self, symbol: &str) -> Self {
        Self { symbol: Some(symbol.to_owned()), ..self }
    }

    /// Ends by itself.
    #[must_use]
    pub fn seconds(self, seconds: f64) -> Self {
        Self { seconds: Some(seconds), ..self }
    }

    /// Whether the fault can be injected into a market of these symbols.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check<'a>(
        &self,
        mut known: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), SpecError> {
        let fault = self.fault;
        if self.target != Target::Both && !fault.venues().iter().any(|v| self.target.hits(*v)) {
            let venues: Vec<_> = fault.venues().iter().map(|venue| venue.as_str()).collect();
            return Err(SpecError::WrongTarget { fault, venues: venues.join(", ") });
        }
        if let Some(symbol) = &self.symbol {
            if !fault.takes_symbol() {
                return Err(SpecError::NoSymbol(fault));
            }
            let all = known.clone();
            if !known.any(|name| name == symbol) {
                let known = all.collect::<Vec<_>>().join(", ");
                return Err(SpecError::UnknownSymbol { symbol: symbol.clone(), known });
            }
        }
        match self.seconds {
            Some(seconds) if !(seconds > 0.0 && seconds <= 86_400.0) => {
                Err(SpecError::OutOfRange { param: "seconds", range: "above 0 and at most 86400" })
            }
            _ => Ok(()),
        }
    }
}
