//! Streams: a connection for each open app, held by an isolate that tells all of its listeners of
//! each new snapshot, and at least once a second.

use crate::centre::{Centre, Effect};
use crate::crowd::Crowd;
use crate::world::{Ask, Event, World};

/// Nobody goes without a word for longer.
const PUSHES_EVERY_MS: u64 = 1_000;
/// An isolate with listeners looks at its copy this often once its soft age has passed.
pub(crate) const TIMER_MS: u64 = 100;

/// What happens to streams.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamEvent {
    /// An isolate has said nothing for a second, unless it has.
    Push { isolate: usize, life: u64, push: u64 },
}

#[derive(Default)]
struct Listeners {
    /// Client, and the request that opened its stream.
    asks: Vec<Ask>,
    /// Grows with each push.
    push: u64,
}

/// A data centre whose isolates hold streams.
pub(crate) struct Streams {
    centre: Centre,
    listeners: Vec<Listeners>,
}

impl Streams {
    pub(crate) fn new(world: &mut World<'_>, centre: Centre) -> Self {
        let mut streams = Self { centre, listeners: vec![] };
        streams.grow(world, 0);
        streams
    }

    pub(crate) fn grow(&mut self, world: &mut World<'_>, isolates: usize) {
        self.centre.grow(world, isolates);
        for isolate in self.listeners.len()..self.centre.isolates() {
            self.listeners.push(Listeners::default());
            self.push_later(world, isolate);
        }
    }

    pub(crate) fn centre_mut(&mut self) -> &mut Centre {
        &mut self.centre
    }

    /// A client opens a stream.
    pub(crate) fn open(&mut self, world: &mut World<'_>, ask: Ask) -> Effect {
        self.centre.request(world, ask)
    }

    /// What an event in the data centre means for its streams.
    pub(crate) fn follow(&mut self, world: &mut World<'_>, crowd: &mut Crowd, effect: Effect) {
        if let Some((ask, isolate, outcome)) = effect.answered {
            Crowd::send(world, ask, outcome);
            let listeners = self.listeners.get_mut(isolate).filter(|_| outcome.is_some());
            if let Some(listeners) = listeners {
                listeners.asks.push(ask);
            }
        }
        if let Some(isolate) = effect.adopted {
            self.push(world, crowd, isolate);
        }
        if let Some(isolate) = effect.ended {
            self.end(world, crowd, isolate);
        }
    }

    /// Every isolate ends.
    pub(crate) fn empty(&mut self, world: &mut World<'_>, crowd: &mut Crowd) {
        self.centre.empty(world);
        for isolate in 0..self.listeners.len() {
            self.end(world, crowd, isolate);
        }
    }

    pub(crate) fn handle(&mut self, world: &mut World<'_>, crowd: &Crowd, event: StreamEvent) {
        let StreamEvent::Push { isolate, life, push } = event;
        let is_due = self.listeners.get(isolate).is_some_and(|listeners| listeners.push == push);
        if is_due && life == self.centre.life(isolate) {
            self.push(world, crowd, isolate);
        }
    }

    fn push(&mut self, world: &mut World<'_>, crowd: &Crowd, isolate: usize) {
        let outcome = self.centre.copy_of(world, isolate);
        let Some(listeners) = self.listeners.get_mut(isolate) else { return };
        listeners.push += 1;
        listeners.asks.retain(|ask| crowd.is_awaited(*ask));
        for ask in listeners.asks.iter().filter(|_| outcome.is_some()) {
            Crowd::send(world, *ask, outcome);
        }
        self.push_later(world, isolate);
    }

    fn push_later(&self, world: &mut World<'_>, isolate: usize) {
        let push = self.listeners.get(isolate).map_or(0, |listeners| listeners.push);
        let life = self.centre.life(isolate);
        world.after(PUSHES_EVERY_MS, Event::Stream(StreamEvent::Push { isolate, life, push }));
    }

    fn end(&mut self, world: &mut World<'_>, crowd: &mut Crowd, isolate: usize) {
        let Some(listeners) = self.listeners.get_mut(isolate) else { return };
        listeners.push += 1;
        for ask in std::mem::take(&mut listeners.asks) {
            crowd.lose(world, ask);
        }
        self.push_later(world, isolate);
    }
}
