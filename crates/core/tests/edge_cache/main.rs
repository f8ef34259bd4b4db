//! The edge policy as a table: what one isolate answers, when it fetches, and what it tells the
//! others of its data centre. Both sides of every threshold.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod origins;

use pricecast_core::cache_policy::{
    CopyMeta, Decision, EdgeCache, EdgeMillis, EdgePolicy, Flight, NextStep, Served, Settled, Turn,
};
use pricecast_core::{
    ChangePct, PerSource, Price, PricePoint, Snapshot, Source, SourceReport, SourceStatus, Symbol,
    UnixMillis, Version,
};

const ME: u64 = 7;
const OTHER: u64 = 8;
/// The origin's clock is an hour behind the edge's: nothing may depend on it.
const ORIGIN_BEHIND_MS: u64 = 3_600_000;

fn edge(ms: u64) -> EdgeMillis {
    EdgeMillis::from_ms(1_706_900_000_000 + ms)
}

fn origin(ms: u64) -> UnixMillis {
    UnixMillis::from_ms(1_706_900_000_000 - ORIGIN_BEHIND_MS + ms)
}

fn snapshot(seq: u64, confirmed_ms: u64) -> Snapshot {
    let report = SourceReport { status: SourceStatus::Connected, reason: None, last_update: None };
    Snapshot {
        version: Version { epoch: 1, seq },
        data_at: origin(confirmed_ms),
        prices: vec![PricePoint {
            symbol: Symbol::parse("BTC").unwrap(),
            price: Price::parse("67432.1").unwrap(),
            change_24h: ChangePct::parse("1.0").unwrap(),
            source: Source::Kraken,
            as_of: origin(confirmed_ms),
            confirmed_at: origin(confirmed_ms),
            uncertain: false,
        }],
        unavailable: vec![],
        sources: PerSource { kraken: report, coinbase: report },
        poll_after_ms: 2_500,
    }
}

/// A copy of seq `seq` fetched at `sent_ms`, its price confirmed at `confirmed_ms`.
fn copy(seq: u64, sent_ms: u64, confirmed_ms: u64) -> (CopyMeta, u64) {
    let meta = CopyMeta::new(&snapshot(seq, confirmed_ms), edge(sent_ms), origin(sent_ms), 1_000);
    (meta.unwrap(), seq)
}

fn cold(origins: usize) -> EdgeCache<u64> {
    EdgeCache::new(EdgePolicy::default(), ME, origins)
}

/// Walks a refresh up to the fetch; panics if it is not this isolate's turn.
fn begin_fetch(cache: &mut EdgeCache<u64>, ms: u64, turn: Option<Turn>) -> Flight {
    let flight = cache.begin_refresh(edge(ms));
    assert_eq!(cache.settle_snap(flight, edge(ms), None), NextStep::ReadTurn);
    let step = cache.settle_turn(flight, edge(ms), turn, 0.5);
    assert!(matches!(step, NextStep::Fetch { .. }), "{step:?}");
    flight
}

/// An isolate that has fetched seq 1 at 0, confirmed at that moment.
fn warm() -> EdgeCache<u64> {
    let mut cache = cold(1);
    let mut flight = begin_fetch(&mut cache, 0, None);
    let settled = cache.settle_fetch(&mut flight, edge(50), Some(copy(1, 0, 0)), 0.5);
    assert_eq!(settled, Settled::Adopted { turn: None });
    cache
}

fn asks_turn(cache: &mut EdgeCache<u64>, ms: u64, turn: Option<Turn>) -> NextStep {
    let flight = cache.begin_refresh(edge(ms));
    match cache.settle_snap(flight, edge(ms), None) {
        NextStep::ReadTurn => cache.settle_turn(flight, edge(ms), turn, 0.5),
        step => step,
    }
}

fn is_fetch(step: NextStep) -> bool {
    matches!(step, NextStep::Fetch { .. })
}

fn record(by: u64, at_ms: u64) -> Turn {
    Turn { by, until: edge(at_ms), fails: 0, retry_at: edge(at_ms), at: edge(at_ms) }
}

