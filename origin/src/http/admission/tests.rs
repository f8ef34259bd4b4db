use proptest::prelude::*;

use super::*;

const ONE: Option<AddressKey> = Some(AddressKey::V4([192, 0, 2, 1]));
const OTHER: Option<AddressKey> = Some(AddressKey::V4([192, 0, 2, 2]));
const PROXY: Option<AddressKey> = None;

/// Connections as they come, at moments told in ms.
struct Door {
    all: Admission,
    began: Instant,
}

impl Door {
    fn new(limits: [usize; 3], unproven_give_way: bool) -> Self {
        let [served_max, per_address_max, refused_max] = limits;
        let total = ConnectionLimits::total(served_max);
        let limits = ConnectionLimits { per_address_max, refused_max, unproven_give_way, ..total };
        Self { all: Admission::new(limits), began: Instant::now() }
    }

    /// Without any secret: nobody gives way.
    fn open(served_max: usize, per_address_max: usize, refused_max: usize) -> Self {
        Self::new([served_max, per_address_max, refused_max], false)
    }

    fn guarded(served_max: usize, per_address_max: usize, refused_max: usize) -> Self {
        Self::new([served_max, per_address_max, refused_max], true)
    }

    fn admit(&mut self, address: Option<AddressKey>) -> Result<Admitted, Limit> {
        self.all.admit(address, self.began)
    }

    fn served(&mut self, address: Option<AddressKey>) -> Admitted {
        let admitted = self.admit(address).unwrap();
        assert_eq!(admitted.standing.place, Place::Served);
        admitted
    }

    fn refused(&mut self, address: Option<AddressKey>, limit: Limit) -> Admitted {
        let admitted = self.admit(address).unwrap();
        assert_eq!(admitted.standing.place, Place::Refused(limit));
        admitted
    }

    fn proven(&mut self, address: Option<AddressKey>) -> Admitted {
        let mut admitted = self.admit(address).unwrap();
        self.all.prove(&mut admitted.standing);
        assert_eq!(admitted.standing.place, Place::Served);
        admitted
    }

    /// After how many ms there is room, if nobody leaves.
    fn room_after_ms(&self, now_ms: u64) -> Option<u128> {
        let now = self.began + Duration::from_millis(now_ms);
        self.all.has_room_at(now).map(|at| (at - now).as_millis())
    }
}

#[test]
fn beyond_the_most_connections_some_are_told_so_and_the_rest_wait() {
    let mut door = Door::open(2, 0, 1);
    let first = door.served(ONE);
    door.served(PROXY);
    assert_eq!(door.room_after_ms(0), Some(0));
    let told = door.refused(PROXY, Limit::Connections);
    assert_eq!(door.room_after_ms(60_000), None);
    door.all.leave(&told.standing);
    assert_eq!(door.room_after_ms(0), Some(0));
    door.refused(OTHER, Limit::Connections);
    door.all.leave(&first.standing);
    assert_eq!(door.room_after_ms(0), Some(0));
    door.served(OTHER);
}

#[test]
fn an_address_beyond_its_share_lets_nobody_else_wait() {
    let mut door = Door::open(10, 1, 1);
    door.served(ONE);
    door.refused(ONE, Limit::ConnectionsPerAddress);
    assert_eq!(door.admit(ONE).unwrap_err(), Limit::ConnectionsPerAddress);
    assert_eq!(door.room_after_ms(0), Some(0));
    door.served(OTHER);
}

#[test]
fn an_address_has_its_share_and_a_proxy_any_number() {
    let mut door = Door::open(10, 2, 5);
    let first = door.served(ONE);
    door.served(ONE);
    door.refused(ONE, Limit::ConnectionsPerAddress);
    door.served(OTHER);
    for _ in 0..5 {
        door.served(PROXY);
    }
    door.all.leave(&first.standing);
    door.served(ONE);
}

#[test]
fn whoever_shows_the_secret_is_limited_by_no_address() {
    let mut door = Door::guarded(4, 1, 5);
    for _ in 0..4 {
        door.proven(ONE);
    }
    let mut late = door.refused(ONE, Limit::Connections);
    door.all.prove(&mut late.standing);
    assert_eq!(late.standing.place, Place::Refused(Limit::Connections), "the total holds for all");
}

