//! Shared caches in front: one in each data centre, one behind several of these, and behind that
//! the Worker (Workers Cache) or the origin itself (plain CDN).
//!
//! Lifetimes are whole seconds: `max-age=1, stale-while-revalidate=1, stale-if-error=0`. Two things
//! are documented nowhere, so each reading of them is modelled: whether a copy keeps its age when a
//! cache passes it on to the next, and whether a cache gives the next one a copy that is past it.

use pricecast_core::cache_policy::CDN_HOLD_MS;

use crate::centre::{Centre, Effect};
use crate::crowd::Crowd;
use crate::origin::{clock, confirmed_ms};
use crate::scenario::Reach;
use crate::world::{Ask, Event, Outcome, Reply, World};

/// `max-age`, of each cache.
const FRESH_MS: u64 = 1_000;
/// From a data centre to the cache behind it, one way.
const HOP_MS: (u64, u64) = (5, 60);
/// From the last cache to the origin and back.
const ROUND_TRIP_MS: (u64, u64) = (50, 300);
/// A CDN gives up on an origin that accepts no connection after this (its error 522).
const CONNECT_TIMEOUT_MS: u64 = 19_000;

/// How to read what is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgeAcrossTiers {
    /// A copy keeps its age, as RFC 9111 wants it, and only fresh copies are passed on.
    Kept,
    /// It begins anew in each cache, and a copy past its age may be passed on.
    BeginsAnew,
}

/// What happens in the caches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TierEvent {
    /// A request nobody watches, in a data centre.
    Beat { lower: usize, turn: u64 },
    /// A data centre's cache asks the one behind.
    AtUpper { lower: usize },
    /// It has its answer, with the age that was stated.
    Back { lower: usize, outcome: Outcome },
    /// The origin's answer is in the last cache.
    Filled { outcome: Outcome },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    reply: Reply,
    /// When it was stored, or earlier by the age it had then.
    born_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Fresh,
    Updating,
    Expired,
}

/// One cache; `W` is who waits for it.
struct Node<W> {
    entry: Option<Entry>,
    is_updating: bool,
    waiting: Vec<W>,
}

impl<W> Node<W> {
    const fn new() -> Self {
        Self { entry: None, is_updating: false, waiting: vec![] }
    }

    fn standing(&self, now: u64) -> Standing {
        match self.entry.map(|entry| now - entry.born_ms) {
            Some(age_ms) if age_ms < FRESH_MS => Standing::Fresh,
            Some(age_ms) if age_ms < CDN_HOLD_MS => Standing::Updating,
            _ => Standing::Expired,
        }
    }

    /// What it answers from memory, with the age it states.
    fn hit(&self, now: u64) -> Outcome {
        let entry = self.entry?;
        Some(Reply { age_s: Some((now - entry.born_ms) / 1_000), ..entry.reply })
    }
}

struct Lower {
    node: Node<Ask>,
    hop_ms: u64,
    /// Requests nobody watches, so many ms apart on average.
    beat_mean_ms: Option<f64>,
    /// Grows with each of them that is awaited; only the last one is.
    beat: u64,
}

/// How the origin answers a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CdnOrigin {
    /// Bodies are rendered for so much later.
    pub(crate) hold_ms: u64,
    /// `Pricecast-Now` is sent so much ahead.
    pub(crate) ahead_ms: u64,
}

/// What is behind the caches.
pub(crate) enum Backend {
    /// The Worker, where the last cache is.
    Worker(Box<Centre>),
    /// The origin.
    Origin { from: CdnOrigin, has_upper: bool },
}

/// Caches in front of something.
pub(crate) struct Tiers {
    reading: AgeAcrossTiers,
    lowers: Vec<Lower>,
    upper: Node<usize>,
    backend: Backend,
}

impl Tiers {
    pub(crate) const fn new(reading: AgeAcrossTiers, backend: Backend) -> Self {
        Self { reading, lowers: vec![], upper: Node::new(), backend }
    }

