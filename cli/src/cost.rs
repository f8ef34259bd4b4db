//! `pricecast cost`.

use std::fmt::Write;

use clap::{Args, ValueEnum};
use fleet_sim::cost::{
    Bill, Line, NEXT_CHANGE, PaidDelivery, READ_ON, Usage, UsageError, ZonePlan,
};
use serde::Serialize;

use crate::text::grouped;

/// List prices of Cloudflare; the origin's own machine is not included.
#[derive(Debug, Args)]
pub(crate) struct CostFlags {
    /// People who have the app.
    #[arg(long)]
    users: u64,
    /// How long each of them has it open in a day, in minutes; 1440 is always.
    #[arg(long, value_name = "MIN", allow_negative_numbers = true)]
    minutes_per_day: f64,
    /// Between two polls, in seconds [default: 2.5]; between two messages of a stream [default: 1].
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    interval_s: Option<f64>,
    /// How prices reach the app.
    #[arg(long, value_enum, default_value_t = By::Worker)]
    delivery: By,
    /// How long the app stays open at a time, in minutes: a stream is opened as often.
    #[arg(long, value_name = "MIN", default_value_t = 2.0, allow_negative_numbers = true)]
    session_minutes: f64,
    /// CPU time of one answer of the Worker, in ms [default: 0.07].
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    cpu_ms: Option<f64>,
    /// CPU time of one message of a stream, in ms [default: 0.03, which is not measured].
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    message_cpu_ms: Option<f64>,
    /// The plan of the zone [default: pro for cdn, else free].
    #[arg(long, value_enum)]
    zone_plan: Option<Plan>,
    /// The bill as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The Worker answers each request.
    Worker,
    /// Workers Cache in front of it.
    WorkersCache,
    /// The zone's cache, without a Worker.
    Cdn,
    /// The Worker holds a connection for each open app (modelled; not built yet).
    Stream,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Plan {
    Free,
    Pro,
    Business,
}

/// The bill with what is needed to judge it.
#[derive(Serialize)]
struct Told<'a> {
    users: u64,
    minutes_per_day: f64,
    interval_s: f64,
    prices_read_on: &'static str,
    prices_next_change: &'static str,
    #[serde(flatten)]
    bill: &'a Bill,
}

impl CostFlags {
    /// What is printed.
    ///
    /// # Errors
    /// [`UsageError`] for a figure that cannot be.
    pub(crate) fn answer(&self) -> Result<String, UsageError> {
        let usage = self.usage();
        let bill = usage.bill()?;
        Ok(if self.json { json(&usage, &bill) } else { text(&usage, &bill) })
    }

    fn usage(&self) -> Usage {
        let delivery = match self.delivery {
            By::Worker => PaidDelivery::Worker,
            By::WorkersCache => PaidDelivery::WorkersCache,
            By::Cdn => PaidDelivery::Cdn,
            By::Stream => PaidDelivery::Stream,
        };
        let usual = Usage::new(delivery, self.users, self.minutes_per_day);
        Usage {
            interval_s: self.interval_s.unwrap_or(usual.interval_s),
            session_minutes: self.session_minutes,
            cpu_ms_per_request: self.cpu_ms.unwrap_or(usual.cpu_ms_per_request),
            cpu_ms_per_message: self.message_cpu_ms.unwrap_or(usual.cpu_ms_per_message),
            zone_plan: self.zone_plan.map(|plan| match plan {
                Plan::Free => ZonePlan::Free,
                Plan::Pro => ZonePlan::Pro,
                Plan::Business => ZonePlan::Business,
            }),
            ..usual
        }
    }
}

fn json(usage: &Usage, bill: &Bill) -> String {
    let told = Told {
        users: usage.users,
        minutes_per_day: usage.minutes_per_day,
        interval_s: usage.interval_s,
        prices_read_on: READ_ON,
        prices_next_change: NEXT_CHANGE,
        bill,
    };
    // Finite numbers and constant texts: nothing that JSON cannot say.
    serde_json::to_string_pretty(&told).expect("plain data") + "\n"
}

fn text(usage: &Usage, bill: &Bill) -> String {
    let mut text = String::new();
    let each = match usage.delivery {
        PaidDelivery::Stream => "a message",
        _ => "a poll",
    };
    let _ = writeln!(
        text,
        "{} users, {} min a day, {each} every {} s, 30 days\n",
        grouped(&usage.users.to_string()),
        usage.minutes_per_day,
        usage.interval_s,
    );
    for Line { item, quantity, unit, included, usd, source } in &bill.lines {
        let quantity = grouped(&format!("{quantity:.0}"));
        let mut of = format!("{quantity} {unit}");
        if *included > 0.0 {
            let _ = write!(of, ", {} included", grouped(&format!("{included:.0}")));
        }
        let _ = writeln!(text, "{:>14}  {item}: {of}\n{:>14}  {source}", dollars(*usd), "");
    }
    let _ = writeln!(
        text,
        "\n{:>14}  a month\n{:>14}  a month for each million users, at this size\n{:>14}  for a million answers, of {}",
        dollars(bill.usd_per_month),
        dollars(bill.usd_per_million_users),
        format!("${:.4}", bill.usd_per_million_answers),
        grouped(&format!("{:.0}", bill.answers_per_month)),
    );
    let _ = writeln!(
        text,
        "\nCloudflare's list prices, read on {READ_ON}; {NEXT_CHANGE}. The origin's machine is not included."
    );
    if usage.delivery == PaidDelivery::Stream {
        text.push_str("Streams are modelled; they are not built yet.\n");
    }
    text
}

fn dollars(usd: f64) -> String {
    let cents = format!("{usd:.2}");
    match cents.split_once('.') {
        Some((whole, part)) => format!("${}.{part}", grouped(whole)),
        None => format!("${cents}"),
    }
}
