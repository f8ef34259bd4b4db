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
    /// `slow`: delay (2,000); `flap`: how long a connection lives (200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// `spike`: how far too high (50); `crash-on-both`: how far the market moves (-60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// `decimal-shift`: digits to the right, negative to the left (1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<i32>,
    /// `bad-number`: which; all in turn when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<BadNumber>,
    /// `5xx` (503), `html` (200), `refuse` (a RST instead): the HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `429`, `cloudflare-1015`: seconds in `Retry-After` (5, 30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// `huge-body`: size (10 MiB); `gzip-bomb`: size once unpacked (64 MiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// `skewed-clock`: how far ahead, negative for behind (30,000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
    /// `ack-but-no-data`: whether heartbeats go on (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeats: Option<bool>,
    /// `frozen-symbol`: whether Kraken answers a new subscription, with what was true when the fault
    /// began (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<bool>,
    /// `stale-backend`: one in so many answers of Coinbase comes from it (1: all).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// `stale-backend`: whether the 24 h volume moves on (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_moves: Option<bool>,
}

/// A price that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadNumber {
    /// 0.
    Zero,
    /// The right price with a minus.
    Negative,
    /// `NaN`, which is not even JSON on Kraken.
    Nan,
    /// `Infinity`, which is not even JSON on Kraken.
    Infinite,
    /// `1e400`, more than a float can hold.
    Overflow,
    /// `""`.
    Empty,
    /// `null`.
    Null,
    /// 40 digits.
    Absurd,
    /// Something that is no number at all: `true`, or a list.
    #[serde(rename = "wrong-type")]
    WrongType,
}

impl BadNumber {
    /// All of them, in the order in which they are sent in turn.
    pub const ALL: [BadNumber; 9] = [
        BadNumber::Zero,
        BadNumber::Negative,
        BadNumber::Nan,
        BadNumber::Infinite,
        BadNumber::Overflow,
        BadNumber::Empty,
        BadNumber::Null,
        BadNumber::Absurd,
        BadNumber::WrongType,
    ];
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
        Self {
            target: target.into(),
            fault,
            symbol: None,
            seconds: None,
            ms: None,
            percent: None,
            power: None,
            number: None,
            status: None,
            retry_after_s: None,
            bytes: None,
            skew_ms: None,
            heartbeats: None,
            snapshots: None,
            every: None,
            volume_moves: None,
        }
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
    pub fn check(&self, known: &[&str]) -> Result<(), SpecError> {
        let fault = self.fault;
        if self.target != Target::Both && !fault.venues().iter().any(|v| self.target.hits(*v)) {
            let venues: Vec<_> = fault.venues().iter().map(|venue| venue.as_str()).collect();
            return Err(SpecError::WrongTarget { fault, venues: venues.join(", ") });
        }
        self.check_symbol(known)?;
        self.check_params()
    }

    fn check_symbol(&self, known: &[&str]) -> Result<(), SpecError> {
        let Some(symbol) = &self.symbol else { return Ok(()) };
        if !self.fault.takes_symbol() {
            return Err(SpecError::NoSymbol(self.fault));
        }
        if known.contains(&symbol.as_str()) {
            return Ok(());
        }
        Err(SpecError::UnknownSymbol { symbol: symbol.clone(), known: known.join(", ") })
    }