fn served(decision: Decision) -> Option<Served> {
    match decision {
        Decision::Serve { served, .. } => Some(served),
        Decision::Wait { .. } | Decision::Unavailable { .. } => None,
    }
}

#[test]
fn age_decides_between_hit_revalidating_and_waiting() {
    let cache = warm();
    for (ms, expected) in [
        (0, Decision::Serve { served: Served::Hit, start_refresh: false }),
        (1_000, Decision::Serve { served: Served::Hit, start_refresh: false }),
        (1_001, Decision::Serve { served: Served::Revalidating, start_refresh: true }),
        (2_000, Decision::Serve { served: Served::Revalidating, start_refresh: true }),
        (2_001, Decision::Wait { start_refresh: true }),
    ] {
        assert_eq!(cache.decide(edge(ms), 0), expected, "at {ms} ms");
    }
}

#[test]
fn one_isolate_has_one_refresh_under_way_until_its_deadline() {
    let mut cache = warm();
    cache.begin_refresh(edge(1_100));
    let starts = |ms| {
        matches!(
            cache.decide(edge(ms), 0),
            Decision::Serve { start_refresh: true, .. } | Decision::Wait { start_refresh: true }
        )
    };
    assert!(!starts(1_101));
    assert!(!starts(2_349));
    assert!(starts(2_350), "the flight's deadline has passed: a waiter takes over");
}

#[test]
fn nobody_waits_longer_than_a_second_and_then_the_last_known_is_served() {
    let cache = warm();
    assert_eq!(served(cache.decide(edge(60_000), 999)), None);
    assert_eq!(served(cache.decide(edge(60_000), 1_000)), Some(Served::LastKnown));
    assert_eq!(cold(1).decide(edge(0), 999), Decision::Wait { start_refresh: true });
    assert_eq!(cold(1).decide(edge(0), 1_000), Decision::Unavailable { start_refresh: true });
}

#[test]
fn a_copy_that_has_turned_stale_since_is_not_served_without_asking_again() {
    let mut cache = cold(1);
    let mut flight = begin_fetch(&mut cache, 3_600, None);
    // Confirmed at 0: shown stale from 4,000 on, since a cache below may hold it for a second.
    cache.settle_fetch(&mut flight, edge(3_650), Some(copy(1, 3_600, 0)), 0.5);
    assert_eq!(served(cache.decide(edge(3_999), 0)), Some(Served::Hit));
    assert_eq!(cache.decide(edge(4_000), 0), Decision::Wait { start_refresh: true });
    assert!(is_fetch(asks_turn(&mut cache, 4_000, None)), "the keeper may ask before soft");
}

#[test]
fn a_copy_that_was_stale_when_fetched_is_served_without_waiting() {
    let mut cache = cold(1);
    let mut flight = begin_fetch(&mut cache, 60_000, None);
    cache.settle_fetch(&mut flight, edge(60_050), Some(copy(1, 60_000, 0)), 0.5);
    assert_eq!(served(cache.decide(edge(60_500), 0)), Some(Served::Hit));
}

#[test]
fn the_origins_clock_is_told_from_its_own_stamp_and_the_time_since_sending() {
    let (meta, _) = copy(1, 100, 0);
    assert_eq!(meta.origin_now(edge(100)), origin(100));
    assert_eq!(meta.origin_now(edge(1_350)), origin(1_350));
}

#[test]
fn an_instant_of_the_edge_is_the_one_it_was_made_of() {
    assert_eq!(EdgeMillis::from_ms(1_706_900_000_123).as_ms(), 1_706_900_000_123);
}

#[test]
fn a_clock_slightly_behind_counts_as_zero_and_further_behind_proves_nothing() {
    let (meta, _) = copy(1, 1_000, 1_000);
    assert_eq!(meta.age_ms(edge(750)), Some(0));
    assert_eq!(meta.age_ms(edge(749)), None);
    assert_eq!(meta.origin_now(edge(749)), origin(6_000), "late enough for all to be stale");
    let mut cache = cold(1);
    let mut flight = begin_fetch(&mut cache, 1_000, None);
    cache.settle_fetch(&mut flight, edge(1_000), Some((meta, 1)), 0.5);
    assert_eq!(cache.decide(edge(749), 0), Decision::Wait { start_refresh: true });
}

