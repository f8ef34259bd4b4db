//! What another machine's clock says, and how well that is known.

/// As long as a call may take. A slower answer is no reading: half of this is how wrong a reading
/// may be.
const ROUND_TRIP_MAX_US: i64 = 200_000;

/// What another machine's clock said, and when by our monotonic one.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Half way between question and answer.
    mono_us: i64,
    /// What it said, µs since the epoch.
    their_us: i64,
    /// Between question and answer; half of it is how wrong this may be.
    round_trip_us: i64,
}

impl Told {
    /// How long question and answer took together, µs.
    #[must_use]
    pub const fn round_trip_us(&self) -> i64 {
        self.round_trip_us
    }

    /// What it says when our monotonic clock reads `mono_us`.
    pub(super) const fn at(&self, mono_us: i64) -> i64 {
        self.their_us.saturating_add(mono_us.saturating_sub(self.mono_us))
    }
}

/// What is known of the clock that is followed.
#[derive(Debug)]
pub(super) struct Following {
    /// The best reading since the last correction.
    pub(super) best: Option<Told>,
    /// It has told the time at least once.
    pub(super) is_known: bool,
}

impl Following {
    /// Takes a reading; true if it is the first ever.
    pub(super) fn note(&mut self, told: Told) -> bool {
        if self.best.is_none_or(|best| told.round_trip_us <= best.round_trip_us) {
            self.best = Some(told);
        }
        !std::mem::replace(&mut self.is_known, true)
    }
}

/// The moment another clock was asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub(super) mono_us: i64,
}

impl Asked {
    /// It has answered with `their_us` (µs since the epoch) when our monotonic clock read
    /// `mono_us`. `None` if it took so long that the answer says too little.
    pub(super) fn answered(self, mono_us: i64, their_us: i64) -> Option<Told> {
        let round_trip_us = mono_us.saturating_sub(self.mono_us);
        let halfway_us = self.mono_us.saturating_add(round_trip_us / 2);
        let is_quick = (0..=ROUND_TRIP_MAX_US).contains(&round_trip_us);
        is_quick.then_some(Told { mono_us: halfway_us, their_us, round_trip_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_706_900_000_000_000;

    #[test]
    fn another_clock_is_read_half_way_between_question_and_answer() {
        let told = Asked { mono_us: 7_000_000 }.answered(7_040_000, WALL).unwrap();
        assert_eq!(told.at(7_020_000), WALL);
        assert_eq!(told.at(9_000_000), WALL + 1_980_000);
        assert_eq!(told.round_trip_us(), 40_000);
    }

    #[test]
    fn a_slow_answer_is_no_reading() {
        let asked = Asked { mono_us: 0 };
        assert!(asked.answered(ROUND_TRIP_MAX_US, WALL).is_some());
        assert!(asked.answered(ROUND_TRIP_MAX_US + 1, WALL).is_none());
    }
}
