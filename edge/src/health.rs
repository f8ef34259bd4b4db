//! `GET /health`: this isolate's own view of itself. It never fetches.

use std::borrow::Cow;

use pricecast_core::cache_policy::EdgeMillis;
use serde::Serialize;

use crate::isolate::{Holding, Isolate};
use crate::origin::Failure;

/// A difference between this clock and the origin's that is worth telling.
const SKEW_MAX_MS: i64 = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// `cold`: no price known here; `stale`: some price is flagged; `ok`.
    status: &'static str,
    environment: &'a str,
    copy: Option<Copy>,
    origin: Origin,
    /// How often an older snapshot was taken because the held one had been stale for long.
    older_taken: u64,
    unknown_variables: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Copy {
    epoch: u64,
    seq: u64,
    mode: &'static str,
    custom_market: bool,
    /// Since its request left; null when this clock cannot be trusted.
    age_ms: Option<u64>,
    /// Since the oldest of its prices was confirmed.
    data_age_ms: u64,
    /// This clock minus the origin's, a leg of the round trip included. Never acted on.
    clock_skew_ms: i64,
    clock_skewed: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    /// What the last fetch in this data centre says; null before the first.
    reachable: Option<bool>,
    fails_in_row: u32,
    /// Of this isolate's own last fetch.
    last_failure: Option<Cow<'static, str>>,
    configured: usize,
}

/// The body of the answer.
pub(crate) fn report(isolate: &Isolate, now: EdgeMillis) -> String {
    let Holding { cache, last_failure } = &isolate.held.prices;
    let held = cache.copy().and_then(|(meta, kept)| Some((meta, kept, kept.snapshot()?)));
    let copy = held.map(|(meta, kept, snapshot)| {
        let origin_now = meta.origin_now(now);
        let oldest = snapshot.prices.iter().map(|p| p.confirmed_at).min();
        let clock_skew_ms = difference(meta.sent_at.as_ms(), meta.origin_sent_at.as_ms());
        Copy {
            epoch: meta.version.epoch,
            seq: meta.version.seq,
            mode: snapshot.mode(origin_now).as_str(),
            custom_market: kept.is_custom_market,
            age_ms: meta.age_ms(now),
            data_age_ms: oldest.map_or(0, |confirmed| origin_now.ms_since(confirmed)),
            clock_skew_ms,
            clock_skewed: clock_skew_ms.abs() > SKEW_MAX_MS,
        }
    });
    let is_stale = held.map(|(meta, _, snapshot)| snapshot.any_stale(meta.origin_now(now)));
    let turn = cache.turn();
    let report = Report {
        status: match is_stale {
            None => "cold",
            Some(true) => "stale",
            Some(false) => "ok",
        },
        environment: &isolate.config.environment,
        copy,
        origin: Origin {
            reachable: turn.map(|turn| turn.fails == 0),
            fails_in_row: turn.map_or(0, |turn| turn.fails),
            last_failure: last_failure.as_ref().map(Failure::code),
            configured: isolate.config.origins.len(),
        },
        older_taken: cache.rollbacks(),
        unknown_variables: &isolate.config.unknown,
    };
    // Texts and numbers: this cannot fail.
    serde_json::to_string(&report).unwrap_or_default()
}

fn difference(a: u64, b: u64) -> i64 {
    let distance = i64::try_from(a.abs_diff(b)).unwrap_or(i64::MAX);
    if a >= b { distance } else { -distance }
}
