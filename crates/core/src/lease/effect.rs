//! What follows from an answer: what the adapter does, logs and counts.

use std::fmt;

use crate::snapshot::Version;
use crate::source::names;

names! {
    /// How an instance came to lead.
    LeadReason {
        /// The lease was missing for the whole grace.
        Elected = "elected",
        /// It had led before, and the lease was lost or superseded.
        Retaken = "retaken",
    }
}

names! {
    /// Why an instance leads no more.
    StepDownReason {
        /// Its write was refused: the lease is another's.
        Foreign = "foreign",
        /// Its lease was lost, and another was faster to take it.
        Overtaken = "overtaken",
    }
}

/// What follows from an answer. Its `Display` is the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It leads: ingestion runs, publications carry this epoch from now on.
    Lead {
        /// Under which.
        epoch: u64,
        /// How it came to.
        reason: LeadReason,
    },
    /// It leads no more: ingestion stops at once, what it holds is served on.
    StepDown {
        /// Under which it led.
        own_epoch: u64,
        /// Under which the other leads.
        epoch: u64,
        /// Why.
        reason: StepDownReason,
    },
    /// The snapshot that came with the answer is newer than what is held: serve it.
    Adopt {
        /// Its version.
        version: Version,
    },
    /// Calls fail, after one that was answered.
    Unreachable {
        /// The epoch under which it goes on from memory, if it leads.
        leads: Option<u64>,
    },
    /// Calls are answered again.
    Reachable,
    /// This leader stood still so long that its lease lapsed: what it saw meanwhile was held back
    /// until this answer.
    StoodStill {
        /// For how long it had lapsed.
        lapsed_ms: u64,
    },
}

impl Effect {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Lead { .. } => "lead",
            Self::StepDown { .. } => "step_down",
            Self::Adopt { .. } => "adopt",
            Self::Unreachable { .. } => "unreachable",
            Self::Reachable => "reachable",
            Self::StoodStill { .. } => "stood_still",
        }
    }

    /// Whether it is a change of state, worth a log line: everything but the adoptions.
    #[must_use]
    pub const fn is_transition(&self) -> bool {
        !matches!(self, Self::Adopt { .. })
    }

    /// Whether things got worse: such lines are warnings.
    #[must_use]
    pub const fn is_worse(&self) -> bool {
        matches!(self, Self::StepDown { .. } | Self::Unreachable { .. } | Self::StoodStill { .. })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lead { epoch, reason } => {
                write!(f, "leading under epoch {epoch} ({reason}); ingesting")
            }
            Self::StepDown { own_epoch, epoch, reason } => write!(
                f,
                "led under epoch {own_epoch}, another leads under {epoch} ({reason}); following"
            ),
            Self::Adopt { version } => write!(f, "adopted snapshot {version}"),
            Self::Unreachable { leads: Some(epoch) } => write!(
                f,
                "Redis does not answer; ingesting and serving from memory under epoch {epoch}"
            ),
            Self::Unreachable { leads: None } => {
                f.write_str("Redis does not answer; serving what is held, flagged by age")
            }
            Self::Reachable => f.write_str("Redis answers again"),
            Self::StoodStill { lapsed_ms } => write!(
                f,
                "this process stood still: its lease had lapsed {lapsed_ms} ms before it could write again"
            ),
        }
    }
}
