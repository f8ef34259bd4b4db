mod knowledge;

use super::*;
use crate::test_support::at;

const NOBODY: Holder = Holder::None;
const OTHER: Holder = Holder::Other { epoch: 7 };

fn version(epoch: u64, seq: u64) -> Version {
    Version { epoch, seq }
}

fn look(holder: Holder) -> Look {
    Look { holder, fence_epoch: 7, snapshot: None, is_behind: false }
}

fn follower() -> Lease {
    Lease::new(LeaseParams::default(), Version::default())
}

/// Asks for the order of `ms`; it must be that.
fn expect(lease: &mut Lease, ms: u64, name: &str) -> Order {
    let order = lease.poll_order(at(ms)).unwrap_or_else(|| panic!("{name} due at {ms} ms"));
    assert_eq!(order.as_str(), name, "at {ms} ms");
    order
}

/// Looks at `ms`, answered 2 ms later.
fn looks(lease: &mut Lease, ms: u64, holder: Holder) -> Vec<Effect> {
    expect(lease, ms, "look");
    lease.settle_look(at(ms + 2), look(holder))
}

/// Acquires at `ms`, answered 2 ms later.
fn acquires(lease: &mut Lease, ms: u64, epoch: u64) -> Vec<Effect> {
    expect(lease, ms, "acquire");
    lease.settle_acquire(at(ms + 2), Acquired::Granted { epoch })
}

/// Writes at `ms`, answered 2 ms later.
fn writes(lease: &mut Lease, ms: u64, answer: Wrote) -> Vec<Effect> {
    let Order::Write { snapshot, .. } = expect(lease, ms, "write") else { unreachable!() };
    lease.settle_write(at(ms + 2), snapshot, answer)
}

/// Elected at 302 ms, after looks at 0, 100, 200 and 300; under epoch 8.
fn leader() -> Lease {
    let mut lease = follower();
    for ms in [0, 100, 200, 300] {
        assert_eq!(looks(&mut lease, ms, NOBODY), []);
    }
    let effects = acquires(&mut lease, 302, 8);
    assert_eq!(effects, [Effect::Lead { epoch: 8, reason: LeadReason::Elected }]);
    lease
}

#[test]
fn a_follower_looks_at_once_and_then_every_hundred_milliseconds() {
    let mut lease = follower();
    assert_eq!(looks(&mut lease, 0, OTHER), []);
    assert_eq!(lease.poll_timeout(), Some(at(100)));
    assert_eq!(lease.poll_order(at(99)), None);
    assert_eq!(looks(&mut lease, 100, OTHER), []);
}

#[test]
fn there_is_one_call_at_a_time() {
    let mut lease = follower();
    expect(&mut lease, 0, "look");
    assert_eq!(lease.poll_timeout(), None);
    assert_eq!(lease.poll_order(at(5_000)), None);
}

#[test]
fn a_follower_acquires_a_missing_lease_when_the_grace_is_over_and_not_before() {
    let mut lease = follower();
    for ms in [0, 100, 200] {
        looks(&mut lease, ms, NOBODY);
    }
    // Seen missing first at 2 ms, when the first answer came.
    for (ms, answered_ms, order) in
        [(300, 301, "look"), (300, 302, "acquire"), (302, 302, "acquire"), (302, 350, "acquire")]
    {
        let mut lease = lease.clone();
        expect(&mut lease, ms, "look");
        lease.settle_look(at(answered_ms), look(NOBODY));
        let due_ms = if order == "look" { 302 } else { 0 };
        assert_eq!(lease.poll_timeout().max(Some(at(0))), Some(at(due_ms)), "{answered_ms}");
        expect(&mut lease, answered_ms.max(due_ms), order);
    }
}

#[test]
fn a_lease_that_is_seen_held_ends_the_grace() {
    let mut lease = follower();
    for (ms, holder) in [(0, NOBODY), (100, NOBODY), (200, OTHER), (300, NOBODY), (400, NOBODY)] {
        looks(&mut lease, ms, holder);
    }
    looks(&mut lease, 500, NOBODY);
    looks(&mut lease, 600, NOBODY);
    expect(&mut lease, 602, "acquire");
}