#[test]
fn what_is_served_may_be_repeated_until_soft_age_or_the_end_of_its_refresh() {
    assert_eq!(cold(1).hot_until(edge(0)), None);
    let mut cache = warm();
    assert_eq!(cache.hot_until(edge(1_000)), Some(edge(1_000)), "young: until its soft age");
    assert_eq!(cache.hot_until(edge(1_001)), None, "older, and a refresh is to be started");
    cache.begin_refresh(edge(1_100));
    assert_eq!(cache.hot_until(edge(1_100)), Some(edge(2_000)), "until its hard age");
    assert_eq!(cache.hot_until(edge(2_001)), None, "beyond it requests wait");

    let mut cache = EdgeCache::new(EdgePolicy { hard_ms: 9_000, ..EdgePolicy::default() }, ME, 1);
    let mut flight = cache.begin_refresh(edge(0));
    cache.settle_fetch(&mut flight, edge(0), Some(copy(1, 0, 0)), 0.5);
    cache.begin_refresh(edge(1_100));
    assert_eq!(cache.hot_until(edge(1_100)), Some(edge(2_350)), "until the flight's deadline");
    assert_eq!(cache.hot_until(edge(2_350)), None, "another may be started");
}

#[test]
fn the_content_of_a_copy_can_be_rendered_anew() {
    let mut cache = warm();
    assert_eq!(cold(1).body_mut(), None);
    let (meta, body) = cache.body_mut().unwrap();
    assert_eq!((meta.sent_at, *body), (edge(0), 1));
    *body = 7;
    assert_eq!(cache.copy().map(|(_, body)| *body), Some(7));
}

#[test]
fn a_snapshot_from_the_origins_own_future_is_refused() {
    let future = snapshot(1, 1_001);
    assert!(CopyMeta::new(&future, edge(0), origin(1), 1_000).is_ok());
    assert!(CopyMeta::new(&future, edge(0), origin(0), 1_000).is_err());
}

#[test]
fn the_keeper_goes_from_soft_on_and_others_only_after_their_patience() {
    let mut keeper = warm();
    assert_eq!(asks_turn(&mut keeper, 1_000, Some(record(ME, 50))), NextStep::Done);
    assert!(is_fetch(asks_turn(&mut keeper, 1_001, Some(record(ME, 50)))));
    for (ms, fetches) in [(1_399, false), (1_900, true)] {
        let mut other = warm();
        assert_eq!(is_fetch(asks_turn(&mut other, ms, Some(record(OTHER, 60)))), fetches, "{ms}");
    }
}

#[test]
fn a_live_claim_of_another_binds_up_to_hard_and_not_beyond() {
    let claim = Turn { until: edge(2_500), ..record(OTHER, 1_900) };
    assert!(!is_fetch(asks_turn(&mut warm(), 1_999, Some(claim))));
    assert!(!is_fetch(asks_turn(&mut warm(), 2_000, Some(claim))));
    assert!(is_fetch(asks_turn(&mut warm(), 2_001, Some(claim))));
    assert!(is_fetch(asks_turn(&mut cold(1), 1_999, Some(claim))), "cold");
}

#[test]
fn who_may_not_fetch_looks_again_after_about_a_hundred_and_fifty_ms() {
    let mut cache = warm();
    assert_eq!(asks_turn(&mut cache, 1_100, Some(record(OTHER, 60))), NextStep::Done);
    let starts = |ms| {
        cache.decide(edge(ms), 0)
            == Decision::Serve { served: Served::Revalidating, start_refresh: true }
    };
    assert!(!starts(1_100 + 112));
    assert!(starts(1_100 + 188));
}

