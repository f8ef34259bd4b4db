//! One simulation: data centres that share anything, and the phones that ask there.

use pricecast_core::FRESH_FOR_MS;
use pricecast_core::cache_policy::{CDN_HOLD_MS, EdgePolicy};

use crate::centre::{Beat, Centre, CentreSetting, Effect};
use crate::chance::Chance;
use crate::crowd::{Crowd, Manner};
use crate::delivery::Delivery;
use crate::measure::{Measure, WEIGHT_ONE};
use crate::origin::Origin;
use crate::scenario::{CROWD_COMES_WITHIN_MS, CROWD_FACTOR, Scenario, TROUBLE_AT_MS, WARM_UP_MS};
use crate::stream::{Streams, TIMER_MS};
use crate::tiers::{AgeAcrossTiers, Backend, CdnOrigin, Tiers};
use crate::world::{Event, World};

/// A client that follows the rule asks about this often, its round trip included.
const ASKS_EVERY_MS: f64 = 3_100.0;
/// One isolate is kept busy by so many requests a second …
const REQUESTS_PER_ISOLATE: u64 = 100;
/// … or by so many streams …
const STREAMS_PER_ISOLATE: u64 = 2_000;
/// … and a data centre has no more isolates than this. None of the three is published.
const ISOLATES_MAX: u64 = 200;
/// Behind shared caches the Worker is asked about once a second: a few isolates take turns.
const ISOLATES_BEHIND_CACHES: usize = 5;
/// What a client itself may hold a body for (`Cache-Control: max-age=1`).
const CLIENT_HOLD_MS: u64 = 1_000;

/// What is simulated in one go.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) delivery: Delivery,
    /// Tells this run of chance from the others.
    pub(crate) parts: Vec<u64>,
    /// Open apps in each of its data centres.
    pub(crate) open: Vec<u64>,
    /// At most so many of them in a data centre are simulated one by one.
    pub(crate) watched_max: u64,
    /// How many isolates each has, where that is not to follow from its traffic.
    pub(crate) isolates: Option<u64>,
    /// The clocks of the machines of one data centre differ by up to twice this, where that is
    /// not to be what it usually is.
    pub(crate) machines_apart_ms: Option<i64>,
    /// Whoever answers shared caches sends `Pricecast-Now` so much ahead.
    pub(crate) ahead_ms: u64,
}

enum Face {
    Worker(Centre),
    Tiers(Tiers),
    Streams(Streams),
}

struct Site<'a> {
    plan: &'a Plan,
    world: World<'a>,
    crowd: Crowd,
    face: Face,
}

/// Simulates `plan` against `origin`.
pub(crate) fn simulate(plan: &Plan, origin: &Origin, seed: u64) -> Measure {
    let measure = Measure::new(WARM_UP_MS..plan.scenario.lasts_ms(), FRESH_FOR_MS);
    let mut world =
        World::new(origin, Chance::new(seed, &plan.parts), measure, plan.scenario.lasts_ms());
    // First, so that it is the same place however many are watched.
    let face = plan.face(&mut world);
    let manner = match plan.delivery {
        Delivery::Stream => Manner::Streams,
        _ => Manner::Polls,
    };
    let mut crowd = Crowd::new(manner);
    for &open in &plan.open {
        let watched = open.min(plan.watched_max).max(1);
        let weight = open * WEIGHT_ONE / watched;
        crowd.settle(&mut world, index(watched), weight, WARM_UP_MS / 2);
    }
    match plan.scenario {
        Scenario::FlashCrowd => world.after(TROUBLE_AT_MS, Event::Crowd),
        Scenario::Deploy => world.after(TROUBLE_AT_MS, Event::Deploy),
        _ => {}
    }
    let mut site = Site { plan, world, crowd, face };
    while let Some(event) = site.world.next() {
        site.handle(event);
    }
    site.crowd.end(&mut site.world);
    site.world.measure
}

impl Plan {
    fn isolates(&self, open: u64, each_holds: u64) -> u64 {
        let by_load = open.div_ceil(each_holds).clamp(1, ISOLATES_MAX);
        self.isolates.unwrap_or(by_load)
    }

    fn isolates_asked(&self, open: u64) -> u64 {
        // 3.1 s between two requests of one client.
        self.isolates(open * 10 / 31, REQUESTS_PER_ISOLATE)
    }

    /// How far apart the requests are that are not simulated one by one, at one of `parts`.
    fn beat_mean_ms(&self, open: u64, parts: u64) -> Option<f64> {
        let unwatched = open.saturating_sub(self.watched_max);
        (unwatched > 0).then(|| ASKS_EVERY_MS * float(parts) / float(unwatched))
    }