#[test]
fn a_failed_look_ends_the_grace() {
    let mut lease = follower();
    looks(&mut lease, 0, NOBODY);
    looks(&mut lease, 100, NOBODY);
    expect(&mut lease, 200, "look");
    let effects = lease.settle_failure(at(210));
    assert_eq!(effects, [Effect::Unreachable { leads: None }]);
    assert_eq!(lease.poll_timeout(), Some(at(300)));
    assert_eq!(looks(&mut lease, 302, NOBODY), [Effect::Reachable]);
    assert_eq!(lease.poll_order(at(401)), None);
    looks(&mut lease, 402, NOBODY);
    looks(&mut lease, 502, NOBODY);
    looks(&mut lease, 602, NOBODY);
    expect(&mut lease, 604, "acquire");
}

#[test]
fn a_follower_that_stood_still_looks_again_before_it_acquires() {
    let mut lease = follower();
    for ms in [0, 100, 200, 300] {
        looks(&mut lease, ms, NOBODY);
    }
    // 302 ms + the longest that two looks may be apart.
    expect(&mut lease.clone(), 802, "acquire");
    looks(&mut lease, 803, NOBODY);
    let mut asleep = follower();
    expect(&mut asleep, 0, "look");
    asleep.settle_look(at(10_000), look(NOBODY));
    looks(&mut asleep, 10_000, NOBODY);
    assert_eq!(asleep.poll_timeout(), Some(at(10_100)));
    // An answer as late as 400 ms still counts, a later one does not.
    for (answered_ms, order) in [(400, "acquire"), (401, "look")] {
        let mut lease = follower();
        expect(&mut lease, 0, "look");
        lease.settle_look(at(answered_ms), look(NOBODY));
        expect(&mut lease, answered_ms, "look");
        lease.settle_look(at(answered_ms + 300), look(NOBODY));
        expect(&mut lease, answered_ms + 300, order);
    }
}

#[test]
fn a_lease_in_the_followers_own_name_is_as_good_as_none() {
    let mut lease = follower();
    for ms in [0, 100, 200, 300] {
        looks(&mut lease, ms, Holder::Me { epoch: 9 });
    }
    let order = expect(&mut lease, 302, "acquire");
    assert_eq!(order, Order::Acquire { ttl_ms: 1_000, seen_epoch: 9 });
}

#[test]
fn a_follower_that_comes_second_follows() {
    let mut lease = follower();
    for ms in [0, 100, 200, 300] {
        looks(&mut lease, ms, NOBODY);
    }
    expect(&mut lease, 302, "acquire");
    assert_eq!(lease.settle_acquire(at(304), Acquired::Held { epoch: 9 }), []);
    assert_eq!(lease.leads(), None);
    assert_eq!(lease.seen_epoch(), 9);
    looks(&mut lease, 304, OTHER);
}

#[test]
fn a_leader_writes_every_quarter_of_a_second_and_publications_at_once() {
    let mut lease = leader();
    assert_eq!(lease.leads(), Some(8));
    assert_eq!(lease.poll_timeout(), Some(at(552)));
    assert_eq!(writes(&mut lease, 552, Wrote::Done), []);
    lease.note_published(version(8, 1));
    assert_eq!(lease.held(), version(8, 1));
    let order = expect(&mut lease, 560, "write");
    assert_eq!(order, Order::Write { epoch: 8, ttl_ms: 1_000, snapshot: Some(version(8, 1)) });
    // Of what is published while a write is under way, the last is written next.
    lease.note_published(version(8, 2));
    lease.note_published(version(8, 3));
    lease.settle_write(at(570), Some(version(8, 1)), Wrote::Done);
    let order = expect(&mut lease, 570, "write");
    assert_eq!(order, Order::Write { epoch: 8, ttl_ms: 1_000, snapshot: Some(version(8, 3)) });
    lease.settle_write(at(572), Some(version(8, 3)), Wrote::Done);
    assert_eq!(lease.poll_timeout(), Some(at(820)));
}

#[test]
fn an_incumbent_retakes_a_lost_lease_at_once_under_a_higher_epoch() {
    let ghost = Refusal::Foreign { epoch: 7 };
    for refusal in [Refusal::Absent, Refusal::Fenced { epoch: 20 }, ghost] {
        let mut lease = leader();
        lease.note_published(version(8, 1));
        assert_eq!(writes(&mut lease, 400, Wrote::Refused(refusal)), []);
        assert!(lease.may_publish(at(402)), "{refusal:?}");
        let effects = acquires(&mut lease, 402, 21);
        assert_eq!(effects, [Effect::Lead { epoch: 21, reason: LeadReason::Retaken }]);
        // What was published under the old epoch is not written under the new one.
        assert_eq!(lease.poll_timeout(), Some(at(652)), "{refusal:?}");
        lease.note_published(version(8, 2));
        assert_eq!(lease.poll_timeout(), Some(at(652)), "{refusal:?}");
    }
}

