//! `/live` and `/ready`.

use http::StatusCode;
use pricecast_core::{Snapshot, Source, UnixMillis};
use serde_json::{Value, json};

use super::respond::Reply;
use crate::cluster::{Redis, Standing};
use crate::health::Health;

/// The process runs. Always cheap, always 200: a restart helps against nothing else.
pub(super) fn live() -> Reply {
    Reply::json(StatusCode::OK, r#"{"status":"live"}"#.to_owned())
}

/// Whether fresh prices can be served, and what else an operator should know.
pub(super) fn ready(
    snapshot: Option<&Snapshot>,
    now: UnixMillis,
    health: &Health,
    is_real_market: bool,
) -> Reply {
    let mut reasons: Vec<_> = reason(snapshot, now).into_iter().collect();
    let mut warnings = Vec::new();
    if let Some(trouble) = health.standing().and_then(redis_trouble) {
        // With fresh prices it is trouble to come, else perhaps the cause.
        if reasons.is_empty() { &mut warnings } else { &mut reasons }.push(trouble);
    }
    if let Some(reason) = health.standing().and_then(|standing| standing.refused) {
        warnings.push(told(
            "snapshot_refused",
            &format!("the snapshot in Redis is not taken over ({reason}): this instance serves what it holds; the log says more"),
        ));
    }
    for task in health.unsettled(now) {
        warnings.push(told(
            "task_restarting",
            &format!("the task {task} failed within the last minute or so and was, or is being, started again; the log says why"),
        ));
    }
    if health.is_state_unwritable() {
        warnings.push(told(
            "state_dir_unwritable",
            "state_dir cannot be written: the last known prices would not survive a restart",
        ));
    }
    if !is_real_market {
        warnings.push(told(
            "custom_market",
            "kraken.url or coinbase.url is not the exchange's own: these are no real prices",
        ));
    }
    let is_ready = reasons.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": if is_ready { "ready" } else { "not_ready" },
        "reasons": reasons,
        "warnings": warnings,
        "market": if is_real_market { "real" } else { "custom" },
        "mode": snapshot.map(|snapshot| snapshot.mode(now).as_str()),
        "unavailable": snapshot.map(|s| s.unavailable.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "sources": snapshot.map(|snapshot| sources(snapshot, now)),
        "cluster": health.standing().map(cluster),
    });
    let mut reply = Reply::json(status, body.to_string());
    if !is_ready {
        let seconds = http::HeaderValue::from_static("2");
        reply.headers.insert(http::header::RETRY_AFTER, seconds);
    }
    reply
}

fn reason(snapshot: Option<&Snapshot>, now: UnixMillis) -> Option<Value> {
    match snapshot {
        None => Some(told("no_prices", "no exchange has told a price yet")),
        Some(snapshot) if !snapshot.any_fresh(now) => {
            Some(told("nothing_fresh", "every price is older than 5 s; they are served, flagged"))
        }
        Some(_) => None,
    }
}

fn redis_trouble(standing: Standing) -> Option<Value> {
    let what = match standing.redis {
        Redis::Answers => return None,
        Redis::Unknown => "has not answered yet".to_owned(),
        Redis::Fails(failure) => format!("does not answer as it should ({failure})"),
    };
    let so = match standing.leads {
        Some(_) => "this instance goes on ingesting, the others serve what they hold",
        None => "this instance serves what it holds, and cannot be elected",
    };
    Some(told("redis_unreachable", &format!("Redis {what}: {so}")))
}

fn cluster(standing: Standing) -> Value {
    json!({
        "role": if standing.leads.is_some() { "leader" } else { "follower" },
        "epoch": standing.leads.unwrap_or(standing.seen_epoch),
        "redis": standing.redis.as_str(),
    })
}

fn sources(snapshot: &Snapshot, now: UnixMillis) -> Value {
    let report = |source: Source| {
        let report = snapshot.sources.get(source);
        json!({
            "status": report.status_at(now).as_str(),
            "reason": report.reason.map(pricecast_core::SourceReason::as_str),
            "lastUpdate": report.last_update.unwrap_or_default().as_ms(),
        })
    };
    json!({ "kraken": report(Source::Kraken), "coinbase": report(Source::Coinbase) })
}

fn told(code: &str, detail: &str) -> Value {
    json!({ "code": code, "detail": detail })
}
