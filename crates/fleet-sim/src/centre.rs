//! One data centre: isolates with the real policy, and the cache they share.
//!
//! The policy does nothing with a hit, so of the requests nobody watches only those are simulated
//! that come while a copy is past its soft age: however many there are, the model stays exact.

use std::sync::Arc;

use pricecast_core::cache_policy::{
    Attempt, CopyMeta, Decision, EdgeCache, EdgeMillis, EdgePolicy, Flight, NextStep, Settled, Turn,
};
use pricecast_core::{FLIP_GRID_MS, Snapshot};

use crate::origin::{BEGAN_AT_MS, clock, confirmed_ms};
use crate::scenario::Reach;
use crate::shared::Shared;
use crate::world::{Ask, Event, Outcome, Reply, World};

/// Clocks of data centres are wrong by up to this; nothing may depend on it.
const CLOCK_WRONG_BY_MS: i64 = 3_000;
/// Clocks of the machines of one data centre differ by up to twice this.
const MACHINES_APART_MS: i64 = 10;
/// A look into the shared cache.
const MATCH_MS: (u64, u64) = (1, 5);
/// How long a waiting request looks away.
const LOOK_AGAIN_MS: (u64, u64) = (25, 40);
/// How far the origin is, there and back.
const ROUND_TRIP_MS: (u64, u64) = (50, 300);
/// An isolate lives this long on average.
const ISOLATE_LIVES_MS: f64 = 300_000.0;
/// Past a copy's soft age, requests nobody watches come at most once in so many ms: whether the
/// policy is asked after 20 ms or after 1 makes next to no difference to it.
const UNWATCHED_MS_MIN: f64 = 20.0;

/// What an isolate keeps and what the shared cache stores.
type Held = (CopyMeta, Arc<Snapshot>);

/// What happens in a data centre.
#[derive(Debug)]
pub(crate) enum CentreEvent {
    /// A waiting request looks again.
    Look { ask: Ask, isolate: usize, life: u64, since_ms: u64 },
    /// A request nobody watches, or the timer of an isolate that holds streams.
    Beat { isolate: usize, life: u64 },
    /// I/O of a refresh has come back.
    Refresh { isolate: usize, life: u64, stage: Stage },
    /// An isolate ends; another takes its place.
    Evict { isolate: usize, life: u64 },
}

/// The pieces of a refresh.
#[derive(Debug)]
pub(crate) enum Stage {
    Snap(Flight),
    Turn(Flight),
    Fetched { flight: Flight, answer: Option<Held> },
}

/// What makes an isolate look at its copy when nobody watches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Beat {
    /// Requests that come independently, so many ms apart on average.
    Requests { mean_ms: f64 },
    /// A timer of its own, as long as streams are open.
    Timer { every_ms: u64 },
}

/// How a data centre is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CentreSetting {
    pub(crate) policy: EdgePolicy,
    pub(crate) isolates: usize,
    /// Of one isolate; none where every request is simulated.
    pub(crate) beat: Option<Beat>,
    /// The clocks of its machines differ by up to twice this from each other.
    pub(crate) machines_apart_ms: i64,
    /// `Pricecast-Now` is sent so much ahead.
    pub(crate) ahead_ms: u64,
}

impl CentreSetting {
    pub(crate) fn new(policy: EdgePolicy, isolates: usize, beat: Option<Beat>) -> Self {
        Self {
            policy,
            isolates: isolates.max(1),
            beat,
            machines_apart_ms: MACHINES_APART_MS,
            ahead_ms: 0,
        }
    }
}

struct Isolate {
    cache: EdgeCache<Arc<Snapshot>>,
    /// Grows when it ends, so that what is under way ends with it.
    life: u64,
    clock_wrong_by_ms: i64,
}

/// What an event led to.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// A request has its answer, or its error, of this isolate.
    pub(crate) answered: Option<(Ask, usize, Outcome)>,
    /// An isolate has another copy now.
    pub(crate) adopted: Option<usize>,
    /// An isolate has ended.
    pub(crate) ended: Option<usize>,
}