#[test]
fn a_leader_that_finds_a_foreign_lease_stops_at_once() {
    for epoch in [8, 9] {
        let mut lease = leader();
        lease.note_published(version(8, 1));
        let effects = writes(&mut lease, 402, Wrote::Refused(Refusal::Foreign { epoch }));
        let reason = StepDownReason::Foreign;
        assert_eq!(effects, [Effect::StepDown { own_epoch: 8, epoch, reason }]);
        assert_eq!((lease.leads(), lease.seen_epoch()), (None, epoch));
        assert!(!lease.may_publish(at(404)));
        looks(&mut lease, 404, OTHER);
    }
}

#[test]
fn a_lease_of_the_past_is_as_good_as_none() {
    for (epoch, is_past) in [(29, true), (30, false)] {
        let mut lease = Lease::new(LeaseParams::default(), version(30, 1));
        for ms in [0, 100, 200, 300] {
            looks(&mut lease, ms, Holder::Other { epoch });
        }
        let order = lease.poll_order(at(400)).map(|order| order.as_str());
        assert_eq!(order, Some(if is_past { "acquire" } else { "look" }), "{epoch}");
    }
}

#[test]
fn an_incumbent_that_is_overtaken_stops_at_once() {
    let mut lease = leader();
    writes(&mut lease, 552, Wrote::Refused(Refusal::Absent));
    expect(&mut lease, 554, "acquire");
    let effects = lease.settle_acquire(at(556), Acquired::Held { epoch: 9 });
    let reason = StepDownReason::Overtaken;
    assert_eq!(effects, [Effect::StepDown { own_epoch: 8, epoch: 9, reason }]);
    looks(&mut lease, 556, OTHER);
}

#[test]
fn a_leader_whose_calls_fail_goes_on_under_its_epoch() {
    let mut lease = leader();
    let mut now = 552;
    for nth in 0..100 {
        expect(&mut lease, now, "write");
        now += if nth % 2 == 0 { 1 } else { 200 };
        let told = lease.settle_failure(at(now));
        assert_eq!(told.len(), usize::from(nth == 0), "told once: {told:?}");
        assert_eq!(lease.poll_timeout(), Some(at(now + 50)), "no hammering");
        now += 50;
        assert!(lease.may_publish(at(now)));
    }
    assert_eq!(lease.leads(), Some(8));
    let effects = writes(&mut lease, now, Wrote::Refused(Refusal::Absent));
    assert_eq!(effects, [Effect::Reachable]);
    let effects = acquires(&mut lease, now + 2, 9);
    assert_eq!(effects, [Effect::Lead { epoch: 9, reason: LeadReason::Retaken }]);
}

#[test]
fn after_a_failed_acquisition_an_incumbent_asks_how_things_are() {
    let mut lease = leader();
    writes(&mut lease, 552, Wrote::Refused(Refusal::Absent));
    expect(&mut lease, 554, "acquire");
    lease.settle_failure(at(754));
    // The grant may have been made, unheard.
    writes(&mut lease, 804, Wrote::Refused(Refusal::Fenced { epoch: 9 }));
    let order = expect(&mut lease, 806, "acquire");
    assert_eq!(order, Order::Acquire { ttl_ms: 1_000, seen_epoch: 9 });
}

