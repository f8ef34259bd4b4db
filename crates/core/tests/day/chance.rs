//! Distributions.

use rand::RngExt;
use rand::rngs::StdRng;

/// Standard normal.
pub(crate) fn normal(rng: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// One step of a noise around 0 over `dt` of its time constants.
pub(crate) fn relax(rng: &mut StdRng, value: f64, deviation: f64, dt: f64) -> f64 {
    let keep = (-dt).exp();
    value * keep + deviation * (1.0 - keep * keep).sqrt() * normal(rng)
}

/// Milliseconds until the next of events that come `per_s` times a second.
pub(crate) fn gap_ms(rng: &mut StdRng, per_s: f64) -> u64 {
    let gap_s = -(1.0 - rng.random::<f64>()).ln() / per_s;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a day")]
    let ms = (gap_s * 1_000.0).min(86_400_000.0) as u64;
    ms + 1
}
