//! What is measured, summed up so that the sums of all data centres can be added.

use std::ops::Range;

/// Weights are counted in thousandths of a client.
pub(crate) const WEIGHT_ONE: u64 = 1_000;

/// How much of something lies at each age, in ms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ages {
    /// By how much the count at an age differs from that at the age before.
    steps: Vec<i64>,
    max_ms: u64,
}

impl Ages {
    /// A screen stood at each of `ages` for a millisecond.
    fn add(&mut self, ages: Range<u64>, weight: u64) {
        if ages.is_empty() {
            return;
        }
        self.max_ms = self.max_ms.max(ages.end - 1);
        let weight = i64::try_from(weight).unwrap_or(i64::MAX);
        self.step(ages.start, weight);
        self.step(ages.end, -weight);
    }

    fn step(&mut self, age_ms: u64, by: i64) {
        let Ok(index) = usize::try_from(age_ms) else { return };
        if self.steps.len() <= index {
            self.steps.resize(index + 1, 0);
        }
        if let Some(step) = self.steps.get_mut(index) {
            *step += by;
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.steps.len() < other.steps.len() {
            self.steps.resize(other.steps.len(), 0);
        }
        for (step, more) in self.steps.iter_mut().zip(&other.steps) {
            *step += more;
        }
        self.max_ms = self.max_ms.max(other.max_ms);
    }

    fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let level = self.steps.iter().scan(0_i64, |level, step| {
            *level += step;
            Some(u64::try_from(*level).unwrap_or(0))
        });
        (0..).zip(level)
    }

    /// All there is, at `from_ms` and beyond.
    pub(crate) fn from(&self, from_ms: u64) -> u64 {
        self.counts().filter(|(age_ms, _)| *age_ms >= from_ms).map(|(_, count)| count).sum()
    }

    /// The age that `per_mille` thousandths of it do not exceed; 0 where there is nothing.
    pub(crate) fn percentile_ms(&self, per_mille: u64) -> u64 {
        let total = self.from(0);
        let mut below = 0;
        for (age_ms, count) in self.counts() {
            below += count;
            if u128::from(below) * 1_000 >= u128::from(total) * u128::from(per_mille) {
                return age_ms;
            }
        }
        0
    }

    pub(crate) const fn max_ms(&self) -> u64 {
        self.max_ms
    }
}

/// One price on one screen, from when it was shown until it was replaced.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// In ms of the run.
    pub(crate) span: Range<u64>,
    /// In ms of the run: the truth.
    pub(crate) confirmed_ms: u64,
    /// From when on the published rule flags it: for its age, or because its body says so.
    pub(crate) flagged_from_ms: u64,
    /// From when on the rule flags it for its age.
    pub(crate) too_old_from_ms: u64,
    /// From when on a client that trusted its own wall clock would flag it.
    pub(crate) flagged_by_wall_clock_from_ms: u64,
    /// In thousandths.
    pub(crate) weight: u64,
}

/// The figures of one run, or of several added up. Times weigh as many clients as stand for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// When to measure, in ms of the run.
    window: Range<u64>,
    /// Later than this age a price is old.
    fresh_for_ms: u64,
    pub(crate) ages: Ages,
    /// Screen time with a flag.
    pub(crate) flagged: u64,
    /// Prices that stood old and without a flag, however short.
    pub(crate) unflagged_stale: u64,
    /// The longest that one of them did.
    pub(crate) unflagged_stale_ms_max: u64,
    /// The most by which the published rule has taken a price to be younger than it was.
    pub(crate) age_understated_ms_max: u64,
    /// Screen time, old and without a flag, of clients that trust their own wall clock.
    pub(crate) unflagged_by_wall_clock: u64,
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    /// Answers whose body calls a price fresh that was old when they arrived.
    pub(crate) unflagged_in_body: u64,
    /// Requests (messages, in a stream) that clients sent (received).
    pub(crate) asked: u64,
    /// Connections opened.
    pub(crate) opened: u64,
    /// Requests that reached the origin, or would have, in each second of the window.
    pub(crate) fetches: Vec<u64>,
    /// The latest moment of the run at which an answer was old, or an error.
    pub(crate) last_bad_answer_ms: u64,
}