    /// One more data centre.
    pub(crate) fn add_lower(&mut self, world: &mut World<'_>, beat_mean_ms: Option<f64>) {
        let hop_ms = world.chance.between(HOP_MS.0, HOP_MS.1);
        self.lowers.push(Lower { node: Node::new(), hop_ms, beat_mean_ms, beat: 0 });
        self.beat_again(world, self.lowers.len() - 1);
    }

    /// Ten times the requests nobody watches.
    pub(crate) fn set_beat(&mut self, lower: usize, beat_mean_ms: f64) {
        if let Some(lower) = self.lowers.get_mut(lower) {
            lower.beat_mean_ms = Some(beat_mean_ms);
        }
    }

    /// Every copy is gone.
    pub(crate) fn empty(&mut self, world: &mut World<'_>) {
        self.upper.entry = None;
        for index in 0..self.lowers.len() {
            if let Some(lower) = self.lowers.get_mut(index) {
                lower.node.entry = None;
            }
            self.beat_again(world, index);
        }
        if let Backend::Worker(centre) = &mut self.backend {
            centre.empty(world);
        }
    }

    /// A client's request comes to a data centre.
    pub(crate) fn request(&mut self, world: &mut World<'_>, index: usize, ask: Ask) {
        let Some(lower) = self.lowers.get_mut(index) else { return };
        match lower.node.standing(world.now) {
            Standing::Expired => lower.node.waiting.push(ask),
            Standing::Fresh | Standing::Updating => {
                Crowd::send(world, ask, lower.node.hit(world.now));
            }
        }
        self.update_lower(world, index);
    }

    pub(crate) fn handle(&mut self, world: &mut World<'_>, event: TierEvent) {
        match event {
            TierEvent::Beat { lower, turn } => {
                if self.lowers.get(lower).is_some_and(|lower| lower.beat == turn) {
                    self.update_lower(world, lower);
                }
            }
            TierEvent::AtUpper { lower } => self.ask_upper(world, lower),
            TierEvent::Back { lower, outcome } => self.fill_lower(world, lower, outcome),
            TierEvent::Filled { outcome } => self.fill_upper(world, outcome),
        }
    }

    /// Something has happened in the data centre where the Worker runs.
    pub(crate) fn follow(&mut self, world: &mut World<'_>, effect: &Effect) {
        if let Some((Ask::Cache, _, outcome)) = effect.answered {
            self.fill_upper(world, outcome);
        }
    }

    pub(crate) fn centre_mut(&mut self) -> Option<&mut Centre> {
        match &mut self.backend {
            Backend::Worker(centre) => Some(centre),
            Backend::Origin { .. } => None,
        }
    }

    /// The next request nobody watches that makes a difference: past the copy's age, and only when
    /// no update is under way.
    fn beat_again(&mut self, world: &mut World<'_>, index: usize) {
        let Some(lower) = self.lowers.get_mut(index) else { return };
        let Some(mean_ms) = lower.beat_mean_ms else { return };
        let fresh_until_ms = lower.node.entry.map_or(0, |entry| entry.born_ms + FRESH_MS);
        let idle_ms = fresh_until_ms.saturating_sub(world.now);
        let ms = idle_ms + world.chance.pause_ms(mean_ms);
        lower.beat += 1;
        let beat = TierEvent::Beat { lower: index, turn: lower.beat };
        world.after(ms, Event::Tier(beat));
    }

    /// Asks the cache behind, unless the copy is fresh or that is under way.
    fn update_lower(&mut self, world: &mut World<'_>, index: usize) {
        let Some(lower) = self.lowers.get_mut(index) else { return };
        if lower.node.is_updating || lower.node.standing(world.now) == Standing::Fresh {
            return;
        }
        lower.node.is_updating = true;
        if let Backend::Origin { from, has_upper: false } = self.backend {
            let (ms, outcome) = ask_origin(world, from);
            world.after(ms, Event::Tier(TierEvent::Back { lower: index, outcome }));
        } else {
            world.after(lower.hop_ms, Event::Tier(TierEvent::AtUpper { lower: index }));
        }
    }

