//! The objective: of all minutes of 30 days, 99.95 % are good. A minute is good when every price that was
//! served in it was at most 5 s old throughout, and when that was measured throughout.

use std::collections::VecDeque;

use crate::snapshot::FRESH_FOR_MS;
use crate::time::UnixMillis;

const MINUTE_MS: u64 = 60_000;
/// The window: 30 days of minutes.
pub const WINDOW_MINUTES: u64 = 30 * 24 * 60;
/// How many of 10,000 minutes are to be good.
pub const GOOD_OF_10_000: u64 = 9_995;
/// Without a look for longer than this nobody knows what was served meanwhile: nothing, if the process was
/// not there. A restart within it costs nothing by itself.
const UNSEEN_MAX_MS: u64 = FRESH_FOR_MS;

/// Minutes in a row that were not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRun {
    /// The first, counted from the Unix epoch.
    pub first: u64,
    /// The last, inclusive.
    pub last: u64,
    /// An old price was seen; else nobody looked.
    pub was_seen: bool,
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetReport {
    /// Minutes of the window since measuring began, the present one included.
    pub counted_minutes: u64,
    /// How many of them were not good.
    pub bad_minutes: u64,
    /// How many of those because nobody looked: the process was not there, or stood still.
    pub unmeasured_minutes: u64,
    /// How many of the whole window may be bad.
    pub allowed_minutes: u64,
}

impl BudgetReport {
    /// How many more may be bad; below zero the objective is missed.
    #[must_use]
    pub fn remaining_minutes(&self) -> i64 {
        self.allowed_minutes.cast_signed().saturating_sub(self.bad_minutes.cast_signed())
    }
}

/// Which minutes were good. A minute that is in no run of bad ones was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The first that counts: that in which all prices were good for the first time ever.
    began: Option<u64>,
    seen_at: Option<UnixMillis>,
    bad: VecDeque<BadRun>,
}

impl Budget {
    /// What [`Self::began`], [`Self::seen_at`] and [`Self::bad_runs`] told once. Nothing of it can be later
    /// than `now`, whatever a clock made of it.
    #[must_use]
    pub fn restored(
        began: Option<u64>,
        seen_at: Option<UnixMillis>,
        bad: impl IntoIterator<Item = BadRun>,
        now: UnixMillis,
    ) -> Self {
        let present = minute_of(now);
        let mut budget = Self { began: began.filter(|&began| began <= present), ..Self::default() };
        budget.seen_at = seen_at.filter(|_| budget.began.is_some()).map(|at| at.min(now));
        for run in bad {
            budget.spoil(run.first, run.last.min(present), run.was_seen);
        }
        budget
    }

    /// The first minute that counts.
    #[must_use]
    pub const fn began(&self) -> Option<u64> {
        self.began
    }

    /// When it was last looked.
    #[must_use]
    pub const fn seen_at(&self) -> Option<UnixMillis> {
        self.seen_at
    }

    /// The minutes that were not good, the oldest first.
    pub fn bad_runs(&self) -> impl Iterator<Item = &BadRun> {
        self.bad.iter()
    }

    /// Notes whether all that is served at `now` is good.
    pub fn note(&mut self, now: UnixMillis, is_good: bool) {
        let minute = minute_of(now);
        if self.began.is_none() && is_good {
            self.began = Some(minute);
        }
        if self.began.is_none() {
            return;
        }
        if let Some(seen_at) = self.seen_at.filter(|at| now.ms_since(*at) > UNSEEN_MAX_MS) {
            self.spoil(minute_of(seen_at), minute, false);
        }
        if !is_good {
            self.spoil(minute, minute, true);
        }
        self.seen_at = Some(now);
        while self.bad.front().is_some_and(|run| run.last + WINDOW_MINUTES <= minute) {
            self.bad.pop_front();
        }
    }

    /// A minute that is bad already stays what it is.
    fn spoil(&mut self, first: u64, last: u64, was_seen: bool) {
        let first = self.bad.back().map_or(first, |run| first.max(run.last + 1));
        if first > last {
            return;
        }
        match self.bad.back_mut() {
            Some(run) if run.last + 1 == first && run.was_seen == was_seen => run.last = last,
            _ => self.bad.push_back(BadRun { first, last, was_seen }),
        }
    }

    /// What is left at `now`.
    #[must_use]
    pub fn report(&self, now: UnixMillis) -> BudgetReport {
        let present = minute_of(now);
        let window_from = (present + 1).saturating_sub(WINDOW_MINUTES);
        let from = self.began.map_or(present + 1, |began| began.max(window_from));
        let within = |run: &BadRun| (run.last.min(present) + 1).saturating_sub(run.first.max(from));
        let sum = |runs: &mut dyn Iterator<Item = &BadRun>| runs.map(within).sum();
        BudgetReport {
            counted_minutes: (present + 1).saturating_sub(from),
            bad_minutes: sum(&mut self.bad.iter()),
            unmeasured_minutes: sum(&mut self.bad.iter().filter(|run| !run.was_seen)),
            allowed_minutes: WINDOW_MINUTES * (10_000 - GOOD_OF_10_000) / 10_000,
        }
    }
}