/// A data centre.
pub(crate) struct Centre {
    setting: CentreSetting,
    isolates: Vec<Isolate>,
    clock_wrong_by_ms: i64,
    round_trip_ms: u64,
    snap: Shared<Held>,
    turn: Shared<Turn>,
}

impl Centre {
    pub(crate) fn new(world: &mut World<'_>, setting: CentreSetting) -> Self {
        let mut centre = Self {
            setting,
            isolates: vec![],
            clock_wrong_by_ms: world.chance.around(CLOCK_WRONG_BY_MS),
            round_trip_ms: world.chance.between(ROUND_TRIP_MS.0, ROUND_TRIP_MS.1),
            snap: Shared::new(),
            turn: Shared::new(),
        };
        centre.grow(world, setting.isolates);
        centre
    }

    pub(crate) fn isolates(&self) -> usize {
        self.isolates.len()
    }

    /// Which life an isolate is in.
    pub(crate) fn life(&self, isolate: usize) -> u64 {
        self.isolates.get(isolate).map_or(0, |isolate| isolate.life)
    }

    /// Brings the number of isolates up to `count`.
    pub(crate) fn grow(&mut self, world: &mut World<'_>, count: usize) {
        for index in self.isolates.len()..count {
            let apart_ms = world.chance.around(self.setting.machines_apart_ms);
            self.isolates.push(Isolate {
                cache: EdgeCache::new(self.setting.policy, world.chance.id(), 1),
                life: 0,
                clock_wrong_by_ms: self.clock_wrong_by_ms + apart_ms,
            });
            self.begin_life(world, index);
        }
    }

    /// From now on requests nobody watches come like this.
    pub(crate) fn set_beat(&mut self, beat: Beat) {
        self.setting.beat = Some(beat);
    }

    /// Every isolate ends and the shared cache is empty.
    pub(crate) fn empty(&mut self, world: &mut World<'_>) {
        self.snap = Shared::new();
        self.turn = Shared::new();
        for index in 0..self.isolates.len() {
            self.restart(world, index);
        }
    }

    fn restart(&mut self, world: &mut World<'_>, index: usize) {
        if let Some(isolate) = self.isolates.get_mut(index) {
            isolate.life += 1;
            isolate.cache = EdgeCache::new(self.setting.policy, world.chance.id(), 1);
        }
        self.begin_life(world, index);
    }

    fn begin_life(&mut self, world: &mut World<'_>, isolate: usize) {
        let life = self.life(isolate);
        let lives_ms = world.chance.pause_ms(ISOLATE_LIVES_MS);
        world.after(lives_ms, Event::Centre(CentreEvent::Evict { isolate, life }));
        self.beat_again(world, isolate);
    }

    /// The next beat that can make a difference.
    fn beat_again(&self, world: &mut World<'_>, index: usize) {
        let (Some(beat), Some(isolate)) = (self.setting.beat, self.isolates.get(index)) else {
            return;
        };
        let idle_ms = isolate.hit_lasts_ms(world.now, self.setting.policy);
        let ms = match (beat, idle_ms) {
            (Beat::Requests { mean_ms }, 0) => {
                1 + world.chance.pause_ms(mean_ms.max(UNWATCHED_MS_MIN))
            }
            (Beat::Requests { mean_ms }, idle_ms) => idle_ms + world.chance.pause_ms(mean_ms),
            (Beat::Timer { every_ms }, idle_ms) => idle_ms.max(every_ms),
        };
        let life = isolate.life;
        world.after(ms, Event::Centre(CentreEvent::Beat { isolate: index, life }));
    }

    /// A request comes; the runtime gives it to any isolate.
    pub(crate) fn request(&mut self, world: &mut World<'_>, ask: Ask) -> Effect {
        let isolate = world.chance.index(self.isolates.len());
        self.request_at(world, ask, isolate)
    }

    /// A request comes to this isolate.
    pub(crate) fn request_at(&mut self, world: &mut World<'_>, ask: Ask, isolate: usize) -> Effect {
        let since_ms = world.now;
        self.look(world, ask, isolate, since_ms)
    }

