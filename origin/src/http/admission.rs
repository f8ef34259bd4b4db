//! Which connections are served, which are only told to come again, and which wait or are closed.
//! Pure: the sockets and the clock are elsewhere.
//!
//! One rule guards those who have a secret: a connection that has not shown it gives way, the
//! oldest first, to whoever may show it yet. One that has shown it is never closed for others.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::AddressKey;
use super::limits::{ConnectionLimits, Limit};

/// While all places are taken, a connection has so long to show the secret, or to be told that it
/// must come again, before it gives way to one from another address. Less, and a burst of the
/// edge's own would close one another unread.
const GIVES_WAY_AFTER: Duration = Duration::from_millis(300);

/// Which place a connection has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is served.
    Served,
    /// It is told that a limit was reached, and closed.
    Refused(Limit),
}

/// What a connection may expect.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) place: Place,
    /// Its number among those that have not shown the secret, while it has not.
    unproven: Option<u64>,
}

impl Standing {
    /// Whether it has shown the secret.
    pub(super) const fn is_proven(&self) -> bool {
        self.unproven.is_none()
    }
}

/// A connection that has not shown the secret.
#[derive(Debug)]
struct Unproven {
    /// Whose share it counts for; `None`: nobody's.
    counts_for: Option<AddressKey>,
    is_served: bool,
    since: Instant,
    end: CancellationToken,
}

/// What became of the wish to be taken in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) standing: Standing,
    /// Cancelled when the connection is to end at once: it gives way.
    pub(super) end: CancellationToken,
    /// The limit for which others were closed to make room for it.
    pub(super) made_room: Option<Limit>,
}

/// The connections there are.
#[derive(Debug)]
pub(super) struct Admission {
    limits: ConnectionLimits,
    served: usize,
    refused: usize,
    /// By order of arrival.
    unproven: BTreeMap<u64, Unproven>,
    arrived: u64,
    /// Served and unproven. Never empty entries: as many at the most as connections.
    by_address: HashMap<AddressKey, usize>,
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            served: 0,
            refused: 0,
            unproven: BTreeMap::new(),
            arrived: 0,
            by_address: HashMap::new(),
        }
    }

    /// The key by which `peer` is limited; `None` for a trusted proxy.
    pub(super) fn key(&self, peer: IpAddr) -> Option<AddressKey> {
        AddressKey::of(peer, &self.limits.trusted_proxies)
    }

    /// From when on a connection from anywhere can be served, or at least be told that it is not,
    /// if nobody leaves before; `None`: not before somebody does.
    pub(super) fn has_room_at(&self, now: Instant) -> Option<Instant> {
        if self.served < self.limits.served_max || self.refused < self.limits.refused_max {
            return Some(now);
        }
        let (_, oldest) = self.unproven.first_key_value()?;
        self.limits.unproven_give_way.then(|| now.max(oldest.since + GIVES_WAY_AFTER))
    }

    /// Takes in a connection from `address`, if need be in the place of one that has not shown the
    /// secret; an error if it is to be closed without a word.
    pub(super) fn admit(
        &mut self,
        address: Option<AddressKey>,
        now: Instant,
    ) -> Result<Admitted, Limit> {
        let counts_for = address.filter(|_| self.limits.per_address_max > 0);
        let mut made_room = None;
        let place = loop {
            let Some(limit) = self.limit_for(counts_for) else { break Place::Served };
            if self.refused < self.limits.refused_max {
                break Place::Refused(limit);
            }
            // Who is beyond its share makes room among its own, so that nobody else feels it.
            let whose = counts_for.filter(|_| limit == Limit::ConnectionsPerAddress);
            if !self.give_way(|other| whose.is_none() || other.counts_for == whose) {
                return Err(limit);
            }
            made_room = Some(limit);
        };
        let end = CancellationToken::new();
        let is_served = place == Place::Served;
        self.take(is_served);
        if let Some(address) = counts_for.filter(|_| is_served) {
            *self.by_address.entry(address).or_default() += 1;
        }
        self.arrived += 1;
        let unproven = Unproven { counts_for, is_served, since: now, end: end.clone() };
        self.unproven.insert(self.arrived, unproven);
        let standing = Standing { place, unproven: Some(self.arrived) };
        Ok(Admitted { standing, end, made_room })
    }

    fn limit_for(&self, address: Option<AddressKey>) -> Option<Limit> {
        let of_address = address.and_then(|address| self.by_address.get(&address));
        if of_address.is_some_and(|&count| count >= self.limits.per_address_max) {
            Some(Limit::ConnectionsPerAddress)
        } else if self.served >= self.limits.served_max {
            Some(Limit::Connections)
        } else {
            None
        }
    }

    /// The connection has shown the secret: no address limits it any more, and it is served while
    /// there is a place, or one that has not shown it. Returns the limit for which another was closed to
    /// make room for it.
    pub(super) fn prove(&mut self, standing: &mut Standing) -> Option<Limit> {
        let number = standing.unproven?;
        // One that gives way already has no place any more.
        self.remove(number)?;
        standing.unproven = None;
        let has_room = self.served < self.limits.served_max;
        let made_room = !has_room && self.give_way(|other| other.is_served);
        let is_served = has_room || made_room;
        self.take(is_served);
        standing.place = if is_served { Place::Served } else { Place::Refused(Limit::Connections) };
        made_room.then_some(Limit::Connections)
    }

    /// The connection has ended.
    pub(super) fn leave(&mut self, standing: &Standing) {
        match standing.unproven {
            Some(number) => drop(self.remove(number)),
            None => self.free(standing.place == Place::Served),
        }
    }

    /// Ends the oldest connection of `those` that have not shown the secret; false if there is none.
    fn give_way(&mut self, those: impl Fn(&Unproven) -> bool) -> bool {
        if !self.limits.unproven_give_way {
            return false;
        }
        let oldest =
            self.unproven.iter().find(|(_, other)| those(other)).map(|(&number, _)| number);
        oldest.and_then(|number| self.remove(number)).inspect(|other| other.end.cancel()).is_some()
    }

    fn remove(&mut self, number: u64) -> Option<Unproven> {
        let gone = self.unproven.remove(&number)?;
        self.free(gone.is_served);
        if let Some(address) = gone.counts_for.filter(|_| gone.is_served) {
            self.uncount(address);
        }
        Some(gone)
    }

    fn take(&mut self, is_served: bool) {
        *(if is_served { &mut self.served } else { &mut self.refused }) += 1;
    }

    fn free(&mut self, is_served: bool) {
        *(if is_served { &mut self.served } else { &mut self.refused }) -= 1;
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
mod tests;
