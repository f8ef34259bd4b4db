//! The figures as they are handed out.

use serde::Serialize;

use crate::clocks::{ClocksApart, clocks_apart};
use crate::cost::{ListPrice, NEXT_CHANGE, PRICES, READ_ON, Usage, UsageError};
use crate::delivery::Delivery;
use crate::fleet::{Figures, Run, simulate_all};
use crate::measure::{Measure, WEIGHT_ONE};
use crate::population::CENTRES;
use crate::scenario::Scenario;

/// Apps open at once, on the day's average, in every scenario.
const OPEN_APPS: u64 = 5_000_000;
/// The other sizes, which show what the origin notices of them.
const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// The deliveries shown by size: what is not documented makes no difference to the load.
const BY_SIZE: [Delivery; 5] = [
    Delivery::Worker,
    Delivery::WorkersCache(crate::tiers::AgeAcrossTiers::Kept),
    Delivery::Cdn(crate::tiers::AgeAcrossTiers::Kept),
    Delivery::CdnOneTier,
    Delivery::Stream,
];
/// Fewer are enough to see what telling `Pricecast-Now` ahead does behind shared caches …
const OPEN_APPS_AHEAD: u64 = 20_000;
/// … by so much.
const AHEAD_MS: [u64; 4] = [0, 500, 1_250, 2_250];
/// People who have the app, on the bill.
const USERS: u64 = 5_000_000;
/// How long each has it open, on the bill.
const MINUTES_PER_DAY: f64 = 5.0;
const MINUTES_ALWAYS: f64 = 1_440.0;

/// One scenario under one delivery.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What happened.
    pub scenario: &'static str,
    /// How prices reached phones.
    pub delivery: &'static str,
    /// Age on screen, over all screen time.
    pub age_ms_p50: u64,
    /// As before.
    pub age_ms_p99: u64,
    /// On any screen that was simulated.
    pub age_ms_max: u64,
    /// Answers whose body called a price fresh that was over 5 s old when they arrived.
    pub unflagged_in_body: u64,
    /// Times a price stood on a screen over 5 s old and not flagged by the published rule.
    pub unflagged_stale: u64,
    /// The longest that one of them stood so.
    pub unflagged_stale_ms_max: u64,
    /// The most by which the rule took a price to be younger than it was.
    pub age_understated_ms_max: u64,
    /// Part of the screen time with a flag.
    pub flagged_share: f64,
    /// Part of the screen time in which the price was over 5 s old.
    pub old_share: f64,
    /// Part of the screen time in which a client that trusts its own clock shows an old price
    /// without a flag.
    pub unflagged_by_wall_clock_share: f64,
    /// Part of the answers that were errors or never came.
    pub error_share: f64,
    /// Requests of an open app in a second; of a stream, messages.
    pub answers_per_open_s: f64,
    /// Requests to the origin in the busiest second.
    pub origin_rps_max: u64,
    /// Requests to the origin in a second.
    pub origin_rps_mean: f64,
    /// From the moment the origin answers again until the last bad answer: an error, or old prices.
    pub recovery_ms: Option<u64>,
    /// A month of normal days, for 5 M users of 5 minutes a day.
    pub usd_per_month: f64,
    /// The same, for 5 M apps that are always open.
    pub usd_per_month_always_open: f64,
}

/// What a size does to origin and bill.
#[derive(Clone, Debug, Serialize)]
pub struct Size {
    /// Apps open at once, on the day's average; on the bill, people with the app.
    pub users: u64,
    /// How prices reach phones.
    pub delivery: &'static str,
    /// Requests to the origin in the busiest second of a normal day.
    pub origin_rps_max: u64,
    /// Requests to the origin in a second.
    pub origin_rps_mean: f64,
    /// A month, for so many users of 5 minutes a day.
    pub usd_per_month: f64,
}