#[test]
fn a_leader_that_stood_still_writes_before_it_publishes() {
    let asleep = leader();
    // Acquired by the call of 302 ms.
    assert!(asleep.may_publish(at(1_301)));
    assert!(!asleep.may_publish(at(1_302)));
    let stood_still = Effect::StoodStill { lapsed_ms: 8_698 };
    let told = writes(&mut asleep.clone(), 1_302, Wrote::Done);
    assert_eq!(told, [Effect::StoodStill { lapsed_ms: 0 }]);
    assert_eq!(writes(&mut asleep.clone(), 1_301, Wrote::Done), []);

    let mut lease = asleep.clone();
    assert_eq!(writes(&mut lease, 10_000, Wrote::Done), std::slice::from_ref(&stood_still));
    assert!(lease.may_publish(at(10_002)));

    let mut lease = asleep.clone();
    let refused = Wrote::Refused(Refusal::Foreign { epoch: 9 });
    let effects = writes(&mut lease, 10_000, refused);
    let reason = StepDownReason::Foreign;
    assert_eq!(effects, [stood_still, Effect::StepDown { own_epoch: 8, epoch: 9, reason }]);

    let mut lease = asleep.clone();
    assert_eq!(writes(&mut lease, 10_000, Wrote::Refused(Refusal::Absent)), [stood_still]);
    assert!(!lease.may_publish(at(10_002)));
    acquires(&mut lease, 10_002, 9);
    assert!(lease.may_publish(at(10_004)));

    // Nobody reaches Redis: nobody else is elected.
    let mut lease = asleep;
    expect(&mut lease, 10_000, "write");
    lease.settle_failure(at(10_200));
    assert!(lease.may_publish(at(10_200)));
}

#[test]
fn a_call_that_was_under_way_while_the_process_stood_still_proves_nothing() {
    for answer_ms in [402, 403] {
        let mut lease = leader();
        expect(&mut lease, 552, "write");
        lease.settle_failure(at(552 + answer_ms - 2));
        let is_prompt = answer_ms == 402;
        assert_eq!(lease.may_publish(at(1_302)), is_prompt, "{answer_ms} ms");
        // Then it asks again at once.
        let due_ms = if is_prompt { 552 + 400 + 50 } else { 552 + 401 };
        assert_eq!(lease.poll_timeout(), Some(at(due_ms)), "{answer_ms} ms");
    }
    let mut lease = leader();
    expect(&mut lease, 552, "write");
    assert_eq!(lease.settle_write(at(9_000), None, Wrote::Done), []);
    assert!(!lease.may_publish(at(9_000)));
    expect(&mut lease, 9_000, "write");
}

#[test]
fn a_grant_that_was_answered_long_ago_is_not_believed() {
    let mut lease = follower();
    for ms in [0, 100, 200, 300] {
        looks(&mut lease, ms, NOBODY);
    }
    expect(&mut lease, 302, "acquire");
    assert_eq!(lease.settle_acquire(at(703), Acquired::Granted { epoch: 8 }), []);
    assert_eq!(lease.leads(), None);
    expect(&mut lease, 703, "look");
}

#[test]
fn a_grant_of_an_epoch_that_no_election_gives_is_not_believed() {
    // 7 has been seen.
    for (epoch, leads) in
        [(EPOCH_MAX, Some(EPOCH_MAX)), (EPOCH_MAX + 1, None), (8, Some(8)), (7, None), (0, None)]
    {
        let mut lease = follower();
        for ms in [0, 100, 200, 300] {
            looks(&mut lease, ms, NOBODY);
        }
        acquires(&mut lease, 302, epoch);
        assert_eq!(lease.leads(), leads);
    }
}

#[test]
fn one_that_resigns_leads_no_more_and_knows_what_it_knew() {
    let mut lease = leader();
    assert!(lease.resign());
    assert_eq!((lease.leads(), lease.seen_epoch()), (None, 8));
    assert!(!lease.may_publish(at(304)) && !lease.resign());
}

#[test]
fn every_change_of_state_has_a_line_and_adoptions_have_none() {
    let all = [
        (Effect::Lead { epoch: 8, reason: LeadReason::Elected }, "lead", true, false),
        (
            Effect::StepDown { own_epoch: 8, epoch: 9, reason: StepDownReason::Foreign },
            "step_down",
            true,
            true,
        ),
        (Effect::Adopt { version: version(8, 1) }, "adopt", false, false),
        (Effect::Unreachable { leads: Some(8) }, "unreachable", true, true),
        (Effect::Unreachable { leads: None }, "unreachable", true, true),
        (Effect::Reachable, "reachable", true, false),
        (Effect::StoodStill { lapsed_ms: 5 }, "stood_still", true, true),
    ];
    for (effect, name, is_transition, is_worse) in all {
        assert_eq!(effect.as_str(), name);
        assert_eq!(effect.is_transition(), is_transition, "{name}");
        assert_eq!(effect.is_worse(), is_worse, "{name}");
        assert!(!effect.to_string().is_empty());
    }
}