    pub(crate) fn handle(&mut self, world: &mut World<'_>, event: CentreEvent) -> Effect {
        match event {
            CentreEvent::Look { ask, isolate, life, since_ms } => {
                if life == self.life(isolate) {
                    self.look(world, ask, isolate, since_ms)
                } else {
                    // It ended with its isolate; whoever asked sees an error.
                    Effect { answered: Some((ask, isolate, None)), ..Effect::default() }
                }
            }
            CentreEvent::Beat { isolate, life } => {
                if life == self.life(isolate) {
                    self.decide(world, isolate, 0);
                    self.beat_again(world, isolate);
                }
                Effect::default()
            }
            CentreEvent::Refresh { isolate, life, stage } => {
                let is_adopted = life == self.life(isolate) && self.refresh(world, isolate, stage);
                Effect { adopted: is_adopted.then_some(isolate), ..Effect::default() }
            }
            CentreEvent::Evict { isolate, life } => {
                let ends = life == self.life(isolate);
                if ends {
                    self.restart(world, isolate);
                }
                Effect { ended: ends.then_some(isolate), ..Effect::default() }
            }
        }
    }

    fn look(&mut self, world: &mut World<'_>, ask: Ask, isolate: usize, since_ms: u64) -> Effect {
        let outcome = match self.decide(world, isolate, world.now - since_ms) {
            Some(Decision::Wait { .. }) => {
                let life = self.life(isolate);
                let ms = world.chance.between(LOOK_AGAIN_MS.0, LOOK_AGAIN_MS.1);
                let look = CentreEvent::Look { ask, isolate, life, since_ms };
                world.after(ms, Event::Centre(look));
                return Effect::default();
            }
            Some(Decision::Serve { .. }) => self.copy_of(world, isolate),
            Some(Decision::Unavailable { .. }) | None => None,
        };
        Effect { answered: Some((ask, isolate, outcome)), ..Effect::default() }
    }

    /// What the policy says, with its refresh begun.
    fn decide(&mut self, world: &mut World<'_>, index: usize, waited_ms: u64) -> Option<Decision> {
        let isolate = self.isolates.get_mut(index)?;
        let now = isolate.clock(world.now);
        let decision = isolate.cache.decide(now, waited_ms);
        let (Decision::Serve { start_refresh, .. }
        | Decision::Wait { start_refresh }
        | Decision::Unavailable { start_refresh }) = decision;
        if start_refresh {
            let flight = isolate.cache.begin_refresh(now);
            let ms = world.chance.between(MATCH_MS.0, MATCH_MS.1);
            self.go_on(world, index, ms, Stage::Snap(flight));
        }
        Some(decision)
    }

    /// What an isolate answers with the copy it has.
    pub(crate) fn copy_of(&self, world: &World<'_>, isolate: usize) -> Outcome {
        let isolate = self.isolates.get(isolate)?;
        let (meta, snapshot) = isolate.cache.copy()?;
        let origin_now = meta.origin_now(isolate.clock(world.now));
        Some(Reply {
            version: snapshot.version,
            confirmed_ms: confirmed_ms(snapshot),
            pricecast_now: origin_now.ceil_to_ms(FLIP_GRID_MS).plus_ms(self.setting.ahead_ms),
            age_s: None,
            is_stale: snapshot.any_stale(origin_now.plus_ms(self.setting.policy.hold_ms)),
        })
    }

    fn go_on(&self, world: &mut World<'_>, isolate: usize, ms: u64, stage: Stage) {
        let life = self.life(isolate);
        world.after(ms, Event::Centre(CentreEvent::Refresh { isolate, life, stage }));
    }

