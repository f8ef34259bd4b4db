//! What is fetched from an origin, held, and given to whoever asks: the prices, and the status.

use std::fmt;

use pricecast_core::cache_policy::EdgePolicy;
use pricecast_wire::Resource;

use crate::config::EdgeConfig;

/// Each is held by itself, with a turn record of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Prices,
    /// Of whichever origin was asked.
    Status,
}

impl Document {
    /// Its path at the origin.
    pub(crate) fn path(self) -> &'static str {
        let resource = match self {
            Self::Prices => Resource::Prices,
            Self::Status => Resource::Status,
        };
        resource.paths().first().copied().unwrap_or_default()
    }

    /// For how long copies are held.
    pub(crate) fn policy(self, config: &EdgeConfig) -> EdgePolicy {
        match self {
            Self::Prices => config.policy(),
            Self::Status => EdgePolicy::STATUS,
        }
    }

    /// The names of its copy and its turn record in the shared cache.
    pub(crate) const fn entries(self) -> (&'static str, &'static str) {
        match self {
            Self::Prices => ("snap", "turn"),
            Self::Status => ("status", "status-turn"),
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prices => "prices",
            Self::Status => "status",
        })
    }
}