/// What telling `Pricecast-Now` ahead does behind shared caches.
#[derive(Clone, Debug, Serialize)]
pub struct Ahead {
    /// How prices reach phones.
    pub delivery: &'static str,
    /// By how much.
    pub ahead_ms: u64,
    /// The longest that a price stood old and without a flag, on a normal day or in an outage.
    pub unflagged_stale_ms_max: u64,
    /// Part of the screen time with a flag, on a normal day.
    pub flagged_share: f64,
    /// Requests of an open app in a second, on a normal day.
    pub answers_per_open_s: f64,
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The seed: the same one gives the same report.
    pub seed: u64,
    /// Data centres.
    pub centres: usize,
    /// Apps open at once in each scenario.
    pub open_apps: u64,
    /// Scenario by delivery.
    pub rows: Vec<Row>,
    /// By size.
    pub sizes: Vec<Size>,
    /// Behind shared caches, what telling the clock ahead by more or less would do.
    pub ahead: Vec<Ahead>,
    /// Clocks that disagree within a data centre.
    pub clocks_apart: Vec<ClocksApart>,
    /// What bills are made of.
    pub prices: Vec<ListPrice>,
    /// When they were read.
    pub prices_read_on: &'static str,
    /// What is announced to change.
    pub prices_next_change: &'static str,
}

impl Report {
    /// Simulates everything.
    ///
    /// # Errors
    /// [`UsageError`] when what was simulated cannot be billed.
    pub fn new(seed: u64, told: impl Fn(usize) + Sync) -> Result<Self, UsageError> {
        let mut runs = vec![];
        for scenario in Scenario::ALL {
            runs.extend(Delivery::ALL.map(|delivery| Run::as_built(scenario, delivery, OPEN_APPS)));
        }
        for open_apps in SIZES {
            let run = |delivery| Run::as_built(Scenario::NormalDay, delivery, open_apps);
            runs.extend(BY_SIZE.map(run));
        }
        let main_runs = runs.len();
        let is_cached =
            |delivery: &Delivery| !matches!(delivery, Delivery::Worker | Delivery::Stream);
        for delivery in Delivery::ALL.into_iter().filter(is_cached) {
            for ahead_ms in AHEAD_MS {
                let run =
                    |scenario| Run { scenario, delivery, open_apps: OPEN_APPS_AHEAD, ahead_ms };
                runs.extend([Scenario::NormalDay, Scenario::OriginDead].map(run));
            }
        }
        let figures = simulate_all(&runs, seed, told);
        let (figures, ahead) = figures.split_at(main_runs);
        let normal = |delivery: Delivery| {
            let is_it = |of: &&Figures| {
                of.run.scenario == Scenario::NormalDay
                    && of.run.delivery == delivery
                    && of.run.open_apps == OPEN_APPS
            };
            figures.iter().find(is_it).map_or(0.0, |of| of.measure.answers_per_open_s())
        };
        let usd = |delivery: Delivery, users, minutes_per_day| {
            let interval_s = 1.0 / normal(delivery);
            let usage = Usage { interval_s, ..Usage::new(delivery.paid(), users, minutes_per_day) };
            usage.bill().map(|bill| cents(bill.usd_per_month))
        };
        let (full, smaller): (Vec<&Figures>, Vec<&Figures>) =
            figures.iter().partition(|of| of.run.open_apps == OPEN_APPS);
        let rows = full.iter().map(|of| {
            let delivery = of.run.delivery;
            let by_day = usd(delivery, USERS, MINUTES_PER_DAY)?;
            Ok(Row::new(of, by_day, usd(delivery, USERS, MINUTES_ALWAYS)?))
        });
        let rows = rows.collect::<Result<_, UsageError>>()?;
        let is_by_size = |of: &&&Figures| {
            of.run.scenario == Scenario::NormalDay && BY_SIZE.contains(&of.run.delivery)
        };
        let sizes = smaller.iter().chain(full.iter().filter(is_by_size)).map(|of| {
            let Run { delivery, open_apps, .. } = of.run;
            Ok(Size {
                users: open_apps,
                delivery: delivery.as_str(),
                origin_rps_max: of.measure.fetches_max(),
                origin_rps_mean: hundredths(of.measure.fetches_per_s()),
                usd_per_month: usd(delivery, open_apps, MINUTES_PER_DAY)?,
            })
        });
        Ok(Self {
            seed,
            centres: CENTRES,
            open_apps: OPEN_APPS,
            rows,
            sizes: sizes.collect::<Result<_, UsageError>>()?,
            ahead: ahead.chunks(2).filter_map(Ahead::new).collect(),
            clocks_apart: clocks_apart(seed),
            prices: PRICES.to_vec(),
            prices_read_on: READ_ON,
            prices_next_change: NEXT_CHANGE,
        })
    }
}

