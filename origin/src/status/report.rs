//! From what was measured to the body of the contract. Pure: the clock is the caller's.

use std::time::Duration;

use jiff::Timestamp;
use pricecast_core::objective::{
    AgeRings, AgeSummary, Change, GOOD_OF_10_000, Incident, Objective, SeenAt, Trouble,
    WINDOW_MINUTES,
};
use pricecast_core::{Snapshot, Source, SourceReason, Symbol, UnixMillis};
use pricecast_wire::status::{
    AgeBody, AgesBody, ErrorBudgetBody, IncidentBody, IncidentsBody, OriginBody, ProbeBody,
    StatusBody, StatusSourceBody, StatusSourcesBody, SymbolAgesBody,
};

use super::probe::{Failure, Looks};
use crate::cluster::Standing;

/// What a report says beside what was measured.
pub(super) struct Context<'a> {
    pub(super) symbols: &'a [Symbol],
    pub(super) is_real_market: bool,
    pub(super) began_at: UnixMillis,
    pub(super) standing: Option<Standing>,
    pub(super) served: Option<&'a Snapshot>,
    pub(super) looks: Option<Looks>,
}

/// The report as of `now`.
pub(super) fn report(objective: &Objective, context: &Context<'_>, now: UnixMillis) -> StatusBody {
    let past: Vec<_> = objective.incidents.past().collect();
    StatusBody {
        generated_at: rfc3339(now),
        origin: OriginBody {
            version: env!("CARGO_PKG_VERSION"),
            // A container's build that was not told either sets it to nothing.
            build: crate::BUILD.filter(|build| !build.is_empty()),
            started_at: rfc3339(context.began_at),
            role: role(context.standing),
        },
        market: if context.is_real_market { "real" } else { "custom" },
        mode: context.served.map(|snapshot| snapshot.mode(now).as_str()),
        sources: context.served.map(|snapshot| sources(snapshot, now)),
        incidents: IncidentsBody {
            open: objective.incidents.open().map(|open| incident(open, false)).collect(),
            recent: past.into_iter().rev().map(|past| incident(past, true)).collect(),
        },
        error_budget: error_budget(objective, now),
        ages: context.symbols.iter().map(|&symbol| symbol_ages(objective, symbol, now)).collect(),
        probe: context.looks.map(probe),
    }
}

fn probe(looks: Looks) -> ProbeBody {
    ProbeBody {
        last_ok_at: looks.last_ok_at.map(rfc3339),
        fails_in_row: looks.fails_in_row,
        last_failure: looks.last_failure.as_ref().map(Failure::as_str),
    }
}

const fn role(standing: Option<Standing>) -> &'static str {
    match standing {
        None => "alone",
        Some(Standing { leads: Some(_), .. }) => "leader",
        Some(Standing { leads: None, .. }) => "follower",
    }
}

fn sources(snapshot: &Snapshot, now: UnixMillis) -> StatusSourcesBody {
    let told = |source: Source| {
        let report = snapshot.sources.get(source);
        StatusSourceBody {
            status: report.status_at(now).as_str(),
            reason: report.reason.map(SourceReason::as_str),
        }
    };
    StatusSourcesBody { kraken: told(Source::Kraken), coinbase: told(Source::Coinbase) }
}

fn incident(incident: &Incident, is_over: bool) -> IncidentBody {
    let (kind, symbol, source) = names(incident.trouble);
    let ended_at = is_over.then(|| rfc3339(incident.seen_at));
    IncidentBody { kind, symbol, source, began_at: rfc3339(incident.began_at), ended_at }
}

/// Its kind, symbol and source.
pub(super) fn names(trouble: Trouble) -> (&'static str, Option<String>, Option<&'static str>) {
    let symbol = trouble.symbol().map(|symbol| symbol.to_string());
    (trouble.as_str(), symbol, trouble.source().map(Source::as_str))
}

/// What is wrong, for people.
pub(super) fn words(trouble: Trouble) -> String {
    match trouble {
        Trouble::AllStale => {
            "no price is fresh; the last known ones are served, flagged".to_owned()
        }
        Trouble::SymbolStale(symbol) => {
            format!("{symbol} is not fresh; its last known price is served, flagged")
        }
        Trouble::SymbolFrozen(symbol) => {
            format!("{symbol} seems frozen on kraken while it moves on coinbase")
        }
        Trouble::SourceDown(source) => format!("{source} is not connected"),
    }
}

/// Incidents one message names; of more it says how many.
const NAMED_MAX: usize = 10;

/// What people are told of `changes`: a line for each.
pub(super) fn message(changes: &[Change], is_real_market: bool) -> String {
    let market = if is_real_market { "" } else { " (custom market)" };
    let mut lines: Vec<_> = changes
        .iter()
        .take(NAMED_MAX)
        .map(|change| match change {
            Change::Began(Incident { trouble, began_at, .. }) => {
                format!("Pricecast{market}: {}, since {}", words(*trouble), rfc3339(*began_at))
            }
            Change::Ended(Incident { trouble, began_at, seen_at }) => {
                let lasted = Duration::from_secs(seen_at.ms_since(*began_at).div_ceil(1_000));
                let lasted = humantime::format_duration(lasted);
                format!("Pricecast{market}: recovered after {lasted}: {}", words(*trouble))
            }
        })
        .collect();
    let more = changes.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more: /api/v1/status has them all"));
    }
    lines.join("\n")
}

fn error_budget(objective: &Objective, now: UnixMillis) -> ErrorBudgetBody {
    let report = objective.budget.report(now);
    ErrorBudgetBody {
        #[expect(clippy::cast_precision_loss, reason = "four digits")]
        objective: GOOD_OF_10_000 as f64 / 10_000.0,
        window_minutes: WINDOW_MINUTES,
        counted_minutes: report.counted_minutes,
        bad_minutes: report.bad_minutes,
        unmeasured_minutes: report.unmeasured_minutes,
        allowed_minutes: report.allowed_minutes,
        remaining_minutes: report.remaining_minutes(),
    }
}

fn symbol_ages(objective: &Objective, symbol: Symbol, now: UnixMillis) -> SymbolAgesBody {
    let at = |seen_at| objective.ages.rings(symbol, seen_at).and_then(|rings| ages(rings, now));
    SymbolAgesBody {
        symbol: symbol.to_string(),
        served: at(SeenAt::Served),
        kraken: at(SeenAt::Source(Source::Kraken)),
        coinbase: at(SeenAt::Source(Source::Coinbase)),
        edge: at(SeenAt::Edge),
    }
}

fn ages(rings: &AgeRings, now: UnixMillis) -> Option<AgesBody> {
    let told = |summary: AgeSummary| AgeBody {
        p50_ms: summary.p50_ms,
        p99_ms: summary.p99_ms,
        max_ms: summary.max_ms,
        samples: summary.samples,
    };
    let (hour, day) = (rings.last_hour(now).map(told), rings.last_day(now).map(told));
    (hour.is_some() || day.is_some()).then_some(AgesBody { hour, day })
}

/// Three digits after the second, in UTC; empty beyond the year 9999.
pub(super) fn rfc3339(at: UnixMillis) -> String {
    let ms = i64::try_from(at.as_ms()).ok();
    let timestamp = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.map(|timestamp| format!("{timestamp:.3}")).unwrap_or_default()
}
