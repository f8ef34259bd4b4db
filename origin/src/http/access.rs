//! The shared secret between edge and origin.

use http::HeaderMap;
use pricecast_wire::headers::PRICECAST_ORIGIN_SECRET;
use pricecast_wire::{Problem, ProblemCode};
use subtle::{Choice, ConstantTimeEq};

use crate::config::Secret;

/// Whether the request carries one of `secrets`, or none are set. Exactly one header counts: two
/// of them are a sign that someone in between adds to what a client sent.
pub(super) fn is_allowed(headers: &HeaderMap, secrets: &[Secret]) -> bool {
    if secrets.is_empty() {
        return true;
    }
    let mut sent = headers.get_all(PRICECAST_ORIGIN_SECRET).iter();
    let (Some(given), None) = (sent.next(), sent.next()) else { return false };
    // Every secret is compared in full, so the time tells neither which one nor how far it fits.
    secrets
        .iter()
        .fold(Choice::from(0), |found, secret| found | secret.expose().ct_eq(given.as_bytes()))
        .into()
}

pub(super) fn forbidden() -> Problem {
    ProblemCode::Forbidden.into()
}
