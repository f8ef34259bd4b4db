//! Whom to answer, before what: the secret, and the limits on requests.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use pricecast_core::UnixMillis;
use pricecast_wire::ProblemCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Access;
use super::buckets::Buckets;
use super::limits::Limit;
use super::peer::Peer;
use crate::config::{Config, Secret};

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Limited(Limit),
    Forbidden,
}

impl Refusal {
    pub(super) const fn problem(self) -> ProblemCode {
        match self {
            Self::Limited(limit) => limit.problem(),
            Self::Forbidden => ProblemCode::Forbidden,
        }
    }
}

/// Probes of one address without the secret, a second: more than whatever watches over a process
/// sends, and less than would be felt.
const PROBES_PER_ADDRESS_PER_S: u32 = 100;

/// What every request passes.
pub(super) struct Gate {
    secrets: Vec<Secret>,
    places: Arc<Semaphore>,
    buckets: Option<Buckets>,
    probe_buckets: Option<Buckets>,
}

impl Gate {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            secrets: config.access.secrets.clone(),
            places: Arc::new(Semaphore::new(config.http.requests_max)),
            buckets: Buckets::new(config.http.requests_per_address_per_s),
            probe_buckets: Buckets::new(PROBES_PER_ADDRESS_PER_S),
        }
    }

    /// Whether `peer` has a connection to keep: anyone where there is no secret, else whoever has
    /// shown it.
    pub(super) fn may_stay(&self, peer: &Peer) -> bool {
        self.secrets.is_empty() || peer.is_proven()
    }

    /// Who asks, by the secret.
    pub(super) fn access(&self, headers: &HeaderMap) -> Access {
        Access::of(headers, &self.secrets)
    }

    /// Lets a request in.
    pub(super) fn enter(
        &self,
        access: Access,
        peer: Option<&Peer>,
        is_probe: bool,
        now: UnixMillis,
    ) -> Result<Permit, Refusal> {
        let is_limited = access != Access::Edge;
        if is_probe {
            // Neither load nor secret is its concern: it asks about the process. Being cheap, it
            // takes no place either, or strangers could take them all.
            let may_ask = !is_limited || may_ask(self.probe_buckets.as_ref(), peer, now);
            let refusal = Refusal::Limited(Limit::RequestsPerAddress);
            return may_ask.then_some(Permit(None)).ok_or(refusal);
        }
        if let Some(limit) = peer.and_then(Peer::refusal) {
            return Err(Refusal::Limited(limit));
        }
        if is_limited && !may_ask(self.buckets.as_ref(), peer, now) {
            return Err(Refusal::Limited(Limit::RequestsPerAddress));
        }
        if access == Access::Nobody {
            return Err(Refusal::Forbidden);
        }
        let permit = Arc::clone(&self.places).try_acquire_owned();
        permit.map(|permit| Permit(Some(permit))).map_err(|_| Refusal::Limited(Limit::Requests))
    }
}

fn may_ask(buckets: Option<&Buckets>, peer: Option<&Peer>, now: UnixMillis) -> bool {
    let Some(buckets) = buckets else { return true };
    peer.and_then(Peer::address).is_none_or(|address| buckets.take(address, now))
}

/// To be answered: a request's place among those that are, free again when dropped. A probe takes none.
#[derive(Debug)]
pub(super) struct Permit(Option<OwnedSemaphorePermit>);

impl Permit {
    /// `body`, holding the place until it has been written in full.
    pub(super) fn held_by(self, body: Bytes) -> Bytes {
        if body.is_empty() || self.0.is_none() {
            body
        } else {
            Bytes::from_owner(Held { body, _permit: self })
        }
    }
}

struct Held {
    body: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
