//! The shared secret between edge and origin.

use http::HeaderMap;
use pricecast_wire::headers::PRICECAST_ORIGIN_SECRET;
use subtle::{Choice, ConstantTimeEq};

use crate::config::Secret;

/// What a request may do by what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It carries a secret: it comes from our edge, and no address limits it.
    Edge,
    /// No secrets are set, so that anyone may ask.
    Anyone,
    /// It carries none, or a wrong one.
    Nobody,
}

impl Access {
    /// Exactly one header counts: two of them are a sign that someone in between adds to what a
    /// client sent.
    pub(super) fn of(headers: &HeaderMap, secrets: &[Secret]) -> Self {
        if secrets.is_empty() {
            return Self::Anyone;
        }
        let mut sent = headers.get_all(PRICECAST_ORIGIN_SECRET).iter();
        let (Some(given), None) = (sent.next(), sent.next()) else { return Self::Nobody };
        // Every secret is compared in full: the time tells neither which one nor how far it fits.
        let is_known = secrets
            .iter()
            .fold(Choice::from(0), |found, secret| found | secret.expose().ct_eq(given.as_bytes()));
        if is_known.into() { Self::Edge } else { Self::Nobody }
    }
}
