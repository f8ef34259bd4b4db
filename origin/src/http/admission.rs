//! Which connections are served, which are only told to come again, and which wait or are closed.
//! Pure: the sockets are elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use pricecast_wire::ProblemCode;

use super::address::AddressKey;
use crate::config::HttpConfig;

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

    /// Its name in metrics and log.
    #[must_use]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Requests => "requests",
            Self::RequestsPerAddress => "requests_per_address",
        }
    }

    /// What whoever met it is told.
    pub(super) const fn problem(self) -> ProblemCode {
        if self.is_of_address() { ProblemCode::TooManyRequests } else { ProblemCode::Overloaded }
    }
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
        Self { served_max, per_address_max: 0, refused_max: 0, trusted_proxies: Vec::new() }
    }

    /// What is configured, or less where the process may open only so many files: a listener that
    /// cannot accept can refuse nobody.
    pub(super) fn new(http: &HttpConfig, files_max: Option<u64>) -> Self {
        let files_max = files_max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        let room = files_max.saturating_sub(FILES_KEPT).max(2 * REFUSED_SHARE);
        let refused_max = REFUSED_MAX.min(room / REFUSED_SHARE);
        Self {
            served_max: http.connections_max.min(room - refused_max),
            per_address_max: http.connections_per_address_max,
            refused_max,
            trusted_proxies: http.trusted_proxies.clone(),
        }
    }
}

/// What a connection may expect.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// To be served. Counts for an address until it shows the secret.
    Served { counts_for: Option<AddressKey> },
    /// To be told that a limit was reached, and closed.
    Refused(Limit),
}

impl Standing {
    /// Whether showing the secret would change it.
    pub(super) const fn depends_on_address(&self) -> bool {
        matches!(
            self,
            Self::Served { counts_for: Some(_) } | Self::Refused(Limit::ConnectionsPerAddress)
        )
    }
}