#[test]
fn a_better_copy_in_the_shared_cache_is_adopted_with_its_own_stamp() {
    for (seq, sent_ms, adopted) in [(2, 900, 900), (1, 900, 900), (1, 0, 0), (0, 900, 0)] {
        let mut cache = warm();
        let flight = cache.begin_refresh(edge(1_200));
        let step = cache.settle_snap(flight, edge(1_200), Some(copy(seq, sent_ms, 0)));
        let (meta, _) = cache.copy().unwrap();
        assert_eq!(meta.sent_at, edge(adopted), "seq {seq} sent at {sent_ms}");
        assert_eq!(step == NextStep::Done, adopted == 900, "a fresh copy needs no fetch");
    }
}

#[test]
fn the_first_failure_pauses_a_second_and_further_ones_two_less_a_fifth_at_most() {
    for (jitter, pauses) in [(0.0, [1_000, 2_000, 2_000]), (1.0, [800, 1_600, 1_600])] {
        let mut cache = warm();
        let mut now = 1_100;
        for (nth, pause) in pauses.into_iter().enumerate() {
            let mut flight = begin_fetch(&mut cache, now, None);
            let settled = cache.settle_fetch(&mut flight, edge(now + 10), None, jitter);
            let Settled::Failed { turn } = settled else { panic!("{settled:?}") };
            assert_eq!(turn.fails as usize, nth + 1);
            assert_eq!(turn.retry_at, edge(now + 10 + pause));
            assert!(!is_fetch(asks_turn(&mut cache, now + 9 + pause, None)), "held off");
            now += 10 + pause;
        }
        assert!(is_fetch(asks_turn(&mut cache, now, None)), "the prober goes at retry_at");
    }
}

#[test]
fn another_probes_later_than_the_last_prober_and_only_without_a_live_claim() {
    let failed = Turn { fails: 2, retry_at: edge(5_000), ..record(OTHER, 3_000) };
    assert!(!is_fetch(asks_turn(&mut warm(), 5_399, Some(failed))));
    assert!(is_fetch(asks_turn(&mut warm(), 5_900, Some(failed))));
    let claimed = Turn { until: edge(6_500), ..failed };
    assert!(!is_fetch(asks_turn(&mut warm(), 5_900, Some(claimed))), "even beyond hard");
}

#[test]
fn a_known_failure_makes_nobody_wait_for_three_and_a_half_seconds() {
    let mut cache = warm();
    let failed = Turn { fails: 1, retry_at: edge(11_000), ..record(OTHER, 10_000) };
    assert_eq!(asks_turn(&mut cache, 10_100, Some(failed)), NextStep::Done);
    assert_eq!(served(cache.decide(edge(13_499), 0)), Some(Served::LastKnown));
    assert_eq!(served(cache.decide(edge(13_500), 0)), None, "then somebody may wait again");
    let mut cache = cold(1);
    assert_eq!(asks_turn(&mut cache, 10_100, Some(failed)), NextStep::Done);
    assert!(matches!(cache.decide(edge(10_100), 0), Decision::Unavailable { .. }));
}

#[test]
fn a_success_clears_the_failure_for_everyone() {
    let mut cache = warm();
    let mut flight = begin_fetch(&mut cache, 2_100, None);
    cache.settle_fetch(&mut flight, edge(2_150), None, 0.0);
    let mut flight = begin_fetch(&mut cache, 3_150, None);
    let settled = cache.settle_fetch(&mut flight, edge(3_200), Some(copy(2, 3_150, 3_000)), 0.0);
    let Settled::Adopted { turn: Some(turn) } = settled else { panic!("{settled:?}") };
    assert_eq!((turn.fails, turn.by), (0, ME));
    assert_eq!(served(cache.decide(edge(3_200), 0)), Some(Served::Hit));
}

#[test]
fn an_answer_older_than_what_is_held_is_a_failure() {
    let mut cache = warm();
    let mut flight = begin_fetch(&mut cache, 1_100, None);
    let settled = cache.settle_fetch(&mut flight, edge(1_150), Some(copy(0, 1_100, 1_000)), 0.0);
    assert!(matches!(settled, Settled::Failed { .. }));
    assert_eq!(cache.copy().unwrap().0.version.seq, 1);
}

