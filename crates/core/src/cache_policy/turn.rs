//! The record a data centre's isolates share: who fetched last, who is fetching now, and what
//! is known of failures. It saves fetches; nothing depends on it for truth.

use super::EdgeMillis;

/// Pause after the first failure.
const FIRST_RETRY_MS: u64 = 1_000;
/// Pause after every further one.
const RETRY_MS: u64 = 2_000;
/// The pauses are shortened by up to one part in this many, so that data centres drift apart.
const RETRY_JITTER_DIVISOR: u64 = 5;
/// A failure is known for so long; then somebody may wait for an answer again.
const KNOWN_FOR_MS: u64 = 3_500;
/// Whoever is not first in turn waits at least this much longer …
const OTHERS_WAIT_MS: u64 = 400;
/// … plus up to this, by lot.
const OTHERS_SPREAD_MS: u64 = 500;
/// How long a claim binds the others: as long as a flight may last.
pub(super) const CLAIM_MS: u64 = 1_250;

/// The shared record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The isolate that fetched or claimed last: the keeper.
    pub by: u64,
    /// Its claim binds others until then.
    pub until: EdgeMillis,
    /// Failures in a row.
    pub fails: u32,
    /// No fetch before this while failures last.
    pub retry_at: EdgeMillis,
    /// When the last outcome was noted.
    pub at: EdgeMillis,
}

impl Turn {
    /// Isolate `by` claims the next fetch. What is known of failures stays.
    pub(super) fn claim(known: Option<&Self>, by: u64, now: EdgeMillis) -> Self {
        let until = now.plus_ms(CLAIM_MS);
        match known {
            Some(known) => Self { by, until, ..*known },
            None => Self { by, until, fails: 0, retry_at: now, at: now },
        }
    }

    /// A fetch by `by` failed. `jitter` is uniform in `[0, 1)`.
    pub(super) fn failed(known: Option<&Self>, by: u64, now: EdgeMillis, jitter: f64) -> Self {
        let fails = known.map_or(0, |turn| turn.fails).saturating_add(1);
        let pause_ms = if fails == 1 { FIRST_RETRY_MS } else { RETRY_MS };
        let shortened_ms = pause_ms - share_of(pause_ms / RETRY_JITTER_DIVISOR, jitter);
        Self { by, until: now, fails, retry_at: now.plus_ms(shortened_ms), at: now }
    }

    /// A fetch by `by` succeeded.
    pub(super) const fn succeeded(by: u64, now: EdgeMillis) -> Self {
        Self { by, until: now, fails: 0, retry_at: now, at: now }
    }

    /// Whether it replaces what an isolate knows itself: the later outcome does. While all goes
    /// well the shared record does in any case: outcomes are put only when something failed, so
    /// it is older than each one's own, and it alone says whose turn it is.
    pub(super) fn is_news_to(&self, own: &Self) -> bool {
        self.at >= own.at || self.fails == 0 && own.fails == 0
    }

    /// Whether it tells of a failure young enough that waiting is pointless.
    pub(super) fn is_known_failure(&self, now: EdgeMillis) -> bool {
        let is_over = now.ms_since(self.at) >= KNOWN_FOR_MS;
        let is_of_a_wrong_clock = self.at.ms_since(now) > KNOWN_FOR_MS;
        self.fails > 0 && !is_over && !is_of_a_wrong_clock
    }

    /// Whether who must wait `patience_ms` longer than the last prober may not fetch yet.
    pub(super) fn is_held_off(&self, patience_ms: u64, now: EdgeMillis) -> bool {
        self.retry_at.plus_ms(patience_ms).is_ahead_within(RETRY_MS + patience_ms, now)
    }

    /// Whether another isolate than `me` is fetching.
    pub(super) fn is_claimed_by_other(&self, me: u64, now: EdgeMillis) -> bool {
        self.by != me && self.until.is_ahead_within(CLAIM_MS, now)
    }