/// The connections there are.
#[derive(Debug)]
pub(super) struct Admission {
    limits: ConnectionLimits,
    served: usize,
    refused: usize,
    /// Never empty entries: as many at the most as connections.
    by_address: HashMap<AddressKey, usize>,
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, served: 0, refused: 0, by_address: HashMap::new() }
    }

    /// The key by which `peer` is limited; `None` for a trusted proxy.
    pub(super) fn key(&self, peer: IpAddr) -> Option<AddressKey> {
        AddressKey::of(peer, &self.limits.trusted_proxies)
    }

    /// Whether a connection from anywhere can be served, or at least be told that it is not.
    pub(super) const fn has_room(&self) -> bool {
        self.served < self.limits.served_max || self.refused < self.limits.refused_max
    }

    /// Takes in a connection from `address`; an error if it is to be closed without a word.
    pub(super) fn admit(&mut self, address: Option<AddressKey>) -> Result<Standing, Limit> {
        let counts_for = address.filter(|_| self.limits.per_address_max > 0);
        match self.limit_for(counts_for) {
            None => {
                self.served += 1;
                if let Some(address) = counts_for {
                    *self.by_address.entry(address).or_default() += 1;
                }
                Ok(Standing::Served { counts_for })
            }
            Some(limit) if self.refused < self.limits.refused_max => {
                self.refused += 1;
                Ok(Standing::Refused(limit))
            }
            Some(limit) => Err(limit),
        }
    }

    fn limit_for(&self, address: Option<AddressKey>) -> Option<Limit> {
        let of_address = address.and_then(|address| self.by_address.get(&address));
        if self.served >= self.limits.served_max {
            Some(Limit::Connections)
        } else if of_address.is_some_and(|&count| count >= self.limits.per_address_max) {
            Some(Limit::ConnectionsPerAddress)
        } else {
            None
        }
    }

    /// The connection has shown the secret: no address limits it any more.
    pub(super) fn prove(&mut self, standing: &mut Standing) {
        match standing {
            Standing::Served { counts_for } => {
                if let Some(address) = counts_for.take() {
                    self.uncount(address);
                }
            }
            Standing::Refused(limit @ Limit::ConnectionsPerAddress) => {
                if self.served < self.limits.served_max {
                    self.refused -= 1;
                    self.served += 1;
                    *standing = Standing::Served { counts_for: None };
                } else {
                    *limit = Limit::Connections;
                }
            }
            Standing::Refused(_) => {}
        }
    }

    /// The connection has ended.
    pub(super) fn leave(&mut self, standing: &Standing) {
        match standing {
            Standing::Served { counts_for } => {
                self.served -= 1;
                if let Some(address) = counts_for {
                    self.uncount(*address);
                }
            }
            Standing::Refused(_) => self.refused -= 1,
        }
    }

    fn uncount(&mut self, address: AddressKey) {
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    const ONE: Option<AddressKey> = Some(AddressKey::V4([192, 0, 2, 1]));
    const OTHER: Option<AddressKey> = Some(AddressKey::V4([192, 0, 2, 2]));
    const PROXY: Option<AddressKey> = None;

    fn admission(served_max: usize, per_address_max: usize, refused_max: usize) -> Admission {
        let total = ConnectionLimits::total(served_max);
        Admission::new(ConnectionLimits { per_address_max, refused_max, ..total })
    }

    fn served(counts_for: Option<AddressKey>) -> Result<Standing, Limit> {
        Ok(Standing::Served { counts_for })
    }

    #[test]
    fn no_more_connections_are_taken_in_than_files_may_be_open() {
        let http = Config::load(None, []).unwrap().http;
        for (files_max, served_max, refused_max) in [
            (None, 1_024, 64),
            (Some(1_048_576), 1_024, 64),
            (Some(1_024 + 64 + 48), 1_024, 64),
            (Some(1_024 + 64 + 47), 1_023, 64),
            (Some(64), 12, 4),
            (Some(10), 6, 2),
        ] {
            let limits = ConnectionLimits::new(&http, files_max);
            assert_eq!((limits.served_max, limits.refused_max), (served_max, refused_max));
        }
    }

    #[test]
    fn beyond_the_most_connections_some_are_told_so_and_the_rest_wait() {
        let mut all = admission(2, 0, 1);
        assert_eq!(all.admit(ONE), served(None));
        assert_eq!(all.admit(PROXY), served(None));
        assert!(all.has_room());
        let told = all.admit(PROXY).unwrap();
        assert_eq!(told, Standing::Refused(Limit::Connections));
        assert!(!all.has_room());
        all.leave(&told);
        assert!(all.has_room());
        assert_eq!(all.admit(OTHER), Ok(Standing::Refused(Limit::Connections)));
        all.leave(&Standing::Served { counts_for: None });
        assert!(all.has_room());
        assert_eq!(all.admit(OTHER), served(None));
    }

    #[test]
    fn an_address_beyond_its_share_lets_nobody_else_wait() {
        let mut all = admission(10, 1, 1);
        assert_eq!(all.admit(ONE), served(ONE));
        assert_eq!(all.admit(ONE), Ok(Standing::Refused(Limit::ConnectionsPerAddress)));
        assert_eq!(all.admit(ONE), Err(Limit::ConnectionsPerAddress));
        assert!(all.has_room());
        assert_eq!(all.admit(OTHER), served(OTHER));
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_any_number() {
        let mut all = admission(10, 2, 5);
        let first = all.admit(ONE).unwrap();
        assert_eq!(all.admit(ONE), served(ONE));
        assert_eq!(all.admit(ONE), Ok(Standing::Refused(Limit::ConnectionsPerAddress)));
        assert_eq!(all.admit(OTHER), served(OTHER));
        for _ in 0..5 {
            assert_eq!(all.admit(PROXY), served(None));
        }
        all.leave(&first);
        assert_eq!(all.admit(ONE), served(ONE));
    }

    #[test]
    fn whoever_shows_the_secret_is_limited_by_no_address() {
        let mut all = admission(4, 1, 5);
        for _ in 0..3 {
            let mut standing = all.admit(ONE).unwrap();
            all.prove(&mut standing);
            assert_eq!(standing, Standing::Served { counts_for: None });
        }
        let _slow = all.admit(ONE).unwrap();
        let mut late = all.admit(ONE).unwrap();
        assert_eq!(late, Standing::Refused(Limit::Connections));
        all.prove(&mut late);
        assert_eq!(late, Standing::Refused(Limit::Connections), "the total holds for all");
    }

    #[test]
    fn the_secret_opens_the_way_for_a_connection_beyond_its_addresss_share() {
        let mut all = admission(2, 1, 5);
        let _slow = all.admit(ONE).unwrap();
        let mut second = all.admit(ONE).unwrap();
        let mut third = all.admit(ONE).unwrap();
        assert_eq!(third, Standing::Refused(Limit::ConnectionsPerAddress));
        all.prove(&mut second);
        assert_eq!(second, Standing::Served { counts_for: None });
        all.prove(&mut third);
        assert_eq!(third, Standing::Refused(Limit::Connections));
        assert_eq!((all.served, all.refused), (2, 1));
    }

    proptest! {
        #[test]
        fn whatever_comes_goes_and_proves_itself_the_counts_are_true_and_end_at_zero(
            steps in proptest::collection::vec((0_u8..3, 0_u8..4, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut all = admission(6, 2, 3);
            let mut open: Vec<Standing> = Vec::new();
            for (what, who, which) in steps {
                let address = (who > 0).then_some(AddressKey::V4([192, 0, 2, who]));
                match what {
                    0 => open.extend(all.admit(address).ok()),
                    1 if !open.is_empty() => all.leave(&open.swap_remove(which.index(open.len()))),
                    _ if !open.is_empty() => {
                        let index = which.index(open.len());
                        all.prove(&mut open[index]);
                    }
                    _ => {}
                }
                let served = open.iter().filter(|s| matches!(s, Standing::Served { .. })).count();
                prop_assert_eq!((all.served, all.refused), (served, open.len() - served));
                prop_assert!(all.served <= 6 && all.refused <= 3);
                prop_assert!(all.by_address.values().all(|&count| count == 1 || count == 2));
            }
            for standing in &open {
                all.leave(standing);
            }
            prop_assert_eq!((all.served, all.refused, all.by_address.len()), (0, 0, 0));
        }
    }
}
