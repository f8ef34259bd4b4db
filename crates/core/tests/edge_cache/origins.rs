//! Several origins: when the next one is asked, and what is shown meanwhile.

use super::*;

#[test]
fn a_failing_origin_is_left_for_the_next_and_two_are_tried_within_one_flight() {
    let mut cache = cold(3);
    let mut flight = begin_fetch(&mut cache, 0, None);
    let next = cache.settle_fetch(&mut flight, edge(10), None, 0.0);
    let Settled::TryNext(attempt) = next else { panic!("{next:?}") };
    assert_eq!((attempt.origin, attempt.timeout_ms), (1, 1_000));
    let settled = cache.settle_fetch(&mut flight, edge(20), None, 0.0);
    assert!(matches!(settled, Settled::Failed { .. }), "the third waits for the next flight");
    let flight = cache.begin_refresh(edge(1_020));
    cache.settle_snap(flight, edge(1_020), None);
    let step = cache.settle_turn(flight, edge(1_020), None, 0.0);
    assert!(matches!(step, NextStep::Fetch { attempt, .. } if attempt.origin == 2));
}

#[test]
fn the_second_attempt_gets_only_what_is_left_of_the_flight() {
    for (ms, timeout_ms) in [(1_000, Some(200)), (1_100, Some(100)), (1_101, None)] {
        let mut cache = cold(2);
        let mut flight = begin_fetch(&mut cache, 0, None);
        let settled = cache.settle_fetch(&mut flight, edge(ms), None, 0.0);
        let got = match settled {
            Settled::TryNext(attempt) => Some(attempt.timeout_ms),
            _ => None,
        };
        assert_eq!(got, timeout_ms, "failed at {ms}");
    }
}

#[test]
fn an_origin_that_had_only_the_rest_of_a_flight_gets_a_whole_one_next() {
    for (answered_ms, next_origin) in [(1_199, 0), (1_200, 1)] {
        let mut cache = cold(2);
        let mut flight = begin_fetch(&mut cache, 0, None);
        cache.settle_fetch(&mut flight, edge(1_000), None, 0.0);
        let settled = cache.settle_fetch(&mut flight, edge(answered_ms), None, 0.0);
        assert!(matches!(settled, Settled::Failed { .. }), "{settled:?}");
        let step = asks_turn(&mut cache, 2_300, None);
        let NextStep::Fetch { attempt, .. } = step else { panic!("{step:?}") };
        assert_eq!((attempt.origin, attempt.timeout_ms), (next_origin, 1_000), "{answered_ms}");
    }
}

/// An isolate that knows `origins` and has fetched seq 1, confirmed at 0, from the first one, which
/// sent it `age_ms` later.
fn hears(origins: usize, age_ms: u64) -> (EdgeCache<u64>, Settled) {
    let mut cache = cold(origins);
    let mut flight = begin_fetch(&mut cache, age_ms, None);
    let answer = copy(1, age_ms, 0);
    let settled = cache.settle_fetch(&mut flight, edge(age_ms + 10), Some(answer), 0.0);
    (cache, settled)
}

/// Which origin it asks next.
fn next_origin(cache: &mut EdgeCache<u64>, ms: u64) -> Option<usize> {
    match asks_turn(cache, ms, None) {
        NextStep::Fetch { attempt, .. } => Some(attempt.origin),
        NextStep::Done | NextStep::ReadTurn => None,
    }
}

/// The origin it asks at `ms` gives an answer of `seq` confirmed at `confirmed_ms`.
fn is_told(cache: &mut EdgeCache<u64>, ms: u64, seq: u64, confirmed_ms: u64) -> Settled {
    let mut flight = begin_fetch(cache, ms, None);
    cache.settle_fetch(&mut flight, edge(ms + 10), Some(copy(seq, ms, confirmed_ms)), 0.0)
}

const ADOPTED: Settled = Settled::Adopted { turn: None };

