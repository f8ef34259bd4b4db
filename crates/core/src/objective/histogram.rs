//! Ages in fixed buckets: bounded, whatever is measured and for however long.

/// The upper bound of each bucket, inclusive. Up to 0.5 s in steps of 50 ms, up to 10 s each at most a
/// tenth above the one before, then coarse: beyond 10 s it no longer matters how old exactly. 5 s, the
/// objective, is one of them.
const BOUNDS_MS: [u64; 54] = [
    50,
    100,
    150,
    200,
    250,
    300,
    350,
    400,
    450,
    500,
    550,
    600,
    650,
    700,
    770,
    840,
    920,
    1_000,
    1_100,
    1_200,
    1_300,
    1_400,
    1_500,
    1_650,
    1_800,
    1_950,
    2_100,
    2_300,
    2_500,
    2_750,
    3_000,
    3_300,
    3_600,
    3_900,
    4_250,
    4_600,
    5_000,
    5_500,
    6_000,
    6_600,
    7_200,
    7_900,
    8_600,
    9_300,
    10_000,
    15_000,
    20_000,
    30_000,
    60_000,
    120_000,
    300_000,
    900_000,
    3_600_000,
    u64::MAX,
];

/// How often each age was seen. A count stops at 65,535, more than an hour of samples has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeHistogram {
    counts: [u16; BOUNDS_MS.len()],
    max_ms: u64,
}

impl Default for AgeHistogram {
    fn default() -> Self {
        Self { counts: [0; BOUNDS_MS.len()], max_ms: 0 }
    }
}

impl AgeHistogram {
    /// What [`Self::max_ms`] and [`Self::counts`] told once.
    #[must_use]
    pub fn restored(max_ms: u64, counts: impl IntoIterator<Item = (u64, u16)>) -> Self {
        let mut histogram = Self { max_ms, ..Self::default() };
        for (up_to_ms, count) in counts {
            histogram.add(up_to_ms, count);
        }
        histogram
    }

    /// Notes that a price was seen at that age.
    pub fn note(&mut self, age_ms: u64) {
        self.add(age_ms, 1);
        self.max_ms = self.max_ms.max(age_ms);
    }

    fn add(&mut self, age_ms: u64, count: u16) {
        let bucket = BOUNDS_MS.partition_point(|&bound_ms| bound_ms < age_ms);
        if let Some(known) = self.counts.get_mut(bucket) {
            *known = known.saturating_add(count);
        }
    }

    /// The highest age seen, exactly; 0 if none was.
    #[must_use]
    pub const fn max_ms(&self) -> u64 {
        self.max_ms
    }

    /// How often an age was seen in each bucket, by the bucket's upper bound; empty ones are left out.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u16)> {
        BOUNDS_MS.into_iter().zip(self.counts).filter(|&(_, count)| count > 0)
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }
}

/// What a stretch of time comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeSummary {
    /// Half of the samples were at most so old.
    pub p50_ms: u64,
    /// 99 of 100 samples were at most so old.
    pub p99_ms: u64,
    /// The oldest.
    pub max_ms: u64,
    /// How many there were.
    pub samples: u64,
}

impl AgeSummary {
    /// Of all samples in `parts`; `None` if there are none.
    ///
    /// A percentile is the upper bound of its bucket, so it errs towards older: by 50 ms up to 0.5 s, by a
    /// tenth up to 10 s, and never beyond the maximum, which is exact.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a AgeHistogram>) -> Option<Self> {
        let (mut counts, mut max_ms) = ([0_u64; BOUNDS_MS.len()], 0);
        for part in parts {
            for (sum, &count) in counts.iter_mut().zip(&part.counts) {
                *sum += u64::from(count);
            }
            max_ms = max_ms.max(part.max_ms);
        }
        let samples: u64 = counts.iter().sum();
        let at = |percent: u64| {
            let rank = (samples * percent).div_ceil(100);
            let mut below = 0;
            let bucket = counts.iter().position(|&count| {
                below += count;
                below >= rank
            });
            bucket.and_then(|at| BOUNDS_MS.get(at)).map_or(max_ms, |&bound_ms| bound_ms.min(max_ms))
        };
        (samples > 0).then(|| Self { p50_ms: at(50), p99_ms: at(99), max_ms, samples })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(ages_ms: impl IntoIterator<Item = u64>) -> AgeHistogram {
        let mut histogram = AgeHistogram::default();
        ages_ms.into_iter().for_each(|age_ms| histogram.note(age_ms));
        histogram
    }

    #[test]
    fn each_bucket_up_to_ten_seconds_is_at_most_a_tenth_or_fifty_milliseconds_wide() {
        for pair in BOUNDS_MS.windows(2) {
            let [low, high] = pair else { panic!() };
            let is_fine = high - low <= (low / 10).max(50);
            assert!(low < high && (is_fine || *low >= 10_000), "{low}..{high}");
        }
        assert!(BOUNDS_MS.contains(&5_000));
    }

    #[test]
    fn percentiles_are_those_of_all_parts_together() {
        let slow = of([4_900]);
        let quick = of(std::iter::repeat_n(20, 99));
        let both = AgeSummary::of([&slow, &quick]).unwrap();
        assert_eq!(both, AgeSummary { p50_ms: 50, p99_ms: 50, max_ms: 4_900, samples: 100 });
        let one_less = of(std::iter::repeat_n(20, 98));
        assert_eq!(
            AgeSummary::of([&slow, &one_less]).unwrap().p99_ms,
            4_900,
            "not beyond the maximum"
        );
        assert_eq!(AgeSummary::of([&AgeHistogram::default()]), None);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_beyond_to_the_next() {
        for (age_ms, up_to_ms) in [(0, 50), (50, 50), (51, 100), (5_000, 5_000), (5_001, 5_500)] {
            assert_eq!(of([age_ms]).counts().collect::<Vec<_>>(), [(up_to_ms, 1)], "{age_ms}");
        }
    }

    #[test]
    fn a_count_stops_instead_of_beginning_again() {
        let full = of(std::iter::repeat_n(7, usize::from(u16::MAX) + 2));
        assert_eq!(full.counts().collect::<Vec<_>>(), [(50, u16::MAX)]);
    }

    proptest! {
        #[test]
        fn what_is_told_brings_the_same_histogram_back(ages_ms in prop::collection::vec(0_u64..9_000_000, 0..50)) {
            let histogram = of(ages_ms);
            let again = AgeHistogram::restored(histogram.max_ms(), histogram.counts());
            prop_assert_eq!(again, histogram);
        }

        #[test]
        fn a_percentile_is_never_too_young_and_at_most_a_tenth_too_old(
            mut ages_ms in prop::collection::vec(0_u64..10_000, 1..200),
        ) {
            let told = AgeSummary::of([&of(ages_ms.iter().copied())]).unwrap();
            ages_ms.sort_unstable();
            for (percent, told_ms) in [(50, told.p50_ms), (99, told.p99_ms)] {
                let true_ms = ages_ms[(ages_ms.len() * percent).div_ceil(100) - 1];
                prop_assert!((true_ms..=true_ms + (true_ms / 10).max(50)).contains(&told_ms), "{true_ms} {told_ms}");
            }
        }
    }
}
