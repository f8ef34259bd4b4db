//! What is known travels: snapshots and epochs.

use super::*;

#[test]
fn a_follower_brings_what_it_holds_to_a_redis_without_a_snapshot_at_once_and_once() {
    let bare = Look { is_behind: true, ..look(NOBODY) };
    for (held, is_brought) in [(Version::default(), false), (version(5, 3), true)] {
        let mut lease = Lease::new(LeaseParams::default(), held);
        expect(&mut lease, 0, "look");
        lease.settle_look(at(2), bare);
        let due_ms = if is_brought { 0 } else { 100 };
        assert_eq!(lease.poll_timeout().max(Some(at(0))), Some(at(due_ms)), "{held}");
        let order = lease.poll_order(at(100));
        assert_eq!(order, Some(Order::Look { seen_epoch: 7, held, is_brought }));
        lease.settle_look(at(102), look(NOBODY));
        assert_eq!(lease.poll_timeout(), Some(at(200)), "{held}");
        let order = lease.poll_order(at(200));
        assert_eq!(order, Some(Order::Look { seen_epoch: 7, held, is_brought: false }));
    }
}

#[test]
fn after_a_failure_nothing_is_brought_before_a_look_has_found_none_again() {
    let bare = Look { is_behind: true, ..look(NOBODY) };
    let mut lease = Lease::new(LeaseParams::default(), version(5, 3));
    expect(&mut lease, 0, "look");
    lease.settle_look(at(2), bare);
    expect(&mut lease, 2, "look");
    lease.settle_failure(at(202));
    let order = lease.poll_order(at(252));
    assert_eq!(order, Some(Order::Look { seen_epoch: 7, held: version(5, 3), is_brought: false }));
}

#[test]
fn a_follower_adopts_what_is_newer_and_nothing_else() {
    let mut lease = Lease::new(LeaseParams::default(), version(5, 3));
    let mut now = 0;
    for (offered, is_adopted) in [
        (version(5, 3), false),
        (version(5, 2), false),
        (version(4, 9), false),
        (version(5, 4), true),
        (version(6, 1), true),
        (version(5, 9), false),
        (version(EPOCH_MAX + 1, 1), false),
        (version(EPOCH_MAX, 1), true),
    ] {
        let order = expect(&mut lease, now, "look");
        let (seen_epoch, held) = (lease.seen_epoch(), lease.held());
        assert_eq!(order, Order::Look { seen_epoch, held, is_brought: false });
        let look =
            Look { holder: OTHER, fence_epoch: 0, snapshot: Some(offered), is_behind: false };
        let effects = lease.settle_look(at(now + 2), look);
        let adopted = [Effect::Adopt { version: offered }];
        assert_eq!(effects, if is_adopted { &adopted[..] } else { &[] }, "{offered}");
        now += 100;
    }
    assert_eq!(lease.held(), version(EPOCH_MAX, 1));
}

#[test]
fn the_highest_epoch_seen_anywhere_goes_into_the_next_election() {
    let mut lease = Lease::new(LeaseParams::default(), version(30, 1));
    let answers = [
        (Look { holder: OTHER, fence_epoch: 29, snapshot: None, is_behind: false }, 30),
        (Look { holder: OTHER, fence_epoch: 31, snapshot: None, is_behind: false }, 31),
        (
            Look {
                holder: Holder::Other { epoch: 32 },
                fence_epoch: 0,
                snapshot: None,
                is_behind: false,
            },
            32,
        ),
        (
            Look {
                holder: OTHER,
                fence_epoch: 0,
                snapshot: Some(version(33, 1)),
                is_behind: false,
            },
            33,
        ),
        (Look { holder: OTHER, fence_epoch: EPOCH_MAX + 1, snapshot: None, is_behind: false }, 33),
    ];
    for (nth, (look, seen)) in (0..).zip(answers) {
        expect(&mut lease, nth * 100, "look");
        lease.settle_look(at(nth * 100 + 2), look);
        assert_eq!(lease.seen_epoch(), seen);
    }
}

#[test]
fn an_epoch_nobody_can_have_led_under_is_not_taken_from_the_state_file() {
    let lease = Lease::new(LeaseParams::default(), version(u64::MAX, 1));
    assert_eq!((lease.seen_epoch(), lease.held()), (0, Version::default()));
    let lease = Lease::new(LeaseParams::default(), version(EPOCH_MAX, 1));
    assert_eq!(lease.seen_epoch(), EPOCH_MAX);
}

#[test]
fn the_highest_epoch_is_millennia_ahead_and_leaves_room_for_elections() {
    const YEAR_9999_MS: u64 = 253_402_300_800_000;
    const EXACT_MAX: u64 = (1 << 53) - 1;
    assert!((YEAR_9999_MS..EXACT_MAX - 1_000_000).contains(&EPOCH_MAX), "{EPOCH_MAX}");
}