impl Measure {
    pub(crate) fn new(window: Range<u64>, fresh_for_ms: u64) -> Self {
        let seconds = (window.end - window.start).div_ceil(1_000);
        let fetches = vec![0; usize::try_from(seconds).unwrap_or(0)];
        Self { window, fresh_for_ms, fetches, ..Self::default() }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if self.fetches.len() < other.fetches.len() {
            self.fetches.resize(other.fetches.len(), 0);
        }
        self.fresh_for_ms = other.fresh_for_ms;
        self.ages.merge(&other.ages);
        self.flagged += other.flagged;
        self.unflagged_stale += other.unflagged_stale;
        self.unflagged_stale_ms_max = self.unflagged_stale_ms_max.max(other.unflagged_stale_ms_max);
        self.age_understated_ms_max = self.age_understated_ms_max.max(other.age_understated_ms_max);
        self.unflagged_by_wall_clock += other.unflagged_by_wall_clock;
        self.answers += other.answers;
        self.errors += other.errors;
        self.unflagged_in_body += other.unflagged_in_body;
        self.asked += other.asked;
        self.opened += other.opened;
        for (sum, more) in self.fetches.iter_mut().zip(&other.fetches) {
            *sum += more;
        }
        self.last_bad_answer_ms = self.last_bad_answer_ms.max(other.last_bad_answer_ms);
    }

    /// Runs one after the other, as one: their seconds follow each other.
    pub(crate) fn in_a_row<'a>(runs: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for run in runs {
            let mut fetches = std::mem::take(&mut all.fetches);
            all.merge(run);
            fetches.extend(&run.fetches);
            all.fetches = fetches;
        }
        all
    }

    /// The first age at which a price is old.
    pub(crate) const fn old_from_ms(&self) -> u64 {
        self.fresh_for_ms + 1
    }

    pub(crate) fn is_measuring(&self, at_ms: u64) -> bool {
        self.window.contains(&at_ms)
    }

    pub(crate) fn note_shown(&mut self, shown: &Shown) {
        let from = shown.span.start.max(self.window.start);
        let until = shown.span.end.min(self.window.end);
        if from >= until {
            return;
        }
        let weight = shown.weight;
        self.ages.add(from - shown.confirmed_ms..until - shown.confirmed_ms, weight);
        self.flagged += until.saturating_sub(shown.flagged_from_ms.max(from)) * weight;
        // Old from the first millisecond beyond.
        let old_from = from.max(shown.confirmed_ms + self.old_from_ms());
        let unflagged_ms = shown.flagged_from_ms.min(until).saturating_sub(old_from);
        self.unflagged_stale += if unflagged_ms > 0 { weight } else { 0 };
        self.unflagged_stale_ms_max = self.unflagged_stale_ms_max.max(unflagged_ms);
        let truly_old_from = shown.confirmed_ms + self.fresh_for_ms;
        let understated_ms =
            shown.too_old_from_ms.saturating_sub(truly_old_from.max(shown.span.start));
        self.age_understated_ms_max = self.age_understated_ms_max.max(understated_ms);
        let by_wall_clock_ms =
            shown.flagged_by_wall_clock_from_ms.min(until).saturating_sub(old_from);
        self.unflagged_by_wall_clock += by_wall_clock_ms * weight;
    }

    /// A client has its answer, or an error.
    pub(crate) fn note_answer(&mut self, at_ms: u64, answer: Option<(u64, bool)>, weight: u64) {
        let is_old = |confirmed_ms| at_ms.saturating_sub(confirmed_ms) > self.fresh_for_ms;
        let is_bad = answer.is_none_or(|(confirmed_ms, _)| is_old(confirmed_ms));
        if is_bad {
            self.last_bad_answer_ms = self.last_bad_answer_ms.max(at_ms);
        }
        if !self.is_measuring(at_ms) {
            return;
        }
        let is_lie =
            answer.is_some_and(|(confirmed_ms, is_stale)| !is_stale && is_old(confirmed_ms));
        self.answers += weight;
        self.errors += if answer.is_none() { weight } else { 0 };
        self.unflagged_in_body += if is_lie { weight } else { 0 };
    }

    pub(crate) fn note_asked(&mut self, at_ms: u64, opens: bool, weight: u64) {
        if self.is_measuring(at_ms) {
            self.asked += weight;
            self.opened += if opens { weight } else { 0 };
        }
    }

    pub(crate) fn note_fetch(&mut self, at_ms: u64) {
        if !self.is_measuring(at_ms) {
            return;
        }
        let second = usize::try_from((at_ms - self.window.start) / 1_000);
        if let Some(count) = second.ok().and_then(|second| self.fetches.get_mut(second)) {
            *count += 1;
        }
    }
}
