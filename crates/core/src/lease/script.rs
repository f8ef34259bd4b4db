//! What is asked of Redis, and what it answers. The scripts are described in [`super`].

use crate::snapshot::Version;

/// One call, to be made by the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Who leads, and what is the latest snapshot?
    Look {
        /// The highest epoch the sender knows of.
        seen_epoch: u64,
        /// The snapshot it holds: only a newer one is of use.
        held: Version,
        /// Whether it is brought along, for a Redis that has nothing, or a lower version.
        is_brought: bool,
    },
    /// Take the lease, if nobody else has it, or only under a lower epoch than the sender has seen.
    Acquire {
        /// How long it is to last.
        ttl_ms: u64,
        /// The highest epoch the sender knows of.
        seen_epoch: u64,
    },
    /// Extend the lease and store the snapshot.
    Write {
        /// Under which the sender leads.
        epoch: u64,
        /// How long the lease is to last from now.
        ttl_ms: u64,
        /// What was published last and is not yet written; `None` renews the lease alone.
        snapshot: Option<Version>,
    },
}

impl Order {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Look { .. } => "look",
            Self::Acquire { .. } => "acquire",
            Self::Write { .. } => "write",
        }
    }
}

/// Whose the lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody's.
    None,
    /// The asker's own.
    Me {
        /// Under which it was granted.
        epoch: u64,
    },
    /// Another's.
    Other {
        /// Under which it was granted.
        epoch: u64,
    },
}

impl Holder {
    pub(super) const fn epoch(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Me { epoch } | Self::Other { epoch } => epoch,
        }
    }
}

/// The answer to [`Order::Look`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whose the lease is.
    pub holder: Holder,
    /// The highest epoch known to anyone; 0 if none.
    pub fence_epoch: u64,
    /// The stored snapshot, where it is newer than the one held and could be read.
    pub snapshot: Option<Version>,
    /// There is no snapshot, nor anything else in its place; or one older than the one held.
    pub is_behind: bool,
}

/// The answer to [`Order::Acquire`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The lease is the asker's, under a new epoch.
    Granted {
        /// Higher than any other before it.
        epoch: u64,
    },
    /// It is another's.
    Held {
        /// Under which it was granted.
        epoch: u64,
    },
}

/// The answer to [`Order::Write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// The lease is extended, the snapshot stored.
    Done,
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no lease: it lapsed, or Redis lost it.
    Absent,
    /// It is another's.
    Foreign {
        /// Under which it was granted.
        epoch: u64,
    },
    /// It is the writer's own, but a higher epoch is known.
    Fenced {
        /// That epoch.
        epoch: u64,
    },
}
