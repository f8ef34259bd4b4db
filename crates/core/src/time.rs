//! One kind of instant: milliseconds since the Unix epoch, as the process clock of whoever
//! holds it tells them. Core never reads a clock; `now` is always an argument.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// In the origin every stamp comes from its one process clock, which never runs backwards, so
/// the same type serves for stamps and for deadlines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// The instant `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`; 0 if `earlier` lies after `self`.
    ///
    /// Where a future stamp must not pass as "just now", compare the instants themselves first.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `ms` later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The instant `ms` earlier, not before the epoch.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Rounded down to a multiple of `grid_ms` (0 leaves it alone).
    #[must_use]
    pub const fn floor_to_ms(self, grid_ms: u64) -> Self {
        match self.0.checked_rem(grid_ms) {
            Some(rest) => Self(self.0.saturating_sub(rest)),
            None => self,
        }
    }

    /// Rounded up to a multiple of `grid_ms` (0 leaves it alone).
    #[must_use]
    pub const fn ceil_to_ms(self, grid_ms: u64) -> Self {
        let floor = self.floor_to_ms(grid_ms);
        if floor.0 == self.0 { self } else { floor.plus_ms(grid_ms) }
    }
}

impl Add<Duration> for UnixMillis {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        self.plus_ms(duration_ms(span))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A span in whole milliseconds; longer than 584 million years is clamped.
#[must_use]
pub fn duration_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_rounds_down_and_up_and_leaves_multiples_alone() {
        let at = |ms| UnixMillis::from_ms(ms);
        for (ms, floor, ceil) in [(0, 0, 0), (99, 0, 100), (100, 100, 100), (101, 100, 200)] {
            assert_eq!(at(ms).floor_to_ms(100), at(floor), "floor of {ms}");
            assert_eq!(at(ms).ceil_to_ms(100), at(ceil), "ceil of {ms}");
            assert_eq!(at(ms).floor_to_ms(0), at(ms));
        }
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(UnixMillis::from_ms(5).ms_since(UnixMillis::from_ms(9)), 0);
        assert_eq!(UnixMillis::from_ms(5).minus_ms(9), UnixMillis::from_ms(0));
        assert_eq!(UnixMillis::from_ms(u64::MAX).plus_ms(1).as_ms(), u64::MAX);
    }

    #[test]
    fn no_year_of_any_calendar_is_a_border() {
        // 2038 in seconds, 2106 in unsigned seconds, and beyond what a double tells exactly.
        for border in [i32::MAX as u64 * 1_000, u64::from(u32::MAX) * 1_000, 1 << 53] {
            let (before, after) =
                (UnixMillis::from_ms(border - 1), UnixMillis::from_ms(border + 1));
            assert!(before < after);
            assert_eq!(after.ms_since(before), 2);
            assert_eq!(before.plus_ms(2), after);
            assert_eq!(after.to_string(), (border + 1).to_string());
        }
    }
}