impl Ahead {
    /// From a normal day and an outage.
    fn new(both: &[Figures]) -> Option<Self> {
        let [normal, outage] = both else { return None };
        let longest = |of: &Figures| of.measure.unflagged_stale_ms_max;
        Some(Self {
            delivery: normal.run.delivery.as_str(),
            ahead_ms: normal.run.ahead_ms,
            unflagged_stale_ms_max: longest(normal).max(longest(outage)),
            flagged_share: share(normal.measure.flagged, normal.measure.ages.from(0)),
            answers_per_open_s: normal.measure.answers_per_open_s(),
        })
    }
}

impl Row {
    fn new(figures: &Figures, usd_per_month: f64, usd_per_month_always_open: f64) -> Self {
        let Figures { run, measure } = figures;
        let screen_time = measure.ages.from(0);
        let heals_at_ms = run.scenario.heals_at_ms();
        Self {
            scenario: run.scenario.as_str(),
            delivery: run.delivery.as_str(),
            age_ms_p50: measure.ages.percentile_ms(500),
            age_ms_p99: measure.ages.percentile_ms(990),
            age_ms_max: measure.ages.max_ms(),
            unflagged_in_body: measure.unflagged_in_body.div_ceil(WEIGHT_ONE),
            unflagged_stale: measure.unflagged_stale.div_ceil(WEIGHT_ONE),
            unflagged_stale_ms_max: measure.unflagged_stale_ms_max,
            age_understated_ms_max: measure.age_understated_ms_max,
            flagged_share: share(measure.flagged, screen_time),
            old_share: share(measure.ages.from(measure.old_from_ms()), screen_time),
            unflagged_by_wall_clock_share: share(measure.unflagged_by_wall_clock, screen_time),
            error_share: share(measure.errors, measure.answers),
            answers_per_open_s: measure.answers_per_open_s(),
            origin_rps_max: measure.fetches_max(),
            origin_rps_mean: hundredths(measure.fetches_per_s()),
            recovery_ms: heals_at_ms.map(|at_ms| measure.last_bad_answer_ms.saturating_sub(at_ms)),
            usd_per_month,
            usd_per_month_always_open,
        }
    }
}

impl Measure {
    /// Requests to the origin, or attempts at it, in the busiest second.
    pub(crate) fn fetches_max(&self) -> u64 {
        self.fetches.iter().copied().max().unwrap_or(0)
    }

    /// Requests to the origin, or attempts at it, in a second.
    pub(crate) fn fetches_per_s(&self) -> f64 {
        ratio(self.fetches.iter().sum(), u64::try_from(self.fetches.len()).unwrap_or(0))
    }

    /// Answers that an open app has in a second.
    pub(crate) fn answers_per_open_s(&self) -> f64 {
        ratio(self.answers, self.ages.from(0)) * 1_000.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "sums of one run: below 2^53")]
fn ratio(of: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { of as f64 / whole as f64 }
}

/// To a millionth.
fn share(of: u64, whole: u64) -> f64 {
    (ratio(of, whole) * 1e6).round() / 1e6
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn cents(usd: f64) -> f64 {
    hundredths(usd)
}
