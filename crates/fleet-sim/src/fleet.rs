//! The whole fleet: every data centre, on all cores, added up.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pricecast_core::cache_policy::mix;

use crate::chance::Chance;
use crate::delivery::Delivery;
use crate::measure::Measure;
use crate::origin::Origin;
use crate::population::{Place, REGIONS_UTC, busiest_hour, places};
use crate::scenario::Scenario;
use crate::site::{Plan, simulate};

/// Clients of a data centre that are simulated one by one; they stand for the others.
pub(crate) const WATCHED_MAX: u64 = 30;
/// A normal day is looked at in its busiest hour and so many hours later; everything else happens
/// in the busiest.
const HOURS_LATER: [u64; 3] = [0, 8, 16];

/// One run of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// What happens.
    pub scenario: Scenario,
    /// How prices reach phones.
    pub delivery: Delivery,
    /// Apps open at once, on the day's average.
    pub open_apps: u64,
    /// By how much whoever answers shared caches tells `Pricecast-Now` ahead: as it is built,
    /// [`Delivery::ahead_ms`].
    pub ahead_ms: u64,
}

impl Run {
    /// A delivery as it is built.
    #[must_use]
    pub const fn as_built(scenario: Scenario, delivery: Delivery, open_apps: u64) -> Self {
        Self { scenario, delivery, open_apps, ahead_ms: delivery.ahead_ms() }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What was run.
    pub run: Run,
    pub(crate) measure: Measure,
}

struct Job {
    run: usize,
    hour: u64,
    plan: Plan,
}

/// Simulates all `runs`; the same seed gives the same figures on any number of cores. `told` hears
/// of each share of the work that is done, in thousandths.
pub fn simulate_all(runs: &[Run], seed: u64, told: impl Fn(usize) + Sync) -> Vec<Figures> {
    let places = places(seed);
    let origins: BTreeMap<_, _> =
        runs.iter().map(|run| (run.scenario, Origin::new(run.scenario, seed))).collect();
    let mut jobs: Vec<Job> =
        runs.iter().enumerate().flat_map(|(index, run)| jobs(index, run, &places, seed)).collect();
    // The longest first, or one of them would be left over for one core at the end.
    jobs.sort_by_key(|job| Reverse((job.plan.open.len(), job.plan.scenario.lasts_ms())));
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let sums: Mutex<BTreeMap<(usize, u64), Measure>> = Mutex::default();
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(origin) = origins.get(&job.plan.scenario) else { continue };
            let measure = simulate(&job.plan, origin, seed);
            if let Ok(mut sums) = sums.lock() {
                sums.entry((job.run, job.hour)).or_default().merge(&measure);
            }
            told((done.fetch_add(1, Ordering::Relaxed) + 1) * 1_000 / jobs.len());
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let sums = sums.into_inner().unwrap_or_default();
    let figures = |(index, run): (usize, &Run)| {
        let hours = sums.iter().filter(|((of, _), _)| *of == index).map(|(_, measure)| measure);
        Figures { run: *run, measure: Measure::in_a_row(hours) }
    };
    runs.iter().enumerate().map(figures).collect()
}

/// What of a run has to be simulated in one go: data centres that share a cache.
fn jobs(index: usize, run: &Run, places: &[Place], seed: u64) -> Vec<Job> {
    let hours = if run.scenario == Scenario::NormalDay { &HOURS_LATER[..] } else { &[0] };
    let hours = hours.iter().map(|later| (busiest_hour(places) + later) % 24);
    let groups: Vec<Vec<Place>> = match run.delivery {
        Delivery::Worker | Delivery::CdnOneTier | Delivery::Stream => {
            places.iter().map(|place| vec![*place]).collect()
        }
        Delivery::WorkersCache(_) => (0..REGIONS_UTC.len())
            .map(|region| places.iter().filter(|place| place.region == region).copied().collect())
            .collect(),
        Delivery::Cdn(_) => vec![places.to_vec()],
    };
    let mut jobs = vec![];
    for hour in hours {
        for group in &groups {
            let first = group.first().map_or(0, |place| place.rank);
            let parts = vec![mix(run.open_apps), run.scenario as u64, hour, first];
            let mut chance = Chance::new(seed, &parts);
            let open = group.iter().map(|p| p.open_apps(&mut chance, run.open_apps, hour));
            let open: Vec<_> = open.filter(|&open| open > 0).collect();
            if !open.is_empty() {
                let (scenario, delivery) = (run.scenario, run.delivery);
                let plan = Plan {
                    scenario,
                    delivery,
                    parts,
                    open,
                    watched_max: WATCHED_MAX,
                    isolates: None,
                    machines_apart_ms: None,
                    ahead_ms: run.ahead_ms,
                };
                jobs.push(Job { run: index, hour, plan });
            }
        }
    }
    jobs
}