#[test]
fn where_an_address_has_no_room_left_its_own_oldest_gives_way_to_its_newest() {
    let mut door = Door::guarded(10, 1, 1);
    let edge = door.proven(ONE);
    let silent = door.served(ONE);
    let neighbour = door.served(OTHER);
    let told = door.refused(ONE, Limit::ConnectionsPerAddress);
    let mut third = door.served(ONE);
    assert_eq!(third.made_room, Some(Limit::ConnectionsPerAddress));
    assert!(silent.end.is_cancelled() && !told.end.is_cancelled());
    door.all.prove(&mut third.standing);
    let fourth = door.served(ONE);
    assert_eq!(fourth.made_room, None, "the secret has left the address's share");
    let fifth = door.refused(ONE, Limit::ConnectionsPerAddress);
    assert!(told.end.is_cancelled() && fifth.made_room.is_some());
    for stays in [&edge, &neighbour, &third, &fourth, &fifth] {
        assert!(!stays.end.is_cancelled());
    }
}

#[test]
fn while_all_places_are_taken_the_oldest_gives_way_once_it_has_had_its_moment() {
    let mut door = Door::guarded(2, 0, 1);
    let oldest = door.served(ONE);
    door.served(OTHER);
    door.refused(ONE, Limit::Connections);
    assert_eq!(door.room_after_ms(0), Some(300));
    assert_eq!(door.room_after_ms(299), Some(1));
    assert_eq!(door.room_after_ms(300), Some(0));
    let next = door.served(PROXY);
    assert!(oldest.end.is_cancelled());
    assert_eq!(next.made_room, Some(Limit::Connections));
}

#[test]
fn a_connection_that_has_shown_the_secret_gives_way_to_nobody() {
    let mut door = Door::guarded(2, 0, 1);
    let edges = [door.proven(ONE), door.proven(ONE)];
    let mut third = door.refused(ONE, Limit::Connections);
    door.all.prove(&mut third.standing);
    assert_eq!(door.room_after_ms(60_000), None, "others wait");
    assert_eq!(door.admit(OTHER).unwrap_err(), Limit::Connections);
    for edge in edges.iter().chain([&third]) {
        assert!(!edge.end.is_cancelled());
    }
}

#[test]
fn the_secret_takes_the_place_of_one_that_has_not_shown_it() {
    let mut door = Door::guarded(1, 1, 5);
    let slow = door.served(ONE);
    for address in [ONE, OTHER] {
        let mut late = door.admit(address).unwrap();
        assert_ne!(late.standing.place, Place::Served);
        let made_room = door.all.prove(&mut late.standing);
        assert!(slow.end.is_cancelled());
        assert_eq!(made_room, (address == ONE).then_some(Limit::Connections));
        assert_eq!(late.standing.place == Place::Served, address == ONE);
    }
    assert_eq!((door.all.served, door.all.refused), (1, 1));
}

#[test]
fn the_secret_comes_too_late_for_a_connection_that_gives_way() {
    let mut door = Door::guarded(1, 0, 0);
    let mut first = door.served(ONE);
    door.served(ONE);
    door.all.prove(&mut first.standing);
    assert!(!first.standing.is_proven());
    door.all.leave(&first.standing);
    assert_eq!((door.all.served, door.all.unproven.len()), (1, 1));
}

proptest! {
    #[test]
    fn whatever_comes_goes_and_proves_itself_the_counts_are_true_and_end_at_zero(
        is_guarded: bool,
        steps in proptest::collection::vec((0_u8..3, 0_u8..4, any::<prop::sample::Index>()), 0..200),
    ) {
        let mut door = Door::new([6, 2, 3], is_guarded);
        let mut open: Vec<Admitted> = Vec::new();
        for (what, who, which) in steps {
            let address = (who > 0).then_some(AddressKey::V4([192, 0, 2, who]));
            match what {
                0 => open.extend(door.admit(address).ok()),
                1 if !open.is_empty() => {
                    let gone = open.swap_remove(which.index(open.len()));
                    door.all.leave(&gone.standing);
                }
                _ if !open.is_empty() && is_guarded => {
                    let index = which.index(open.len());
                    door.all.prove(&mut open[index].standing);
                }
                _ => {}
            }
            let here: Vec<_> = open.iter().filter(|one| !one.end.is_cancelled()).collect();
            prop_assert!(open.iter().all(|one| !one.standing.is_proven() || !one.end.is_cancelled()));
            let served = here.iter().filter(|one| one.standing.place == Place::Served).count();
            prop_assert_eq!((door.all.served, door.all.refused), (served, here.len() - served));
            prop_assert!(door.all.served <= 6 && door.all.refused <= 3);
            prop_assert!(door.all.by_address.values().all(|&count| count == 1 || count == 2));
        }
        for one in &open {
            door.all.leave(&one.standing);
        }
        let Admission { served, refused, by_address, unproven, .. } = &door.all;
        prop_assert_eq!((*served, *refused, by_address.len(), unproven.len()), (0, 0, 0, 0));
    }
}
