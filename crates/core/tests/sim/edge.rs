//! One data centre: isolates with the real policy, a shared cache that is slow to show what was
//! put, machines whose clocks differ from the origin's and a little from each other.

use pricecast_core::cache_policy::{
    Attempt, CopyMeta, Decision, EdgeCache, EdgeMillis, EdgePolicy, Flight, NextStep, Settled, Turn,
};
use pricecast_core::{Snapshot, UnixMillis};
use rand::RngExt;
use rand::rngs::StdRng;

use super::checks::Place;
use super::{Event, Setting, Troubles, World, stamp};

/// What an isolate keeps and what the shared cache stores.
type Copy = (CopyMeta, Snapshot);

/// The pieces of a refresh, as they come back from I/O.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Snap(Flight),
    Turn(Flight),
    Fetched { flight: Flight, answer: Option<Copy> },
}

struct Isolate {
    cache: EdgeCache<Snapshot>,
    /// Grows when it is evicted, so that what is under way ends with it.
    life: u64,
    clock_skew_ms: i64,
}

/// A value and what it was before, until the put is visible.
#[derive(Clone, Debug)]
struct Shared<T> {
    value: Option<T>,
    coming: Vec<(u64, T)>,
}

impl<T: Clone> Shared<T> {
    fn new() -> Self {
        Self { value: None, coming: vec![] }
    }

    fn read(&mut self, now: u64) -> Option<T> {
        self.coming.sort_by_key(|(at, _)| *at);
        while self.coming.first().is_some_and(|(at, _)| *at <= now) {
            self.value = Some(self.coming.remove(0).1);
        }
        self.value.clone()
    }
}

pub(crate) struct DataCentre {
    isolates: Vec<Isolate>,
    pub(crate) has_shared_cache: bool,
    snap: Shared<Copy>,
    turn: Shared<Turn>,
}

impl DataCentre {
    pub(crate) fn new(rng: &mut StdRng, setting: &Setting, origins: usize) -> Self {
        let skew_ms = rng.random_range(-3_000..=3_000);
        let isolates = (0..setting.isolates.unwrap_or_else(|| rng.random_range(1..=5)))
            .map(|id| Isolate {
                cache: EdgeCache::new(EdgePolicy::default(), id + 1, origins),
                life: 0,
                clock_skew_ms: skew_ms + rng.random_range(-20..=20),
            })
            .collect();
        Self {
            isolates,
            has_shared_cache: matches!(setting.troubles, Troubles::None) || rng.random_bool(0.9),
            snap: Shared::new(),
            turn: Shared::new(),
        }
    }

    pub(crate) fn isolates(&self) -> usize {
        self.isolates.len()
    }
}

impl World {
    fn edge_now(&self, isolate: usize) -> EdgeMillis {
        let skew_ms = self.edge.isolates[isolate].clock_skew_ms;
        EdgeMillis::from_ms(stamp(self.now).as_ms().saturating_add_signed(skew_ms))
    }

    pub(crate) fn on_request(&mut self, isolate: usize, life: u64, since: u64) {
        // A request that waited in an evicted isolate is gone; its client asks again.
        let present = self.edge.isolates[isolate].life;
        let (life, since) = if life == present { (life, since) } else { (present, self.now) };
        let now = self.edge_now(isolate);
        let decision = self.edge.isolates[isolate].cache.decide(now, self.now - since);
        let starts = matches!(
            decision,
            Decision::Serve { start_refresh: true, .. }
                | Decision::Wait { start_refresh: true }
                | Decision::Unavailable { start_refresh: true }
        );
        if starts {
            self.begin_refresh(isolate);
        }
        match decision {
            Decision::Wait { .. } => {
                let look_again = self.between(25, 40);
                return self.after(look_again, Event::Request { isolate, life, since });
            }
            Decision::Serve { .. } => self.check_answer(isolate),
            Decision::Unavailable { .. } => {
                let has_shared = self.edge.snap.value.is_some();
                let verdict = self.checks.note_unavailable(isolate, has_shared);
                self.judge(verdict);
            }
        }
        let (least, most) = self.setting.pause_ms;
        let pause = self.between(least, most);
        let next = self.now + pause;
        self.after(pause, Event::Request { isolate, life, since: next });
    }

