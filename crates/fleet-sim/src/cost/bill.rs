//! From users to a bill.

use serde::Serialize;

use super::prices::{
    CACHED_REQUEST, CPU, ListPrice, PAID_PLAN, REQUEST, ZONE_BUSINESS, ZONE_FREE, ZONE_PRO,
};

const DAYS: f64 = 30.0;
const MINUTES_A_DAY: f64 = 1_440.0;
/// How often caches run the Worker behind them in a second, whatever the number of users: about
/// once for each of the model's ten regions.
const RUNS_BEHIND_CACHES_PER_S: f64 = 10.0;
const SECONDS_A_MONTH: f64 = DAYS * 86_400.0;

/// How prices reach phones, as far as a bill knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaidDelivery {
    /// The Worker answers each request.
    Worker,
    /// Workers Cache in front of it.
    WorkersCache,
    /// The zone's cache, without a Worker.
    Cdn,
    /// The Worker holds a connection for each open app. Modelled only: not built yet.
    Stream,
}

/// What the zone itself costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZonePlan {
    /// Nothing.
    Free,
    /// The one below Business.
    Pro,
    /// The one below Enterprise, whose price is a matter of contract.
    Business,
}

/// What is used in a month of 30 days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// How prices reach phones.
    pub delivery: PaidDelivery,
    /// People who have the app.
    pub users: u64,
    /// How long each has it open.
    pub minutes_per_day: f64,
    /// Between two polls of an open app; between two messages of a stream.
    pub interval_s: f64,
    /// How long an app stays open at a time; a stream is opened as often.
    pub session_minutes: f64,
    /// CPU time of one answer.
    pub cpu_ms_per_request: f64,
    /// CPU time of one message of a stream.
    pub cpu_ms_per_message: f64,
    /// The zone's plan; by default Pro where only the zone serves, else Free.
    pub zone_plan: Option<ZonePlan>,
}

/// What is asked for cannot be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsageError {
    /// Which of the figures.
    pub what: &'static str,
    /// What it is.
    pub value: f64,
    /// What it may be.
    pub may_be: &'static str,
}

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}: it may be {}", self.what, self.value, self.may_be)
    }
}

impl std::error::Error for UsageError {}

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// For what.
    pub item: &'static str,
    /// How many units, those included too.
    pub quantity: f64,
    /// The unit.
    pub unit: &'static str,
    /// How many of them are free of charge.
    pub included: f64,
    /// US dollars.
    pub usd: f64,
    /// Where the price stands.
    pub source: &'static str,
}

/// What a month costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bill {
    /// Line by line.
    pub lines: Vec<Line>,
    /// US dollars.
    pub usd_per_month: f64,
    /// Answers (messages, of a stream) a month.
    pub answers_per_month: f64,
    /// US dollars for a million of them.
    pub usd_per_million_answers: f64,
    /// US dollars a month for a million users, at this size.
    pub usd_per_million_users: f64,
}

impl Usage {
    /// `users` who have the app open for `minutes_per_day`, everything else as measured or modelled.
    #[must_use]
    pub const fn new(delivery: PaidDelivery, users: u64, minutes_per_day: f64) -> Self {
        Self {
            delivery,
            users,
            minutes_per_day,
            interval_s: match delivery {
                PaidDelivery::Stream => 1.0,
                _ => 2.5,
            },
            session_minutes: 2.0,
            // Of the order that is measured in workerd for an answer from memory, 0.06 to 0.1: bench/RESULTS.md.
            cpu_ms_per_request: 0.07,
            // Not measured: a message is a write of a body that is there already.
            cpu_ms_per_message: 0.03,
            zone_plan: None,
        }
    }

    /// The month's bill.
    ///
    /// # Errors
    /// [`UsageError`] for the first figure that cannot be.
    pub fn bill(&self) -> Result<Bill, UsageError> {
        self.check()?;
        let users = as_float(self.users);
        let open_s = users * self.minutes_per_day * 60.0 * DAYS;
        let answers = open_s / self.interval_s;
        let opened = users * self.minutes_per_day / self.session_minutes * DAYS;
        let lines = match self.delivery {
            PaidDelivery::Worker => vec![
                line(PAID_PLAN, 1.0),
                line(REQUEST, answers),
                line(CPU, answers * self.cpu_ms_per_request),
                self.zone(ZonePlan::Free),
            ],
            PaidDelivery::WorkersCache => vec![
                line(PAID_PLAN, 1.0),
                line(CACHED_REQUEST, answers),
                line(CPU, RUNS_BEHIND_CACHES_PER_S * SECONDS_A_MONTH * self.cpu_ms_per_request),
                self.zone(ZonePlan::Free),
            ],
            PaidDelivery::Cdn => vec![self.zone(ZonePlan::Pro)],
            PaidDelivery::Stream => vec![
                line(PAID_PLAN, 1.0),
                line(REQUEST, opened),
                line(CPU, opened * self.cpu_ms_per_request + answers * self.cpu_ms_per_message),
                self.zone(ZonePlan::Free),
            ],
        };
        let usd_per_month = lines.iter().map(|line| line.usd).sum();
        Ok(Bill {
            lines,
            usd_per_month,
            answers_per_month: answers,
            usd_per_million_answers: usd_per_month / answers * 1e6,
            usd_per_million_users: usd_per_month / users * 1e6,
        })
    }

    fn zone(&self, usual: ZonePlan) -> Line {
        let price = match self.zone_plan.unwrap_or(usual) {
            ZonePlan::Free => ZONE_FREE,
            ZonePlan::Pro => ZONE_PRO,
            ZonePlan::Business => ZONE_BUSINESS,
        };
        line(price, 1.0)
    }