#[test]
fn an_origin_whose_newest_price_is_three_and_a_half_seconds_old_is_left_for_the_next_at_once() {
    let (mut cache, settled) = hears(2, 3_500);
    assert_eq!(settled, ADOPTED);
    assert_eq!(served(cache.decide(edge(3_520), 0)), Some(Served::Hit));
    assert_eq!(next_origin(&mut cache, 4_600), Some(0));

    let (mut cache, settled) = hears(2, 3_501);
    assert_eq!(settled, Settled::LeftBehind, "the others of the data centre need not see it");
    let starts = Decision::Serve { served: Served::Revalidating, start_refresh: true };
    assert_eq!(cache.decide(edge(3_521), 0), starts, "still fresh: nobody waits");
    assert_eq!(next_origin(&mut cache, 3_521), Some(1));
}

#[test]
fn the_newest_price_of_an_answer_tells_not_the_oldest() {
    let mut told = snapshot(1, 0);
    told.prices.push(PricePoint { confirmed_at: origin(5_000), ..*told.prices.first().unwrap() });
    let meta = |ms| CopyMeta::new(&told, edge(ms), origin(ms), 1_000).unwrap();
    assert!(!meta(8_500).was_left_behind);
    assert!(meta(8_501).was_left_behind);
}

#[test]
fn what_a_client_would_be_shown_flagged_waits_for_the_other_origins() {
    // Held for a second by a client's own cache, it is flagged from 4 s on.
    for (age_ms, shown) in [(3_970, Some(Served::Revalidating)), (3_980, None)] {
        let (cache, _) = hears(2, age_ms);
        assert_eq!(served(cache.decide(edge(age_ms + 20), 0)), shown, "{age_ms}");
    }
    let (cache, _) = hears(2, 60_000);
    assert_eq!(cache.decide(edge(60_020), 999), Decision::Wait { start_refresh: true });
    assert_eq!(served(cache.decide(edge(60_020), 1_000)), Some(Served::LastKnown));
}

#[test]
fn a_live_origin_is_kept_once_it_is_found() {
    let (mut cache, _) = hears(3, 4_000);
    assert_eq!(is_told(&mut cache, 4_020, 1, 0), Settled::LeftBehind);
    assert_eq!(is_told(&mut cache, 4_040, 7, 4_000), ADOPTED);
    assert_eq!(served(cache.decide(edge(4_060), 0)), Some(Served::Hit));
    assert_eq!(next_origin(&mut cache, 5_100), Some(2));
    // Left behind later, it is left as soon as any other.
    assert_eq!(is_told(&mut cache, 8_100, 8, 4_500), Settled::LeftBehind);
}

#[test]
fn where_all_are_left_behind_they_are_asked_in_turn_one_a_second() {
    let (mut cache, _) = hears(3, 60_000);
    assert_eq!(is_told(&mut cache, 60_020, 1, 0), Settled::LeftBehind);
    assert_eq!(is_told(&mut cache, 60_040, 1, 0), ADOPTED, "nobody is ahead");
    for second in 0..4 {
        let ms = 60_040 + second * 1_100;
        assert_eq!(served(cache.decide(edge(ms + 1_000), 0)), Some(Served::Hit));
        assert_eq!(next_origin(&mut cache, ms + 1_050), usize::try_from(second % 3).ok());
        assert_eq!(is_told(&mut cache, ms + 1_100, 1, 0), ADOPTED);
    }
}

#[test]
fn an_only_origin_is_never_left() {
    let (mut cache, settled) = hears(1, 60_000);
    assert_eq!(settled, ADOPTED);
    assert_eq!(served(cache.decide(edge(60_020), 0)), Some(Served::Hit));
    assert_eq!(next_origin(&mut cache, 61_100), Some(0));
}

#[test]
fn a_live_copy_from_the_shared_cache_ends_the_search() {
    let (mut cache, _) = hears(3, 4_000);
    let flight = cache.begin_refresh(edge(4_020));
    assert_eq!(cache.settle_snap(flight, edge(4_020), Some(copy(7, 3_900, 3_900))), NextStep::Done);
    assert_eq!(served(cache.decide(edge(4_040), 0)), Some(Served::Hit));
    // The next search goes round all of them again.
    for ms in [9_000, 9_020] {
        assert_eq!(is_told(&mut cache, ms, 8, 4_000), Settled::LeftBehind);
    }
    assert_eq!(is_told(&mut cache, 9_040, 8, 4_000), ADOPTED);
}