    fn check_answer(&mut self, isolate: usize) {
        let now = self.edge_now(isolate);
        let Some((meta, snapshot)) = self.edge.isolates[isolate].cache.copy() else { return };
        let hold_ms = EdgePolicy::default().hold_ms;
        let shown_at: UnixMillis = meta.origin_now(now).plus_ms(hold_ms);
        let verdict = self.checks.note_answer(
            (self.now, Place::Isolate(isolate)),
            snapshot,
            shown_at,
            (&self.kraken.paths, &self.coinbase.paths),
        );
        self.judge(verdict);
    }

    fn begin_refresh(&mut self, isolate: usize) {
        let now = self.edge_now(isolate);
        let flight = self.edge.isolates[isolate].cache.begin_refresh(now);
        let ms = self.between(1, 5);
        self.go_on(isolate, ms, Stage::Snap(flight));
    }

    fn go_on(&mut self, isolate: usize, ms: u64, stage: Stage) {
        let life = self.edge.isolates[isolate].life;
        self.after(ms, Event::Refresh { isolate, life, stage });
    }

    pub(crate) fn on_refresh(&mut self, isolate: usize, life: u64, stage: Stage) {
        if self.edge.isolates[isolate].life != life {
            return;
        }
        let now = self.edge_now(isolate);
        let jitter = self.rng.random();
        let has_shared = self.edge.has_shared_cache;
        match stage {
            Stage::Snap(flight) => {
                let offered = self.edge.snap.read(self.now).filter(|_| has_shared);
                let cache = &mut self.edge.isolates[isolate].cache;
                if cache.settle_snap(flight, now, offered) == NextStep::ReadTurn {
                    let ms = self.between(1, 5);
                    self.go_on(isolate, ms, Stage::Turn(flight));
                }
            }
            Stage::Turn(flight) => {
                let turn = self.edge.turn.read(self.now).filter(|_| has_shared);
                let cache = &mut self.edge.isolates[isolate].cache;
                let step = cache.settle_turn(flight, now, turn, jitter);
                if let NextStep::Fetch { claim, attempt } = step {
                    self.put_turn(claim);
                    self.checks.note_fetch(self.now);
                    self.fetch(isolate, flight, attempt);
                }
            }
            Stage::Fetched { mut flight, answer } => {
                let offered = answer.clone();
                let cache = &mut self.edge.isolates[isolate].cache;
                match cache.settle_fetch(&mut flight, now, answer, jitter) {
                    Settled::Adopted { turn } => {
                        if let (Some(copy), true) = (offered, has_shared) {
                            let ms = self.between(5, 40);
                            self.edge.snap.coming.push((self.now + ms, copy));
                        }
                        if let Some(turn) = turn {
                            self.put_turn(turn);
                        }
                    }
                    Settled::TryNext(attempt) => self.fetch(isolate, flight, attempt),
                    Settled::Failed { turn } => self.put_turn(turn),
                    Settled::LeftBehind | Settled::Overtaken => {}
                }
            }
        }
    }

    fn put_turn(&mut self, turn: Turn) {
        if self.edge.has_shared_cache {
            let ms = self.between(5, 40);
            self.edge.turn.coming.push((self.now + ms, turn));
        }
    }

    fn fetch(&mut self, isolate: usize, flight: Flight, attempt: Attempt) {
        let sent_at = self.edge_now(isolate);
        let origin = &self.instances[attempt.origin];
        let latest = origin.latest.clone();
        if origin.hangs() {
            return self.go_on(
                isolate,
                attempt.timeout_ms,
                Stage::Fetched { flight, answer: None },
            );
        }
        let up_ms = self.between(20, 150);
        let down_ms = self.between(20, 150);
        // What the origin says, it says when the request arrives.
        let said_at = self.instances[attempt.origin].clock(self.now + up_ms);
        let answer = latest.and_then(|snapshot| {
            let hold_ms = EdgePolicy::default().hold_ms;
            let meta = CopyMeta::new(&snapshot, sent_at, said_at, hold_ms);
            meta.ok().map(|meta| (meta, snapshot))
        });
        let is_in_time = up_ms + down_ms < attempt.timeout_ms;
        let ms = attempt.timeout_ms.min(up_ms + down_ms);
        let answer = answer.filter(|_| is_in_time);
        self.go_on(isolate, ms, Stage::Fetched { flight, answer });
    }

    pub(crate) fn evict_isolate(&mut self) {
        let index = self.rng.random_range(0..self.edge.isolates.len());
        let isolate = &mut self.edge.isolates[index];
        isolate.life += 1;
        let id = self.rng.random();
        isolate.cache = EdgeCache::new(EdgePolicy::default(), id, self.instances.len());
        self.checks.note_eviction(index);
    }
}
