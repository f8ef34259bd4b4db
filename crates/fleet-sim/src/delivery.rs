//! The ways in which prices reach phones.

use crate::cost::PaidDelivery;
use crate::tiers::AgeAcrossTiers;
use pricecast_core::poll::{UNSEEN_ONE_TIER_MS, UNSEEN_TWO_TIERS_MS};

/// How prices reach phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// The Worker answers each request, from isolate memory and the data centre's cache.
    Worker,
    /// Workers Cache in front of the Worker.
    WorkersCache(AgeAcrossTiers),
    /// The zone's cache straight from the origin, without a Worker, with Tiered Cache on.
    Cdn(AgeAcrossTiers),
    /// The same with Tiered Cache off: each data centre asks the origin itself.
    CdnOneTier,
    /// The Worker holds a connection for each open app. Modelled only: not built yet.
    Stream,
}

impl Delivery {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Worker,
        Self::WorkersCache(AgeAcrossTiers::Kept),
        Self::WorkersCache(AgeAcrossTiers::BeginsAnew),
        Self::Cdn(AgeAcrossTiers::Kept),
        Self::Cdn(AgeAcrossTiers::BeginsAnew),
        Self::CdnOneTier,
        Self::Stream,
    ];

    /// Its name in the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::WorkersCache(AgeAcrossTiers::Kept) => "workers-cache",
            Self::WorkersCache(AgeAcrossTiers::BeginsAnew) => "workers-cache-age-anew",
            Self::Cdn(AgeAcrossTiers::Kept) => "cdn",
            Self::Cdn(AgeAcrossTiers::BeginsAnew) => "cdn-age-anew",
            Self::CdnOneTier => "cdn-one-tier",
            Self::Stream => "stream",
        }
    }

    /// By how much `Pricecast-Now` is told ahead, for what caches on the way may hide.
    #[must_use]
    pub const fn ahead_ms(self) -> u64 {
        match self {
            Self::Worker | Self::Stream => 0,
            Self::CdnOneTier => UNSEEN_ONE_TIER_MS,
            Self::WorkersCache(_) | Self::Cdn(_) => UNSEEN_TWO_TIERS_MS,
        }
    }

    /// What it is on a bill.
    #[must_use]
    pub const fn paid(self) -> PaidDelivery {
        match self {
            Self::Worker => PaidDelivery::Worker,
            Self::WorkersCache(_) => PaidDelivery::WorkersCache,
            Self::Cdn(_) | Self::CdnOneTier => PaidDelivery::Cdn,
            Self::Stream => PaidDelivery::Stream,
        }
    }
}