/// Seq 1 is fresh until 5,000 ms; at 2,000 ms another origin says seq 9, all of it a minute old.
fn is_told_old_prices_of_a_later_version() -> EdgeCache<u64> {
    let mut cache = warm();
    let mut flight = begin_fetch(&mut cache, 2_000, None);
    let mut stale = snapshot(9, 0);
    stale.prices.iter_mut().for_each(|point| point.confirmed_at = origin(0).minus_ms(60_000));
    let meta = CopyMeta::new(&stale, edge(2_000), origin(2_000), 1_000).unwrap();
    cache.settle_fetch(&mut flight, edge(2_000), Some((meta, 9)), 0.0);
    assert_eq!(cache.copy().unwrap().0.version.seq, 9);
    cache
}

/// The shared cache offers a live copy of `seq` at `ms`; which one is held then.
fn seq_after_offer(cache: &mut EdgeCache<u64>, ms: u64, seq: u64) -> u64 {
    let flight = cache.begin_refresh(edge(ms));
    cache.settle_snap(flight, edge(ms), Some(copy(seq, ms, ms)));
    cache.copy().unwrap().0.version.seq
}

#[test]
fn prices_that_were_old_when_they_came_do_not_shorten_the_thirty_seconds_before_a_lower_version() {
    for (ms, seq) in [(2_100, 9), (31_999, 9), (32_000, 5)] {
        let mut cache = is_told_old_prices_of_a_later_version();
        assert_eq!(seq_after_offer(&mut cache, ms, 5), seq, "at {ms}");
        assert_eq!(cache.rollbacks(), u64::from(seq == 5));
    }
}

#[test]
fn a_cold_isolate_counts_the_thirty_seconds_from_when_its_first_copy_was_fetched() {
    for (ms, taken) in [(89_999, false), (90_000, true)] {
        let (mut cache, _) = hears(2, 60_000);
        // The same again, fetched later, is no new beginning.
        is_told(&mut cache, 70_000, 1, 0);
        is_told(&mut cache, ms - 10, 0, ms - 100);
        assert_eq!(cache.copy().unwrap().0.version.seq == 0, taken, "at {ms}");
    }
}

#[test]
fn after_a_lower_version_was_taken_the_thirty_seconds_begin_anew() {
    let mut cache = is_told_old_prices_of_a_later_version();
    assert_eq!(seq_after_offer(&mut cache, 40_000, 5), 5);
    is_told(&mut cache, 41_100, 9, 0);
    // What was held was fresh until then, 41,110 ms.
    for (ms, seq) in [(41_120, 9), (71_109, 9), (71_110, 6)] {
        assert_eq!(seq_after_offer(&mut cache, ms, 6), seq, "at {ms}");
    }
}

#[test]
fn a_lower_version_that_is_stale_itself_or_of_unknown_age_is_never_taken() {
    let offered = |sent_ms, confirmed_ms| Some(copy(0, sent_ms, confirmed_ms));
    for (ms, confirmed_ms, taken) in [(65_000, 60_000, false), (64_999, 60_000, true)] {
        let mut cache = warm();
        let mut flight = begin_fetch(&mut cache, ms, None);
        cache.settle_fetch(&mut flight, edge(ms), offered(ms, confirmed_ms), 0.0);
        assert_eq!(cache.rollbacks(), u64::from(taken), "at {ms}");
    }
    for (sent_ms, taken) in [(60_250, true), (60_251, false)] {
        let mut cache = warm();
        let flight = cache.begin_refresh(edge(60_000));
        cache.settle_snap(flight, edge(60_000), offered(sent_ms, 60_000));
        assert_eq!(cache.rollbacks(), u64::from(taken), "sent at {sent_ms}");
    }
}
