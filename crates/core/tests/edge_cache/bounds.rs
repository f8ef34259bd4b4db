//! Both sides of the thresholds that no request feels by itself.

use super::*;

/// When an isolate that may not fetch at 1,100 looks again, by its lot.
fn looks_again_at(jitter: f64) -> u64 {
    let mut cache = warm();
    let flight = cache.begin_refresh(edge(1_100));
    assert_eq!(cache.settle_snap(flight, edge(1_100), None), NextStep::ReadTurn);
    let step = cache.settle_turn(flight, edge(1_100), Some(record(OTHER, 2_000)), jitter);
    assert_eq!(step, NextStep::Done);
    let starts = |&ms: &u64| {
        matches!(cache.decide(edge(ms), 0), Decision::Serve { start_refresh: true, .. })
    };
    (1_100..1_500).find(starts).unwrap()
}

#[test]
fn looks_are_a_hundred_and_fifty_ms_apart_give_or_take_a_quarter() {
    assert_eq!(looks_again_at(0.0) - 1_100, 113);
    assert_eq!(looks_again_at(0.999) - 1_100, 187);
}

#[test]
fn a_look_that_a_clock_set_back_has_put_off_binds_up_to_twice_its_pause() {
    let mut cache = warm();
    let step = asks_turn(&mut cache, 1_500, Some(record(OTHER, 2_600)));
    assert_eq!(step, NextStep::Done, "due again at 1,650");
    let starts =
        |ms| matches!(cache.decide(edge(ms), 0), Decision::Serve { start_refresh: true, .. });
    assert!(!starts(1_351), "299 ms ahead");
    assert!(starts(1_348), "302 ms ahead: nothing that was ever asked for");
}

#[test]
fn of_two_answers_of_one_version_the_later_is_held() {
    let mut cache = warm();
    let mut flight = begin_fetch(&mut cache, 1_100, None);
    let settled = cache.settle_fetch(&mut flight, edge(1_150), Some(copy(1, 1_100, 0)), 0.5);
    assert_eq!(settled, Settled::Adopted { turn: None });
    assert_eq!(cache.copy().map(|(meta, _)| meta.sent_at), Some(edge(1_100)));
    assert_eq!(cache.rollbacks(), 0, "the same version is no step back");
    let flight = cache.begin_refresh(edge(40_000));
    cache.settle_snap(flight, edge(40_000), Some(copy(1, 40_000, 40_000)));
    assert_eq!(cache.copy().map(|(meta, _)| meta.sent_at), Some(edge(40_000)));
    assert_eq!(cache.rollbacks(), 0, "nor after half a minute without a fresh price");
}

#[test]
fn the_copy_that_is_held_already_is_not_taken_from_the_shared_cache_again() {
    let mut cache = warm();
    let flight = cache.begin_refresh(edge(1_100));
    let (meta, _) = copy(1, 0, 0);
    assert_eq!(cache.settle_snap(flight, edge(1_100), Some((meta, 2))), NextStep::ReadTurn);
    assert_eq!(cache.copy().map(|(_, body)| *body), Some(1), "what was kept with it stays");
}

#[test]
fn a_flight_is_overtaken_as_soon_as_another_has_begun_and_that_one_goes_on() {
    let mut cache = warm();
    let mut slow = begin_fetch(&mut cache, 1_100, None);
    let mut fast = begin_fetch(&mut cache, 2_400, None);
    let settled = cache.settle_fetch(&mut slow, edge(2_410), None, 0.0);
    assert_eq!(settled, Settled::Overtaken, "its failure is no news");
    let settled = cache.settle_fetch(&mut fast, edge(2_450), Some(copy(2, 2_400, 2_400)), 0.0);
    assert_eq!(settled, Settled::Adopted { turn: None });
}

#[test]
fn each_step_back_is_counted_wherever_the_lower_version_came_from() {
    let mut cache = cold(1);
    let mut flight = begin_fetch(&mut cache, 0, None);
    cache.settle_fetch(&mut flight, edge(0), Some(copy(9, 0, 0)), 0.5);
    let flight = cache.begin_refresh(edge(40_000));
    cache.settle_snap(flight, edge(40_000), Some(copy(5, 40_000, 40_000)));
    assert_eq!(cache.rollbacks(), 1, "from the shared cache");
    let mut flight = begin_fetch(&mut cache, 80_000, None);
    cache.settle_fetch(&mut flight, edge(80_000), Some(copy(3, 80_000, 80_000)), 0.5);
    assert_eq!(cache.rollbacks(), 2, "from the origin");
}

#[test]
fn what_is_known_of_a_failure_outlives_an_older_record_of_success() {
    let mut cache = warm();
    let mut flight = begin_fetch(&mut cache, 1_100, None);
    let settled = cache.settle_fetch(&mut flight, edge(1_200), None, 0.0);
    assert!(matches!(settled, Settled::Failed { .. }));
    asks_turn(&mut cache, 1_300, Some(record(OTHER, 1_000)));
    assert_eq!(cache.turn().map(|turn| turn.fails), Some(1), "its own is the later");
    asks_turn(&mut cache, 1_900, Some(record(OTHER, 1_800)));
    assert_eq!(cache.turn().map(|turn| turn.fails), Some(0), "that of the other is");
}
