//! Everything that is left to chance, from one seed.

use pricecast_core::cache_policy::mix;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The dice of one part of a simulation: the same seed throws the same.
#[derive(Debug)]
pub(crate) struct Chance(StdRng);

impl Chance {
    /// `parts` tell this part of the run from the others.
    pub(crate) fn new(seed: u64, parts: &[u64]) -> Self {
        Self(StdRng::seed_from_u64(parts.iter().fold(seed, |mixed, part| mix(mixed ^ part))))
    }

    /// Uniform, both ends included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.random_range(least..=most)
    }

    /// Uniform in `±most`.
    pub(crate) fn around(&mut self, most: i64) -> i64 {
        self.0.random_range(-most..=most)
    }

    /// One of `count` places.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        self.0.random_range(0..count.max(1))
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn jitter(&mut self) -> f64 {
        self.0.random()
    }

    /// Any number.
    pub(crate) fn id(&mut self) -> u64 {
        self.0.random()
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub(crate) fn happens(&mut self, per_mille: u64) -> bool {
        self.between(0, 999) < per_mille
    }

    /// Until the next of events that come independently, one in `mean_ms` on average.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and clamped to a year"
    )]
    pub(crate) fn pause_ms(&mut self, mean_ms: f64) -> u64 {
        const YEAR_MS: f64 = 31_536_000_000.0;
        (-(1.0 - self.jitter()).ln() * mean_ms).clamp(0.0, YEAR_MS).round() as u64
    }

    /// `value` as a whole number, rounded up as often as its fraction says.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of clients: not negative, below 2^53"
    )]
    pub(crate) fn whole(&mut self, value: f64) -> u64 {
        let floor = value.max(0.0).floor();
        floor as u64 + u64::from(self.jitter() < value - floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_another_part_throws_otherwise() {
        let throws = |parts: &[u64]| {
            let mut chance = Chance::new(7, parts);
            [chance.id(), chance.between(0, 1_000), chance.pause_ms(500.0)]
        };
        assert_eq!(throws(&[1, 2]), throws(&[1, 2]));
        assert_ne!(throws(&[1, 2]), throws(&[2, 1]));
    }

    #[test]
    fn pauses_have_their_mean() {
        let mut chance = Chance::new(1, &[]);
        let sum: u64 = (0..10_000).map(|_| chance.pause_ms(400.0)).sum();
        assert!((380..420).contains(&(sum / 10_000)), "{sum}");
    }
}
