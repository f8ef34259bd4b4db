//! What changed, in one line each: for the log, the counters and the alarms.

use std::fmt;

use crate::named;
use crate::price::Price;
use crate::snapshot::Mode;
use crate::source::{Source, SourceReason, SourceStatus};
use crate::symbol::Symbol;

/// A change of state worth a log line. Its `Display` is that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A symbol is served from Coinbase now.
    Failover {
        /// Which.
        symbol: Symbol,
    },
    /// A symbol is served from Kraken again.
    Failback {
        /// Which.
        symbol: Symbol,
    },
    /// A source's status changed.
    Status {
        /// Which.
        source: Source,
        /// Before.
        from: SourceStatus,
        /// Now.
        to: SourceStatus,
        /// Why, where it is not connected.
        reason: Option<SourceReason>,
    },
    /// An implausible price waits for confirmation.
    Quarantined {
        /// Who said it.
        source: Source,
        /// Of what.
        symbol: Symbol,
        /// What it said.
        price: Price,
        /// What it was measured against.
        reference: Price,
    },
    /// A price that waited was accepted.
    Released {
        /// Who said it.
        source: Source,
        /// Of what.
        symbol: Symbol,
        /// What it said.
        price: Price,
        /// Whether its decimal point seemed to have moved: someone should look.
        is_decimal_shift: bool,
    },
    /// Kraken has said nothing of a symbol while its price moved on Coinbase.
    SuspectedFrozen {
        /// Which.
        symbol: Symbol,
        /// How long it has been silent.
        silent_ms: u64,
        /// How far Coinbase's price has moved since.
        moved_bp: u32,
    },
    /// The suspicion is over.
    SuspicionCleared {
        /// Which.
        symbol: Symbol,
    },
    /// A source does not list a symbol.
    Unlisted {
        /// Who.
        source: Source,
        /// Which.
        symbol: Symbol,
    },
    /// A symbol has no price any more: both sources refuse it.
    Unavailable {
        /// Which.
        symbol: Symbol,
    },
    /// The live sources disagree by more than 2 %.
    Diverged {
        /// On what.
        symbol: Symbol,
        /// By how much.
        by_bp: u32,
    },
    /// They agree again.
    Converged {
        /// On what.
        symbol: Symbol,
    },
    /// The feed's mode changed.
    Mode {
        /// Before; `None` at the first.
        from: Option<Mode>,
        /// Now.
        to: Mode,
    },
}

named! {
    Transition {
        Failover = "failover",
        Failback = "failback",
        Status = "status",
        Quarantined = "quarantined",
        Released = "released",
        SuspectedFrozen = "suspected_frozen",
        SuspicionCleared = "suspicion_cleared",
        Unlisted = "unlisted",
        Unavailable = "unavailable",
        Diverged = "diverged",
        Converged = "converged",
        Mode = "mode",
    }
}

impl Transition {
    /// Whether things got worse: such lines are warnings.
    #[must_use]
    pub const fn is_worse(&self) -> bool {
        match self {
            Self::Failover { .. }
            | Self::Quarantined { .. }
            | Self::SuspectedFrozen { .. }
            | Self::Unlisted { .. }
            | Self::Unavailable { .. }
            | Self::Diverged { .. } => true,
            Self::Released { is_decimal_shift, .. } => *is_decimal_shift,
            Self::Status { to, .. } => !matches!(to, SourceStatus::Connected),
            Self::Mode { to, .. } => !matches!(to, Mode::Live),
            Self::Failback { .. } | Self::SuspicionCleared { .. } | Self::Converged { .. } => false,
        }
    }

    /// The symbol concerned, if one is.
    #[must_use]
    pub const fn symbol(&self) -> Option<Symbol> {
        match self {
            Self::Failover { symbol }
            | Self::Failback { symbol }
            | Self::Quarantined { symbol, .. }
            | Self::Released { symbol, .. }
            | Self::SuspectedFrozen { symbol, .. }
            | Self::SuspicionCleared { symbol }
            | Self::Unlisted { symbol, .. }
            | Self::Unavailable { symbol }
            | Self::Diverged { symbol, .. }
            | Self::Converged { symbol } => Some(*symbol),
            Self::Status { .. } | Self::Mode { .. } => None,
        }
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failover { symbol } => {
                write!(f, "{symbol}: kraken is not live; serving coinbase")
            }
            Self::Failback { symbol } => write!(f, "{symbol}: serving kraken again"),
            Self::Status { source, from, to, reason } => match reason {
                Some(reason) => write!(f, "{source}: {from} -> {to} ({reason})"),
                None => write!(f, "{source}: {from} -> {to}"),
            },
            Self::Quarantined { source, symbol, price, reference } => write!(
                f,
                "{symbol}: {source} says {price}, {} bp from {reference}; waiting for confirmation",
                price.distance_bp(*reference)
            ),
            Self::Released { source, symbol, price, is_decimal_shift } => {
                write!(f, "{symbol}: {source}'s {price} is accepted")?;
                let note = "; its decimal point has moved, check that the pair is still the same";
                if *is_decimal_shift { f.write_str(note) } else { Ok(()) }
            }
            Self::SuspectedFrozen { symbol, silent_ms, moved_bp } => write!(
                f,
                "{symbol}: kraken silent for {silent_ms} ms while coinbase moved {moved_bp} bp; suspected frozen"
            ),
            Self::SuspicionCleared { symbol } => write!(f, "{symbol}: kraken is not frozen"),
            Self::Unlisted { source, symbol } => {
                write!(
                    f,
                    "{symbol}: {source} does not list it; check `symbols` in the configuration"
                )
            }
            Self::Unavailable { symbol } => write!(f, "{symbol}: no source lists it; unavailable"),
            Self::Diverged { symbol, by_bp } => {
                write!(f, "{symbol}: the sources are {by_bp} bp apart; flagged uncertain")
            }
            Self::Converged { symbol } => write!(f, "{symbol}: the sources agree again"),
            Self::Mode { from: Some(from), to } => write!(f, "mode: {from} -> {to}"),
            Self::Mode { from: None, to } => write!(f, "mode: {to}"),
        }
    }
}
