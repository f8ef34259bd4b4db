//! What is limited, and what whoever meets a limit is told.

use ipnet::IpNet;
use pricecast_core::named;
use pricecast_wire::ProblemCode;

use crate::config::Config;

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// `http.connections_max`.
    Connections,
    /// `http.connections_per_address_max`.
    ConnectionsPerAddress,
    /// `http.requests_max`.
    Requests,
    /// `http.requests_per_address_per_s`.
    RequestsPerAddress,
}

impl Limit {
    /// Every limit.
    pub(super) const ALL: [Self; 4] =
        [Self::Connections, Self::ConnectionsPerAddress, Self::Requests, Self::RequestsPerAddress];

    /// Whether it holds for each address by itself.
    pub(super) const fn is_of_address(self) -> bool {
        matches!(self, Self::ConnectionsPerAddress | Self::RequestsPerAddress)
    }

    /// What whoever met it is told.
    pub(super) const fn problem(self) -> ProblemCode {
        if self.is_of_address() { ProblemCode::TooManyRequests } else { ProblemCode::Overloaded }
    }
}

named! {
    Limit {
        Connections = "connections",
        ConnectionsPerAddress = "connections_per_address",
        Requests = "requests",
        RequestsPerAddress = "requests_per_address",
    }
}

/// What else keeps a client from its answer, and is counted with the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// A head was not sent, or an answer not taken, in time.
    TooSlow,
    /// No more files can be opened.
    AcceptFailed,
}

named! {
    Hindrance {
        TooSlow = "too_slow",
        AcceptFailed = "accept_failed",
    }
}

/// Every reason for which a request or connection is counted as limited.
pub(crate) fn limited_reasons() -> impl Iterator<Item = &'static str> {
    Limit::NAMES.iter().chain(Hindrance::NAMES).copied()
}

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Served at a time.
    pub served_max: usize,
    /// Of one address, among those that have not shown the secret; 0: no limit.
    pub per_address_max: usize,
    /// Told to come again at a time.
    pub refused_max: usize,
    /// Whose address says nothing about who asks.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether those that have not shown the secret are closed where their places are wanted. Only
    /// where there is a secret: nobody could show it otherwise.
    pub unproven_give_way: bool,
}

/// Open files the process keeps for itself: metrics, exchanges, the state, the runtime.
const FILES_KEPT: usize = 48;
/// Connections that are told to come again, at a time, where there is room for them.
const REFUSED_MAX: usize = 64;
/// Of the open files, those for connections that are told to come again: one in so many.
const REFUSED_SHARE: usize = 4;

impl ConnectionLimits {
    /// Only so many in all.
    #[must_use]
    pub const fn total(served_max: usize) -> Self {
        Self {
            served_max,
            per_address_max: 0,
            refused_max: 0,
            trusted_proxies: Vec::new(),
            unproven_give_way: false,
        }
    }

    /// What is configured, or less where the process may open only so many files: a listener that
    /// cannot accept can refuse nobody.
    pub(super) fn new(config: &Config, files_max: Option<u64>) -> Self {
        let http = &config.http;
        let files_max = files_max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        let room = files_max.saturating_sub(FILES_KEPT).max(2 * REFUSED_SHARE);
        let refused_max = REFUSED_MAX.min(room / REFUSED_SHARE);
        Self {
            served_max: http.connections_max.min(room - refused_max),
            per_address_max: http.connections_per_address_max,
            refused_max,
            trusted_proxies: http.trusted_proxies.clone(),
            unproven_give_way: !config.access.secrets.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_are_taken_in_than_files_may_be_open() {
        let config = Config::load(None, []).unwrap();
        for (files_max, served_max, refused_max) in [
            (None, 1_024, 64),
            (Some(1_048_576), 1_024, 64),
            (Some(1_024 + 64 + 48), 1_024, 64),
            (Some(1_024 + 64 + 47), 1_023, 64),
            (Some(64), 12, 4),
            (Some(10), 6, 2),
        ] {
            let limits = ConnectionLimits::new(&config, files_max);
            assert_eq!((limits.served_max, limits.refused_max), (served_max, refused_max));
        }
    }
}