const fn minute_of(at: UnixMillis) -> u64 {
    at.as_ms() / MINUTE_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::at;

    fn minute(number: u64) -> UnixMillis {
        at(0).floor_to_ms(MINUTE_MS).plus_ms(number * MINUTE_MS)
    }

    /// Looks every second from `from` to `to`, exclusive.
    fn look(budget: &mut Budget, from: UnixMillis, to: UnixMillis, is_good: bool) {
        let seconds = to.ms_since(from) / 1_000;
        (0..seconds).for_each(|s| budget.note(from.plus_ms(s * 1_000), is_good));
    }

    /// Counted, bad, of which not measured.
    fn told(budget: &Budget, now: UnixMillis) -> [u64; 3] {
        let report = budget.report(now);
        [report.counted_minutes, report.bad_minutes, report.unmeasured_minutes]
    }

    #[test]
    fn one_old_price_at_one_moment_makes_its_minute_bad_and_no_other() {
        let mut budget = Budget::default();
        look(&mut budget, minute(0), minute(3), true);
        assert_eq!(told(&budget, minute(2)), [3, 0, 0]);
        budget.note(minute(3), false);
        look(&mut budget, minute(3).plus_ms(1_000), minute(5), true);
        assert_eq!(told(&budget, minute(4)), [5, 1, 0]);
        assert_eq!(budget.bad_runs().count(), 1);
    }

    #[test]
    fn of_a_month_twenty_one_minutes_may_be_bad_and_with_one_more_the_objective_is_missed() {
        let mut budget = Budget::default();
        look(&mut budget, minute(0), minute(1), true);
        for (bad, remaining) in [(21, 0), (22, -1)] {
            look(&mut budget, minute(1), minute(1 + bad), false);
            assert_eq!(budget.report(minute(bad)).remaining_minutes(), remaining);
        }
    }

    #[test]
    fn nothing_counts_before_all_was_good_for_the_first_time_ever() {
        let mut budget = Budget::default();
        look(&mut budget, minute(0), minute(10), false);
        assert_eq!(told(&budget, minute(9)), [0, 0, 0]);
        budget.note(minute(10), true);
        assert_eq!(told(&budget, minute(10)), [1, 0, 0]);
    }

    #[test]
    fn a_pause_of_five_seconds_costs_nothing_and_a_longer_one_each_minute_it_touches() {
        for (pause_ms, bad) in [(5_000, 0), (5_001, 2), (120_000, 3)] {
            let mut budget = Budget::default();
            let last = minute(1).plus_ms(57_000);
            look(&mut budget, minute(0), last, true);
            budget.note(last, true);
            budget.note(last.plus_ms(pause_ms), true);
            assert_eq!(told(&budget, last.plus_ms(pause_ms))[1..], [bad, bad], "{pause_ms}");
        }
    }

    #[test]
    fn a_minute_counts_as_bad_once() {
        let mut budget = Budget::default();
        budget.note(minute(0), true);
        budget.note(minute(0).plus_ms(30_000), false);
        budget.note(minute(0).plus_ms(31_000), false);
        assert_eq!(told(&budget, minute(0)), [1, 1, 1]);
    }

    #[test]
    fn a_bad_minute_is_forgiven_after_thirty_days() {
        let mut budget = Budget::default();
        budget.note(minute(0), true);
        budget.note(minute(0), false);
        for (now, bad) in [(WINDOW_MINUTES - 1, 1), (WINDOW_MINUTES, 0)] {
            assert_eq!(told(&budget, minute(now))[..2], [WINDOW_MINUTES, bad]);
        }
        budget.seen_at = Some(minute(WINDOW_MINUTES));
        budget.note(minute(WINDOW_MINUTES), true);
        assert_eq!(budget.bad_runs().count(), 0, "and forgotten");
    }

    #[test]
    fn what_was_told_brings_it_back_and_what_is_not_known_since_is_bad() {
        let mut budget = Budget::default();
        look(&mut budget, minute(0), minute(3), true);
        budget.note(minute(3), false);
        let bring = |now| {
            let runs = budget.bad_runs().copied().collect::<Vec<_>>();
            Budget::restored(budget.began(), budget.seen_at(), runs, now)
        };
        assert_eq!(bring(minute(3)), budget);
        let mut again = bring(minute(6));
        again.note(minute(6), true);
        assert_eq!(told(&again, minute(6)), [7, 4, 3], "minute 3 was bad already");
    }

    #[test]
    fn a_clock_that_was_wrong_by_years_for_a_while_does_not_spoil_the_years_to_come() {
        let mut budget = Budget::default();
        budget.note(minute(0), true);
        budget.note(minute(1_000_000), true);
        let runs = budget.bad_runs().copied().collect::<Vec<_>>();
        let mut again = Budget::restored(budget.began(), budget.seen_at(), runs, minute(5));
        look(&mut again, minute(5), minute(60), true);
        assert_eq!(told(&again, minute(59)), [60, 6, 6]);
        let later = Budget::restored(Some(u64::MAX), Some(minute(9)), [], minute(5));
        assert_eq!(later, Budget::default(), "what began in the future never began");
    }
}