    /// How much later than the keeper `me` may go: the lot stays the same for one outcome.
    pub(super) const fn patience_ms(&self, me: u64) -> u64 {
        let lot = mix(me ^ self.at.as_ms().rotate_left(32)) % (OTHERS_SPREAD_MS + 1);
        OTHERS_WAIT_MS + lot
    }
}

/// `jitter` of `whole`, for `jitter` in `[0, 1)`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "whole is a few seconds in ms"
)]
pub(super) fn share_of(whole: u64, jitter: f64) -> u64 {
    (whole as f64 * jitter.clamp(0.0, 1.0)) as u64
}

/// The finaliser of SplitMix64: spreads neighbouring numbers evenly.
#[must_use]
pub const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_bears_the_claimers_name_and_keeps_what_is_known_of_failures() {
        let at = EdgeMillis::from_ms;
        let known = Turn { by: 1, until: at(500), fails: 3, retry_at: at(900), at: at(400) };
        let claim = Turn::claim(Some(&known), 2, at(1_000));
        assert_eq!(claim, Turn { by: 2, until: at(1_000 + CLAIM_MS), ..known });
        let first = Turn::claim(None, 2, at(1_000));
        assert_eq!((first.by, first.until, first.fails), (2, at(1_000 + CLAIM_MS), 0));
    }

    /// Its published first numbers from the seed 0:
    /// <https://prng.di.unimi.it/splitmix64.c>
    #[test]
    fn the_mixing_is_that_of_splitmix64() {
        for (steps, number) in
            [(0, 0xe220_a839_7b1d_cdaf), (1, 0x6e78_9e6a_a1b9_65f4), (2, 0x06c4_5d18_8009_454f)]
        {
            assert_eq!(mix(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(steps)), number, "{steps}");
        }
    }

    #[test]
    fn a_failure_is_known_for_three_and_a_half_seconds_on_either_side_of_a_clock_that_differs() {
        let at = EdgeMillis::from_ms;
        let failed = Turn::failed(None, 1, at(10_000), 0.0);
        for (ms, is_known) in [(6_499, false), (6_500, true), (13_499, true), (13_500, false)] {
            assert_eq!(failed.is_known_failure(at(ms)), is_known, "at {ms}");
        }
    }

    #[test]
    fn a_failure_holds_off_for_its_pause_and_ones_patience_but_not_on_a_clock_set_back() {
        let at = EdgeMillis::from_ms;
        let first = Turn::failed(None, 1, at(0), 0.0);
        let failed = Turn::failed(Some(&first), 1, at(10_000), 0.0);
        for (ms, is_held_off) in [(9_999, false), (10_000, true), (12_399, true), (12_400, false)] {
            assert_eq!(failed.is_held_off(400, at(ms)), is_held_off, "at {ms}");
        }
    }

    #[test]
    fn the_others_wait_from_four_hundred_to_nine_hundred_ms_both_included() {
        let turn = Turn::succeeded(0, EdgeMillis::from_ms(1_706_900_000_000));
        let waits = || (0..10_000).map(|me| turn.patience_ms(me));
        assert_eq!((waits().min(), waits().max()), (Some(400), Some(900)));
    }

    #[test]
    fn the_lots_of_neighbouring_isolates_are_spread_evenly_over_their_half_second() {
        for ms in [1_706_900_000_000, 1_706_900_000_001] {
            let at = EdgeMillis::from_ms(ms);
            let turn = Turn::succeeded(0, at);
            let mut tenths = [0_u32; 10];
            for me in 0..1_000 {
                let lot = turn.patience_ms(me) - OTHERS_WAIT_MS;
                assert!(lot <= OTHERS_SPREAD_MS);
                let tenth = usize::try_from(lot * 10 / (OTHERS_SPREAD_MS + 1)).unwrap();
                *tenths.get_mut(tenth).unwrap() += 1;
            }
            assert!(tenths.iter().all(|count| (65..=135).contains(count)), "{tenths:?}");
        }
    }
}