#[test]
fn a_lower_version_is_taken_once_the_held_copy_has_been_stale_for_thirty_seconds() {
    // Held: confirmed at 0, so stale from 5,000 on.
    for (ms, taken) in [(34_999, false), (35_000, true)] {
        let mut cache = warm();
        let mut flight = begin_fetch(&mut cache, ms, None);
        cache.settle_fetch(&mut flight, edge(ms), Some(copy(0, ms, ms - 100)), 0.0);
        assert_eq!(cache.copy().unwrap().0.version.seq == 0, taken, "at {ms}");
        assert_eq!(cache.rollbacks(), u64::from(taken));
    }
    let mut cache = warm();
    let mut flight = begin_fetch(&mut cache, 60_000, None);
    cache.settle_fetch(&mut flight, edge(60_000), Some(copy(0, 60_000, 0)), 0.0);
    assert_eq!(cache.copy().unwrap().0.version.seq, 1, "a stale lower version is never taken");
}

#[test]
fn an_attempt_ends_before_its_flight_does_so_that_its_failure_is_noted() {
    for (turn_read_ms, timeout_ms) in [(0, 1_000), (200, 1_000), (201, 999), (500, 700)] {
        let mut cache = warm();
        let flight = cache.begin_refresh(edge(5_000));
        let at = edge(5_000 + turn_read_ms);
        assert_eq!(cache.settle_snap(flight, at, None), NextStep::ReadTurn);
        let step = cache.settle_turn(flight, at, None, 0.5);
        let NextStep::Fetch { attempt, .. } = step else { panic!("{step:?}") };
        assert_eq!(attempt.timeout_ms, timeout_ms, "after {turn_read_ms} ms of reading");
    }
}

#[test]
fn the_shared_record_says_whose_turn_it_is_even_if_it_is_older_than_ones_own_success() {
    let mut cache = warm();
    assert!(!is_fetch(asks_turn(&mut cache, 1_001, Some(record(OTHER, 10)))));
    let mut cache = warm();
    let failed = Turn { fails: 1, ..record(OTHER, 10) };
    assert!(is_fetch(asks_turn(&mut cache, 1_001, Some(failed))), "an older failure is no news");
}

#[test]
fn a_copy_of_unknown_age_is_better_than_nothing_and_worse_than_any_other() {
    // Sent by a machine whose clock is 400 ms ahead.
    let ahead = copy(1, 1_500, 1_000);
    for (mut cache, adopted) in [(warm(), false), (cold(1), true)] {
        let flight = cache.begin_refresh(edge(1_100));
        cache.settle_snap(flight, edge(1_100), Some(ahead));
        assert_eq!(cache.copy().is_some_and(|(meta, _)| *meta == ahead.0), adopted);
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_an_isolate() {
    let mut cache = cold(1);
    let mut flight = begin_fetch(&mut cache, 3_600_000, None);
    cache.settle_fetch(&mut flight, edge(3_600_100), None, 0.0);
    assert_eq!(cache.decide(edge(1_000), 0), Decision::Wait { start_refresh: true });
    assert!(is_fetch(asks_turn(&mut cache, 1_000, None)));
}

#[test]
fn a_flight_that_was_overtaken_puts_nothing_and_cannot_set_the_copy_back() {
    let mut cache = warm();
    let mut slow = begin_fetch(&mut cache, 1_100, None);
    let mut fast = begin_fetch(&mut cache, 2_400, None);
    cache.settle_fetch(&mut fast, edge(2_450), Some(copy(5, 2_400, 2_400)), 0.0);
    let settled = cache.settle_fetch(&mut slow, edge(2_500), Some(copy(3, 1_100, 1_100)), 0.0);
    assert_eq!(settled, Settled::Overtaken);
    assert_eq!(cache.copy().unwrap().0.version.seq, 5);
}

#[test]
fn without_a_shared_cache_an_isolate_is_its_own_keeper() {
    let mut cache = warm();
    assert!(is_fetch(asks_turn(&mut cache, 1_001, None)));
}
