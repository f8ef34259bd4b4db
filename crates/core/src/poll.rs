//! The client's side of freshness: when to poll next, how old a price is, what to drop. Kept
//! here so that what is published for clients is what the simulator proves.

use crate::cache_policy::CDN_HOLD_MS;
use crate::snapshot::{FRESH_FOR_MS, Version};
use crate::time::UnixMillis;

/// The next poll aims at this age, so that its answer arrives before five seconds.
const AIM_MS: u64 = 4_300;
/// Never more often.
const PAUSE_MIN_MS: u64 = 1_000;
/// Never more rarely.
const PAUSE_MAX_MS: u64 = 4_000;
/// An `Age` header counts whole seconds, rounded down: add what it may have dropped.
const AGE_HEADER_ROUNDING_MS: u64 = 1_000;

/// How much younger than it is an answer may look, by all that it says, that came through a shared cache
/// of one tier: its way from here to that cache, which no header counts.
pub const UNSEEN_ONE_TIER_MS: u64 = 500;
/// The same with two tiers: a shorter way, and all the time for which the upper one may hold an answer, since
/// whether Cloudflare's lower tier counts it in `Age` is not documented.
pub const UNSEEN_TWO_TIERS_MS: u64 = CDN_HOLD_MS + 250;

/// Pause before the next poll, when the oldest price shown has `age_ms`:
/// `clamp(4.3 s − age, 1 s, 4 s)`, give or take a tenth. `jitter` is uniform in `[0, 1)`.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the product lies in 900..=4,400"
)]
pub fn next_poll_ms(age_ms: u64, jitter: f64) -> u64 {
    let pause_ms = AIM_MS.saturating_sub(age_ms).clamp(PAUSE_MIN_MS, PAUSE_MAX_MS);
    (pause_ms as f64 * (0.9 + 0.2 * jitter.clamp(0.0, 1.0))) as u64
}

/// How old a price is on the screen.
///
/// `pricecast_now` is the header of the answer, `age_header_s` its `Age` if one came,
/// `since_sending_ms` monotonic time since the request was sent.
#[must_use]
pub fn age_on_screen_ms(
    confirmed_at: UnixMillis,
    pricecast_now: UnixMillis,
    age_header_s: Option<u64>,
    since_sending_ms: u64,
) -> u64 {
    let held_ms =
        age_header_s.map_or(0, |s| s.saturating_mul(1_000).saturating_add(AGE_HEADER_ROUNDING_MS));
    pricecast_now.ms_since(confirmed_at).saturating_add(held_ms).saturating_add(since_sending_ms)
}

/// Whether a client must flag a price of that age itself, whatever its body says.
#[must_use]
pub const fn must_flag(age_ms: u64) -> bool {
    age_ms >= FRESH_FOR_MS
}

/// Whether a client takes an answer: one older than what it shows is dropped.
#[must_use]
pub fn takes(shown: Option<Version>, offered: Version) -> bool {
    shown.is_none_or(|shown| offered >= shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::at;

    #[test]
    fn the_pause_aims_at_four_point_three_seconds_within_its_bounds() {
        for (age_ms, pause_ms) in
            [(0, 4_000), (300, 4_000), (301, 3_999), (2_000, 2_300), (3_300, 1_000), (9_000, 1_000)]
        {
            assert_eq!(next_poll_ms(age_ms, 0.5), pause_ms, "at age {age_ms}");
        }
        assert_eq!((next_poll_ms(0, 0.0), next_poll_ms(0, 1.0)), (3_600, 4_400));
    }

    #[test]
    fn an_age_header_adds_its_seconds_and_the_second_it_rounds_away() {
        assert_eq!(age_on_screen_ms(at(0), at(1_200), None, 300), 1_500);
        assert_eq!(age_on_screen_ms(at(0), at(1_200), Some(0), 300), 2_500);
        assert_eq!(age_on_screen_ms(at(0), at(1_200), Some(2), 300), 4_500);
        assert_eq!(age_on_screen_ms(at(5), at(0), None, 0), 0);
    }

    #[test]
    fn one_tier_may_hide_half_a_second_and_two_a_quarter_and_all_that_the_upper_one_may_hold() {
        assert_eq!((UNSEEN_ONE_TIER_MS, UNSEEN_TWO_TIERS_MS), (500, 250 + 2_000));
    }

    #[test]
    fn a_price_is_flagged_at_five_seconds_and_not_before() {
        assert!(!must_flag(4_999));
        assert!(must_flag(5_000));
    }

    #[test]
    fn an_older_answer_is_dropped_and_the_same_one_is_taken() {
        let version = |seq| Version { epoch: 1, seq };
        assert!(takes(None, version(1)));
        assert!(takes(Some(version(2)), version(2)));
        assert!(!takes(Some(version(2)), version(1)));
    }
}
