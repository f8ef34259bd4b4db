//! The only clock and the only dice of the Worker.

use pricecast_core::cache_policy::EdgeMillis;

/// The isolate's clock. It stands still between I/O and is never compared with an origin stamp.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> EdgeMillis {
    EdgeMillis::from_ms(whole(js_sys::Date::now()))
}

/// Uniform in `[0, 1)`. Not for secrets.
#[must_use]
pub(crate) fn jitter() -> f64 {
    js_sys::Math::random()
}

/// A number that tells isolates, and fetches, apart.
#[must_use]
pub(crate) fn random_id() -> u64 {
    const TWO_POW_32: f64 = 4_294_967_296.0;
    whole(jitter() * TWO_POW_32) << 32 | whole(jitter() * TWO_POW_32)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both callers' values lie within 0 and 2^53; `as` saturates beyond"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