    fn face(&self, world: &mut World<'_>) -> Face {
        let open = self.open.first().copied().unwrap_or(0);
        match self.delivery {
            Delivery::Worker => {
                let isolates = self.isolates_asked(open);
                let mean_ms = self.beat_mean_ms(open, isolates);
                let beat = mean_ms.map(|mean_ms| Beat::Requests { mean_ms });
                Face::Worker(self.centre(world, EdgePolicy::default(), isolates, beat))
            }
            Delivery::Stream => {
                let isolates = self.isolates(open, STREAMS_PER_ISOLATE);
                let beat = Some(Beat::Timer { every_ms: TIMER_MS });
                let centre = self.centre(world, EdgePolicy::default(), isolates, beat);
                Face::Streams(Streams::new(world, centre))
            }
            Delivery::WorkersCache(reading) => {
                let isolates = u64::try_from(ISOLATES_BEHIND_CACHES).unwrap_or(1);
                let centre =
                    self.centre(world, EdgePolicy::behind_a_cache(CLIENT_HOLD_MS), isolates, None);
                Face::Tiers(
                    self.tiers(world, Tiers::new(reading, Backend::Worker(Box::new(centre)))),
                )
            }
            Delivery::Cdn(reading) => Face::Tiers(self.cdn(world, reading, true)),
            // With a single cache there is nothing to read in two ways.
            Delivery::CdnOneTier => Face::Tiers(self.cdn(world, AgeAcrossTiers::Kept, false)),
        }
    }

    fn centre(
        &self,
        world: &mut World<'_>,
        policy: EdgePolicy,
        isolates: u64,
        beat: Option<Beat>,
    ) -> Centre {
        let mut setting = CentreSetting::new(policy, index(isolates), beat);
        setting.machines_apart_ms = self.machines_apart_ms.unwrap_or(setting.machines_apart_ms);
        setting.ahead_ms = self.ahead_ms;
        Centre::new(world, setting)
    }

    fn cdn(&self, world: &mut World<'_>, reading: AgeAcrossTiers, has_upper: bool) -> Tiers {
        let hold_ms = CLIENT_HOLD_MS + CDN_HOLD_MS;
        let from = CdnOrigin { hold_ms, ahead_ms: self.ahead_ms };
        let backend = Backend::Origin { from, has_upper };
        self.tiers(world, Tiers::new(reading, backend))
    }

    fn tiers(&self, world: &mut World<'_>, mut tiers: Tiers) -> Tiers {
        for &open in &self.open {
            tiers.add_lower(world, self.beat_mean_ms(open, 1));
        }
        tiers
    }
}

impl Site<'_> {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Client(event) => {
                if let Some(ask) = self.crowd.handle(&mut self.world, event) {
                    self.request(ask);
                }
            }
            Event::Centre(event) => {
                let centre = match &mut self.face {
                    Face::Worker(centre) => Some(centre),
                    Face::Tiers(tiers) => tiers.centre_mut(),
                    Face::Streams(streams) => Some(streams.centre_mut()),
                };
                let effect = centre.map(|centre| centre.handle(&mut self.world, event));
                self.follow(effect.unwrap_or_default());
            }
            Event::Tier(event) => {
                if let Face::Tiers(tiers) = &mut self.face {
                    tiers.handle(&mut self.world, event);
                }
            }
            Event::Stream(event) => {
                if let Face::Streams(streams) = &mut self.face {
                    streams.handle(&mut self.world, &self.crowd, event);
                }
            }
            Event::Crowd => self.come(),
            Event::Deploy => match &mut self.face {
                Face::Worker(centre) => centre.empty(&mut self.world),
                Face::Tiers(tiers) => tiers.empty(&mut self.world),
                Face::Streams(streams) => streams.empty(&mut self.world, &mut self.crowd),
            },
        }
    }

    fn request(&mut self, ask: crate::world::Ask) {
        let effect = match &mut self.face {
            Face::Worker(centre) => centre.request(&mut self.world, ask),
            Face::Streams(streams) => streams.open(&mut self.world, ask),
            Face::Tiers(tiers) => {
                let home = self.crowd.home(ask);
                return tiers.request(&mut self.world, home, ask);
            }
        };
        self.follow(effect);
    }

    fn follow(&mut self, effect: Effect) {
        match &mut self.face {
            Face::Worker(_) => {
                if let Some((ask, _, outcome)) = effect.answered {
                    Crowd::send(&mut self.world, ask, outcome);
                }
            }
            Face::Tiers(tiers) => tiers.follow(&mut self.world, &effect),
            Face::Streams(streams) => streams.follow(&mut self.world, &mut self.crowd, effect),
        }
    }

    /// The crowd comes: as many times more clients, and isolates for them.
    fn come(&mut self) {
        let world = &mut self.world;
        for (home, &open) in self.plan.open.iter().enumerate() {
            let more = self.crowd.residents(home) * index(CROWD_FACTOR - 1);
            self.crowd.join(world, home, more, CROWD_COMES_WITHIN_MS);
            let open = open * CROWD_FACTOR;
            let beat_mean_ms = |parts| {
                let mean_ms = self.plan.beat_mean_ms(open / CROWD_FACTOR, parts);
                mean_ms.map(|mean_ms| mean_ms / float(CROWD_FACTOR))
            };
            match &mut self.face {
                Face::Worker(centre) => {
                    let isolates = self.plan.isolates_asked(open);
                    if let Some(mean_ms) = beat_mean_ms(isolates) {
                        centre.set_beat(Beat::Requests { mean_ms });
                    }
                    centre.grow(world, index(isolates));
                }
                Face::Tiers(tiers) => {
                    if let Some(mean_ms) = beat_mean_ms(1) {
                        tiers.set_beat(home, mean_ms);
                    }
                }
                Face::Streams(streams) => {
                    let isolates = self.plan.isolates(open, STREAMS_PER_ISOLATE);
                    streams.grow(world, index(isolates));
                }
            }
        }
    }
}

fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
