//! A key of a data centre's shared cache: what was put is seen a little later.

use std::collections::VecDeque;

use crate::world::World;

/// Until a put is seen by the other machines. Not known of a real data centre.
const SEEN_AFTER_MS: (u64, u64) = (5, 40);

/// A value, and what is on its way to replace it.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    value: Option<T>,
    coming: VecDeque<(u64, T)>,
}

impl<T: Clone> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self { value: None, coming: VecDeque::new() }
    }

    pub(crate) fn read(&mut self, now: u64) -> Option<T> {
        while self.coming.front().is_some_and(|(seen_at_ms, _)| *seen_at_ms <= now) {
            self.value = self.coming.pop_front().map(|(_, value)| value);
        }
        self.value.clone()
    }

    /// The last writer wins.
    pub(crate) fn put(&mut self, world: &mut World<'_>, value: T) {
        let seen_at_ms = world.now + world.chance.between(SEEN_AFTER_MS.0, SEEN_AFTER_MS.1);
        let place = self.coming.partition_point(|(other_ms, _)| *other_ms <= seen_at_ms);
        self.coming.insert(place, (seen_at_ms, value));
    }
}
