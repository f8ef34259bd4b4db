//! A seeded random source whose numbers are the same for ever: SplitMix64, written out.
//!
//! Library generators may change their algorithm between releases; a seed printed by a failing
//! test must still mean the same prices next year.

/// SplitMix64 (Steele, Lea, Flood 2014) with the few distributions the market needs.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    /// A stream of its own for each `(seed, labels)`, so that one symbol's prices do not depend on
    /// which other symbols are configured.
    pub(crate) fn new(seed: u64, labels: &[&str]) -> Self {
        let state = labels
            .iter()
            .fold(seed ^ 0x9e37_79b9_7f4a_7c15, |hash, label| fnv1a(hash, label.as_bytes()));
        let mut rng = Self { state };
        rng.next_u64();
        rng
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `(0, 1]`: safe to take the logarithm of.
    pub(crate) fn unit(&mut self) -> f64 {
        let bits = (self.next_u64() >> 11) + 1;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box–Muller, one of the pair).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// Uniform in `0..n`; 0 for `n = 0`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next_u64().checked_rem(n).unwrap_or(0)
    }
}

/// FNV-1a over `bytes`, continuing from `hash`; ends with a separator so that labels do not run
/// together.
pub(crate) fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .chain(std::iter::once(&0xff))
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_algorithm_is_pinned() {
        // First outputs of SplitMix64 from state 0, as published with the reference code.
        let mut rng = Rng { state: 0 };
        assert_eq!(rng.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(rng.next_u64(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn labels_do_not_run_together() {
        let mut a = Rng::new(1, &["ab", "c"]);
        let mut b = Rng::new(1, &["a", "bc"]);
        assert_ne!(a.next_u64(), b.next_u64());
    }

    #[test]
    fn normal_and_exponential_have_their_moments() {
        let mut rng = Rng::new(7, &["moments"]);
        let n = 20_000;
        let normals: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        let exponential = (0..n).map(|_| rng.exponential()).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!((exponential - 1.0).abs() < 0.03, "{exponential}");
    }
}
