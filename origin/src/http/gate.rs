//! Whom to answer, before what: the secret, and the limits on requests.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use pricecast_core::UnixMillis;
use pricecast_wire::ProblemCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Access;
use super::admission::Limit;
use super::buckets::Buckets;
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

/// What every request passes.
pub(super) struct Gate {
    secrets: Vec<Secret>,
    places: Arc<Semaphore>,
    buckets: Option<Buckets>,
}

impl Gate {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            secrets: config.access.secrets.clone(),
            places: Arc::new(Semaphore::new(config.http.requests_max)),
            buckets: Buckets::new(config.http.requests_per_address_per_s),
        }
    }

    /// Lets a request in. A probe (`/live`, `/ready`) is never refused, or it would tell of the
    /// load and not of the process; but it takes a place while there is one.
    pub(super) fn enter(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
        is_probe: bool,
        now: UnixMillis,
    ) -> Result<Place, Refusal> {
        let access = Access::of(headers, &self.secrets);
        if let Some(peer) = peer.filter(|_| access == Access::Edge) {
            peer.prove();
        }
        let place = Place(Arc::clone(&self.places).try_acquire_owned().ok());
        if is_probe {
            return Ok(place);
        }
        if let Some(limit) = peer.and_then(Peer::refusal) {
            return Err(Refusal::Limited(limit));
        }
        if access != Access::Edge && !self.may_ask(peer, now) {
            return Err(Refusal::Limited(Limit::RequestsPerAddress));
        }
        if access == Access::Nobody {
            return Err(Refusal::Forbidden);
        }
        if place.0.is_none() {
            return Err(Refusal::Limited(Limit::Requests));
        }
        Ok(place)
    }

    fn may_ask(&self, peer: Option<&Peer>, now: UnixMillis) -> bool {
        let Some(buckets) = &self.buckets else { return true };
        peer.and_then(Peer::address).is_none_or(|address| buckets.take(address, now))
    }
}

/// A request's place among those being answered; free again when dropped.
#[derive(Debug)]
pub(super) struct Place(Option<OwnedSemaphorePermit>);

impl Place {
    /// `body`, holding the place until it has been written in full.
    pub(super) fn held_by(self, body: Bytes) -> Bytes {
        if body.is_empty() { body } else { Bytes::from_owner(Held { body, _place: self }) }
    }
}

struct Held {
    body: Bytes,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