    /// One step of a refresh; whether the isolate has another copy since.
    fn refresh(&mut self, world: &mut World<'_>, index: usize, stage: Stage) -> bool {
        let jitter = world.chance.jitter();
        let Some(isolate) = self.isolates.get_mut(index) else { return false };
        let now = isolate.clock(world.now);
        let sent_at_before = isolate.cache.copy().map(|(meta, _)| meta.sent_at);
        match stage {
            Stage::Snap(flight) => {
                let offered = self.snap.read(world.now);
                if isolate.cache.settle_snap(flight, now, offered) == NextStep::ReadTurn {
                    let ms = world.chance.between(MATCH_MS.0, MATCH_MS.1);
                    self.go_on(world, index, ms, Stage::Turn(flight));
                }
            }
            Stage::Turn(flight) => {
                let turn = self.turn.read(world.now);
                let step = isolate.cache.settle_turn(flight, now, turn, jitter);
                if let NextStep::Fetch { claim, attempt } = step {
                    self.turn.put(world, claim);
                    self.fetch(world, index, flight, attempt);
                }
            }
            Stage::Fetched { mut flight, answer } => {
                let offered = answer.clone();
                match isolate.cache.settle_fetch(&mut flight, now, answer, jitter) {
                    Settled::Adopted { turn } => {
                        if let Some(copy) = offered {
                            self.snap.put(world, copy);
                        }
                        if let Some(turn) = turn {
                            self.turn.put(world, turn);
                        }
                    }
                    Settled::TryNext(attempt) => self.fetch(world, index, flight, attempt),
                    Settled::Failed { turn } => self.turn.put(world, turn),
                    Settled::LeftBehind | Settled::Overtaken => {}
                }
            }
        }
        let copy = self.isolates.get(index).and_then(|isolate| isolate.cache.copy());
        copy.map(|(meta, _)| meta.sent_at) != sent_at_before
    }

    fn fetch(&self, world: &mut World<'_>, index: usize, flight: Flight, attempt: Attempt) {
        let Some(isolate) = self.isolates.get(index) else { return };
        let sent_at = isolate.clock(world.now);
        let spread_ms = self.round_trip_ms / 4;
        let up_ms =
            world.chance.between(self.round_trip_ms / 2 - spread_ms, self.round_trip_ms / 2);
        let down_ms =
            world.chance.between(self.round_trip_ms / 2, self.round_trip_ms / 2 + spread_ms);
        let arrives_ms = world.now + up_ms;
        world.measure.note_fetch(arrives_ms);
        let (ms, answer) = match world.origin.reach(arrives_ms) {
            Reach::Hangs => (attempt.timeout_ms, None),
            Reach::Refuses => (up_ms + down_ms, None),
            // What the origin says, it says when the request arrives.
            Reach::Answers => (up_ms + down_ms, world.origin.says(arrives_ms)),
        };
        let hold_ms = self.setting.policy.hold_ms;
        let answer = answer.filter(|_| ms < attempt.timeout_ms).and_then(|snapshot| {
            let meta = CopyMeta::new(&snapshot, sent_at, clock(arrives_ms), hold_ms);
            meta.ok().map(|meta| (meta, snapshot))
        });
        self.go_on(world, index, ms.min(attempt.timeout_ms), Stage::Fetched { flight, answer });
    }
}

impl Isolate {
    fn clock(&self, at_ms: u64) -> EdgeMillis {
        EdgeMillis::from_ms((BEGAN_AT_MS + at_ms).saturating_add_signed(self.clock_wrong_by_ms))
    }

    /// For how long from `at_ms` on every request is a hit, which changes nothing.
    fn hit_lasts_ms(&self, at_ms: u64, policy: EdgePolicy) -> u64 {
        let Some((meta, snapshot)) = self.cache.copy() else { return 0 };
        let soft = meta.sent_at.plus_ms(policy.soft_ms);
        let now = self.clock(at_ms);
        let flips =
            snapshot.prices.iter().map(|price| meta.shows_at(price.flips_at(), policy.hold_ms));
        let flips_next = flips.filter(|&flip| flip > now).min();
        // The soft age itself is still a hit; a flip no longer is.
        let until = flips_next.map_or(soft.plus_ms(1), |flip| flip.min(soft.plus_ms(1)));
        until.ms_since(now)
    }
}