    fn check(&self) -> Result<(), UsageError> {
        let above_zero = |value: f64| value.is_finite() && value > 0.0;
        let from_zero = |value: f64| value.is_finite() && value >= 0.0;
        let checks = [
            ("users", as_float(self.users), self.users >= 1, "1 or more"),
            (
                "minutes per day",
                self.minutes_per_day,
                above_zero(self.minutes_per_day) && self.minutes_per_day <= MINUTES_A_DAY,
                "above 0, up to 1440",
            ),
            ("interval in s", self.interval_s, above_zero(self.interval_s), "above 0"),
            (
                "session in minutes",
                self.session_minutes,
                above_zero(self.session_minutes),
                "above 0",
            ),
            (
                "CPU time per request in ms",
                self.cpu_ms_per_request,
                from_zero(self.cpu_ms_per_request),
                "0 or more",
            ),
            (
                "CPU time per message in ms",
                self.cpu_ms_per_message,
                from_zero(self.cpu_ms_per_message),
                "0 or more",
            ),
        ];
        match checks.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((what, value, _, may_be)) => Err(UsageError { what, value, may_be }),
            None => Ok(()),
        }
    }
}

fn line(price: ListPrice, quantity: f64) -> Line {
    Line {
        item: price.item,
        quantity,
        unit: price.unit,
        included: price.included,
        usd: price.usd_for(quantity),
        source: price.source,
    }
}

#[expect(clippy::cast_precision_loss, reason = "people: below 2^53")]
const fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(usage: Usage, usd_expected: f64) {
        let usd = usage.bill().unwrap().usd_per_month;
        assert!((usd - usd_expected).abs() < 0.005, "{usd} for {usage:?}, not {usd_expected}");
    }

    #[test]
    fn the_worker_s_bill_is_the_one_worked_out_by_hand() {
        // 5 M x 5 min x 30 days / 2.5 s = 18e9 requests. (18e9 - 10e6) x $0.30/M = $5,397.00.
        // 18e9 x 0.07 ms = 1.26e9 ms; (1.26e9 - 30e6) x $0.02/M = $24.60. Plan: $5.
        check(Usage::new(PaidDelivery::Worker, 5_000_000, 5.0), 5_397.00 + 24.60 + 5.0);
        // 5 M always open, every 4 s: 3.24e12 requests, $971,997.00; 2.268e11 ms, $4,535.40.
        let always =
            Usage { interval_s: 4.0, ..Usage::new(PaidDelivery::Worker, 5_000_000, 1_440.0) };
        check(always, 971_997.00 + 4_535.40 + 5.0);
        // 1,000 users: 3.6 M requests and 252,000 ms are included.
        check(Usage::new(PaidDelivery::Worker, 1_000, 5.0), 5.0);
    }

    #[test]
    fn what_is_included_is_free_and_the_next_million_is_not() {
        // 2,777 users make 9,997,200 requests, 13,888 make 49,996,800: 39,996,800 to pay for.
        check(Usage::new(PaidDelivery::Worker, 2_777, 5.0), 5.0);
        check(Usage::new(PaidDelivery::Worker, 13_888, 5.0), 5.0 + 39.996_8 * 0.30);
    }

    #[test]
    fn workers_cache_saves_cpu_time_and_no_request() {
        // Runs: 10/s x 2,592,000 s x 0.07 ms = 1,814,400 ms, all included.
        check(Usage::new(PaidDelivery::WorkersCache, 5_000_000, 5.0), 5_397.00 + 5.0);
    }

    #[test]
    fn the_zone_s_cache_costs_the_zone_s_plan() {
        let usage = Usage::new(PaidDelivery::Cdn, 5_000_000, 1_440.0);
        check(usage, 25.0);
        check(Usage { zone_plan: Some(ZonePlan::Free), ..usage }, 0.0);
        check(Usage { zone_plan: Some(ZonePlan::Business), ..usage }, 250.0);
    }

    #[test]
    fn a_stream_costs_its_opening_and_cpu_for_each_message() {
        // 5 M x 5 / 2 min x 30 = 375e6 opened; (375e6 - 10e6) x $0.30/M = $109.50.
        // CPU: 375e6 x 0.07 + 45e9 x 0.03 = 1.37625e9 ms; less 30e6, x $0.02/M = $26.925.
        let usage = Usage { interval_s: 1.0, ..Usage::new(PaidDelivery::Stream, 5_000_000, 5.0) };
        check(usage, 109.50 + 26.925 + 5.0);
    }

    #[test]
    fn what_cannot_be_is_told_with_what_may() {
        let usage = Usage::new(PaidDelivery::Worker, 1_000, 5.0);
        let error = Usage { minutes_per_day: 1_441.0, ..usage }.bill().unwrap_err();
        assert_eq!(error.to_string(), "minutes per day is 1441: it may be above 0, up to 1440");
        for wrong in [
            Usage { users: 0, ..usage },
            Usage { minutes_per_day: 0.0, ..usage },
            Usage { interval_s: f64::NAN, ..usage },
            Usage { session_minutes: -1.0, ..usage },
            Usage { cpu_ms_per_request: f64::INFINITY, ..usage },
            Usage { cpu_ms_per_message: -0.1, ..usage },
        ] {
            assert!(wrong.bill().is_err(), "{wrong:?}");
        }
        assert!(Usage { minutes_per_day: 1_440.0, ..usage }.bill().is_ok());
    }
}
