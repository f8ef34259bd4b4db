//! The two exchanges, and what is said of their health.

use std::fmt;

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Primary: one WebSocket.
    Kraken,
    /// Fallback: one REST poller.
    Coinbase,
}

impl Source {
    /// Both, the primary first.
    pub const ALL: [Self; 2] = [Self::Kraken, Self::Coinbase];

    /// Its name in the contract, in logs and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kraken => "kraken",
            Self::Coinbase => "coinbase",
        }
    }

    /// The source with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One value per source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerSource<T> {
    /// Kraken's.
    pub kraken: T,
    /// Coinbase's.
    pub coinbase: T,
}

impl<T> PerSource<T> {
    /// The value of `source`.
    pub const fn get(&self, source: Source) -> &T {
        match source {
            Source::Kraken => &self.kraken,
            Source::Coinbase => &self.coinbase,
        }
    }

    /// The value of `source`, to change it.
    pub const fn get_mut(&mut self, source: Source) -> &mut T {
        match source {
            Source::Kraken => &mut self.kraken,
            Source::Coinbase => &mut self.coinbase,
        }
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in the contract, in logs and in metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The value with that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use names;

/// Gives an enum, whose variants may hold data, its `as_str` and `NAMES`, all that it can say: so that
/// what is counted by name can be told from the start.
#[macro_export]
macro_rules! named {
    ($type:ident { $($variant:ident = $name:literal,)* }) => {
        impl $type {
            /// Every name, in the order of the variants.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// Its name in logs and metrics.
            #[must_use]
            pub const fn as_str(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)* }
            }
        }
    };
}

names! {
    /// How a source is doing.
    SourceStatus {
        /// It answers within its deadline.
        Connected = "connected",
        /// It is reachable, but what it last said is not confirmed any more.
        Stale = "stale",
        /// No connection (Kraken), or the breaker is open (Coinbase).
        Down = "down",
    }
}

names! {
    /// Why a source is not `connected`. Stable names: part of the contract.
    SourceReason {
        /// Nothing was heard yet in this run.
        Starting = "starting",
        /// The connection is open and says nothing.
        Silent = "silent",
        /// The connection is open and speaks, but what it says is seconds old when it arrives.
        Lagging = "lagging",
        /// The connection is gone or cannot be made.
        Disconnected = "disconnected",
        /// The exchange says it is under maintenance.
        Maintenance = "maintenance",
        /// The exchange accepts cancellations only: nothing trades.
        CancelOnly = "cancel_only",
        /// The exchange accepts post-only orders: nothing trades.
        PostOnly = "post_only",
        /// The exchange names a state we do not know.
        UnknownState = "unknown_state",
        /// Requests fail or time out.
        Failing = "failing",
        /// Too many requests failed; we pause before asking again.
        BreakerOpen = "breaker_open",
        /// We were told to wait (429).
        RateLimited = "rate_limited",
        /// Every product stands still for too long to be believed.
        Frozen = "frozen",
        /// Several frames could not be read.
        Undecodable = "undecodable",
    }
}