    fn ask_upper(&mut self, world: &mut World<'_>, lower: usize) {
        let passes_on = match self.upper.standing(world.now) {
            Standing::Fresh => true,
            Standing::Updating => self.reading == AgeAcrossTiers::BeginsAnew,
            Standing::Expired => false,
        };
        if passes_on {
            self.send_back(world, lower, self.upper.hit(world.now));
        } else {
            self.upper.waiting.push(lower);
        }
        if !self.upper.is_updating && self.upper.standing(world.now) != Standing::Fresh {
            self.upper.is_updating = true;
            self.ask_backend(world);
        }
    }

    fn ask_backend(&mut self, world: &mut World<'_>) {
        match &mut self.backend {
            Backend::Worker(centre) => {
                let effect = centre.request(world, Ask::Cache);
                self.follow(world, &effect);
            }
            Backend::Origin { from, .. } => {
                let (ms, outcome) = ask_origin(world, *from);
                world.after(ms, Event::Tier(TierEvent::Filled { outcome }));
            }
        }
    }

    fn fill_upper(&mut self, world: &mut World<'_>, outcome: Outcome) {
        self.upper.is_updating = false;
        if let Some(reply) = outcome {
            self.upper.entry = Some(Entry { reply, born_ms: world.now });
        }
        for lower in std::mem::take(&mut self.upper.waiting) {
            self.send_back(world, lower, outcome);
        }
    }

    fn send_back(&self, world: &mut World<'_>, lower: usize, outcome: Outcome) {
        let hop_ms = self.lowers.get(lower).map_or(0, |lower| lower.hop_ms);
        world.after(hop_ms, Event::Tier(TierEvent::Back { lower, outcome }));
    }

    fn fill_lower(&mut self, world: &mut World<'_>, index: usize, outcome: Outcome) {
        let Some(lower) = self.lowers.get_mut(index) else { return };
        lower.node.is_updating = false;
        // A copy that begins anew has no age yet, and a first answer states none.
        let outcome = outcome.map(|reply| match self.reading {
            AgeAcrossTiers::Kept => reply,
            AgeAcrossTiers::BeginsAnew => Reply { age_s: None, ..reply },
        });
        if let Some(reply) = outcome {
            let age_ms = reply.age_s.unwrap_or(0) * 1_000;
            lower.node.entry = Some(Entry { reply, born_ms: world.now.saturating_sub(age_ms) });
        }
        for ask in std::mem::take(&mut lower.node.waiting) {
            Crowd::send(world, ask, outcome);
        }
        self.beat_again(world, index);
    }
}

/// The last cache asks the origin: how long that takes, and what comes of it.
fn ask_origin(world: &mut World<'_>, from: CdnOrigin) -> (u64, Outcome) {
    let (least, most) = (ROUND_TRIP_MS.0 / 2, ROUND_TRIP_MS.1 / 2);
    let (up_ms, down_ms) = (world.chance.between(least, most), world.chance.between(least, most));
    let arrives_ms = world.now + up_ms;
    world.measure.note_fetch(arrives_ms);
    match world.origin.reach(arrives_ms) {
        Reach::Hangs => (CONNECT_TIMEOUT_MS, None),
        Reach::Refuses => (up_ms + down_ms, None),
        Reach::Answers => {
            let outcome = world.origin.says(arrives_ms).map(|snapshot| Reply {
                version: snapshot.version,
                confirmed_ms: confirmed_ms(&snapshot),
                pricecast_now: clock(arrives_ms + from.ahead_ms),
                age_s: None,
                is_stale: snapshot.any_stale(clock(arrives_ms + from.hold_ms)),
            });
            (up_ms + down_ms, outcome)
        }
    }
}