    fn check_params(&self) -> Result<(), SpecError> {
        let within = |ok: bool, param, range| {
            if ok { Ok(()) } else { Err(SpecError::OutOfRange { param, range }) }
        };
        let valid = self.fault.params();
        if let Some(param) = self.given().into_iter().find(|param| !valid.contains(param)) {
            let valid = if valid.is_empty() { "none".to_owned() } else { valid.join(", ") };
            return Err(SpecError::WrongParam { fault: self.fault, param, valid });
        }
        if let Some(seconds) = self.seconds {
            let ok = seconds > 0.0 && seconds <= 86_400.0;
            within(ok, "seconds", "above 0 and at most 86400")?;
        }
        if let Some(percent) = self.percent {
            let ok = percent > -100.0 && percent <= 10_000.0;
            within(ok, "percent", "above -100 and at most 10000")?;
        }
        if let Some(power) = self.power {
            within(power != 0 && power.abs() <= 8, "power", "from -8 to 8, not 0")?;
        }
        if let Some(status) = self.status {
            within((200..=599).contains(&status), "status", "an HTTP status from 200 to 599")?;
        }
        if let Some(bytes) = self.bytes {
            within(bytes <= 256 * 1024 * 1024, "bytes", "at most 268435456")?;
        }
        if let Some(ms) = self.ms {
            within(ms <= 600_000, "ms", "at most 600000")?;
        }
        if let Some(every) = self.every {
            within((1..=1_000).contains(&every), "every", "from 1 to 1000")?;
        }
        if let Some(skew_ms) = self.skew_ms {
            // A century: what RFC 3339 can still write.
            let ok = skew_ms.unsigned_abs() <= 3_155_760_000_000;
            within(ok, "skew_ms", "within 100 years")?;
        }
        Ok(())
    }

    /// Names of the parameters that were given.
    fn given(&self) -> Vec<&'static str> {
        [
            ("ms", self.ms.is_some()),
            ("percent", self.percent.is_some()),
            ("power", self.power.is_some()),
            ("number", self.number.is_some()),
            ("status", self.status.is_some()),
            ("retry_after_s", self.retry_after_s.is_some()),
            ("bytes", self.bytes.is_some()),
            ("skew_ms", self.skew_ms.is_some()),
            ("heartbeats", self.heartbeats.is_some()),
            ("snapshots", self.snapshots.is_some()),
            ("every", self.every.is_some()),
            ("volume_moves", self.volume_moves.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<(), String> {
        let spec: FaultSpec = serde_json::from_str(json).map_err(|error| error.to_string())?;
        spec.check(&["BTC", "ETH"]).map_err(|error| error.to_string())
    }

    #[test]
    fn every_fault_is_accepted_by_its_name_on_its_venues() {
        for fault in Fault::ALL {
            for venue in fault.venues() {
                let json = format!(r#"{{"target":"{venue}","fault":"{fault}"}}"#);
                assert_eq!(parse(&json), Ok(()), "{json}");
            }
            assert_eq!(parse(&format!(r#"{{"target":"both","fault":"{fault}"}}"#)), Ok(()));
        }
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_would_be_right() {
        for (json, part) in [
            (r#"{"target":"kraken","fault":"silenc"}"#, "expected one of `silence`, `half-open`"),
            (r#"{"target":"binance","fault":"silence"}"#, "one of `kraken`, `coinbase`, `both`"),
            (r#"{"target":"kraken","fault":"silence","second":1}"#, "expected one of `target`"),
            (r#"{"target":"kraken"}"#, "missing field `fault`"),
            (r#"{"target":"kraken","fault":"gzip-bomb"}"#, "only on coinbase"),
            (r#"{"target":"kraken","fault":"silence","symbol":"BTC"}"#, "whole venue"),
            (r#"{"target":"kraken","fault":"spike","symbol":"DOGE"}"#, "known: BTC, ETH"),
            (r#"{"target":"kraken","fault":"spike","power":1}"#, "it takes percent"),
            (r#"{"target":"kraken","fault":"silence","ms":1}"#, "it takes none"),
            (r#"{"target":"both","fault":"slow","seconds":0}"#, "above 0"),
            (r#"{"target":"both","fault":"spike","percent":-100}"#, "above -100"),
            (r#"{"target":"both","fault":"decimal-shift","power":0}"#, "not 0"),
            (r#"{"target":"both","fault":"bad-number","number":"pi"}"#, "`zero`"),
            (r#"{"target":"coinbase","fault":"stale-backend","every":0}"#, "from 1 to 1000"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
