//! docs/metrics.md says of every metric what the listener says: name, type, labels, meaning.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pricecast_core::{
    BreakerState, ChangePct, CoinbaseEvent, KrakenEvent, PerSource, Price, PricePoint, Quote,
    RejectReason, Snapshot, Source, SourceEvent, SourceReport, SourceStatus, Symbol, Transition,
    UnixMillis, Version,
};
use pricecast_origin::cluster::scripts::Call;
use pricecast_origin::exchange::kraken::session::FrameKind;
use pricecast_origin::metrics::Metrics;
use pricecast_origin::supervise::Task;
use pricecast_origin::watchdog::Stall;

#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
    has_sample: bool,
}

/// Every family of a text in the OpenMetrics format.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                families.entry(name.to_owned()).or_default().help =
                    help.trim_end_matches('.').to_owned();
            }
            ["#", "TYPE", name, kind] => {
                families.entry(name.to_owned()).or_default().kind = kind.to_owned();
            }
            ["#", ..] => {}
            _ => note_sample(&mut families, line),
        }
    }
    families
}

fn note_sample(families: &mut BTreeMap<String, Family>, line: &str) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, rest) = line.split_at(end);
    let suffixes = ["", "_total", "_info", "_bucket", "_sum", "_count"];
    let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap();
    let family = families
        .keys()
        .find(|known| suffixes.iter().any(|suffix| name == format!("{known}{suffix}")))
        .unwrap_or_else(|| panic!("{family} has no type"))
        .clone();
    let family = families.get_mut(&family).unwrap();
    family.has_sample = true;
    if let Some(labels) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        let names = labels.0.split("\",").filter_map(|label| label.split_once('='));
        let names = names.map(|(name, _)| name.to_owned()).filter(|name| name != "le");
        family.labels.extend(names);
    }
}

fn rows(families: &BTreeMap<String, Family>) -> Vec<String> {
    let row = |(name, family): (&String, &Family)| {
        assert!(family.has_sample, "{name} was never told: tell it in everything_told()");
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let Family { kind, help, .. } = family;
        format!("| `{name}{suffix}` | {kind} | {} | {help} |", labels.join(", "))
    };
    families.iter().map(row).collect()
}

/// Metrics on which everything has been told once, so that every label shows.
fn everything_told() -> String {
    let metrics = Metrics::default();
    let now = UnixMillis::from_ms(1_706_900_000_000);
    let symbol = Symbol::parse("BTC").unwrap();
    let quote = Quote {
        source: Source::Kraken,
        symbol,
        price: Price::parse("65000.1").unwrap(),
        change_24h: ChangePct::parse("-1.9").unwrap(),
        as_of: now,
        as_of_replaced: true,
        volume_24h: None,
    };
    metrics.kraken_frame(FrameKind::Heartbeat);
    metrics.kraken_reconnect("silent");
    metrics.coinbase_request("ok", 100);
    metrics.breaker(BreakerState::Closed);
    let tick = KrakenEvent::Tick { quote, is_snapshot: true };
    metrics.event(&SourceEvent::Kraken(tick));
    let products = vec![Err((symbol, RejectReason::Delisted))];
    metrics.event(&SourceEvent::Coinbase(CoinbaseEvent::Answered { sent_at: now, products }));
    metrics.transition(&Transition::Failover { symbol });
    metrics.http_request("prices", 200, 0.001);
    metrics.http_limited("connections");
    metrics.state_write(true);
    metrics.task_restart(Task::Kraken);
    metrics.runtime_stall(Stall::Runtime);
    metrics.divergences([(symbol, 7)].into_iter());
    metrics.suspected([symbol].into_iter());
    metrics.redis().call(Call::Write, "done", Duration::from_millis(1));
    metrics.redis().is_leader(true);
    metrics.redis().transition("elected");
    metrics.redis().snapshot_refused("older");
    let report =
        SourceReport { status: SourceStatus::Connected, reason: None, last_update: Some(now) };
    let snapshot = Snapshot {
        version: Version { epoch: 7, seq: 1 },
        data_at: now,
        prices: vec![PricePoint {
            symbol,
            price: quote.price,
            change_24h: quote.change_24h,
            source: Source::Kraken,
            as_of: now,
            confirmed_at: now,
            uncertain: false,
        }],
        unavailable: vec![],
        sources: PerSource { kraken: report, coinbase: report },
        poll_after_ms: 2_500,
    };
    metrics.publication();
    metrics.served(&snapshot, now);
    metrics.encode(Some(&snapshot), now)
}

#[test]
fn the_page_on_metrics_lists_what_is_exported_and_nothing_else() {
    let expected = rows(&families(&everything_told()));
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, page) = page.split_once("\n## All of them\n").unwrap();
    let listed: Vec<_> = page.lines().filter(|line| line.starts_with("| `pricecast_")).collect();
    let expected = expected.join("\n");
    assert!(listed.join("\n") == expected, "docs/metrics.md must list:\n{expected}\n");
}

#[test]
fn whatever_can_be_counted_by_name_is_told_from_the_start() {
    let text = Metrics::default().encode(None, UnixMillis::from_ms(1_706_900_000_000));
    for line in [
        r#"http_limited_total{reason="connections"}"#,
        r#"http_limited_total{reason="requests_per_address"}"#,
        r#"http_limited_total{reason="too_slow"}"#,
        r#"http_limited_total{reason="accept_failed"}"#,
        r#"reconnects_total{reason="silent"}"#,
        r#"reconnects_total{reason="banned"}"#,
        r#"kraken_frames_total{kind="undecodable"}"#,
        r#"coinbase_requests_total{outcome="rate_limited"}"#,
        r#"coinbase_requests_total{outcome="timeout"}"#,
        r#"quotes_refused_total{source="kraken",reason="price_missing"}"#,
        r#"quotes_refused_total{source="coinbase",reason="delisted"}"#,
        r#"event_times_replaced_total{source="kraken"}"#,
        r#"transitions_total{kind="failover"}"#,
        r#"transitions_total{kind="suspected_frozen"}"#,
        r#"state_writes_total{outcome="failed"}"#,
        r#"task_restarts_total{task="kraken"}"#,
        r#"runtime_stalls_total{stall="process"}"#,
        r#"redis_calls_total{call="write",outcome="timed_out"}"#,
        r#"redis_calls_total{call="look",outcome="older"}"#,
        r#"redis_lease_transitions_total{reason="overtaken"}"#,
        r#"redis_lease_transitions_total{reason="unreachable"}"#,
        r#"redis_snapshots_refused_total{reason="checksum"}"#,
    ] {
        let line = format!("pricecast_{line} 0");
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
}

#[test]
fn a_symbol_that_is_not_compared_any_more_is_not_shown_as_if_it_were() {
    let metrics = Metrics::default();
    let now = UnixMillis::from_ms(1_706_900_000_000);
    let symbol = Symbol::parse("BTC").unwrap();
    metrics.divergences([(symbol, 7)].into_iter());
    let line = "pricecast_divergence_bps{symbol=\"BTC\"} 7";
    assert!(metrics.encode(None, now).lines().any(|told| told == line));
    metrics.divergences(std::iter::empty());
    assert!(!metrics.encode(None, now).contains("divergence_bps{"));
}

#[test]
fn before_the_first_price_both_sources_are_down_and_not_merely_absent() {
    let text = Metrics::default().encode(None, UnixMillis::from_ms(1_706_900_000_000));
    for source in ["kraken", "coinbase"] {
        let line = format!("pricecast_source_up{{source=\"{source}\"}} 0");
        assert!(text.lines().any(|told| told == line), "{line}");
    }
}

#[test]
fn a_feed_that_has_ended_leaves_no_figure_of_its_own_behind() {
    let metrics = Metrics::default();
    let now = UnixMillis::from_ms(1_706_900_000_000);
    let symbol = Symbol::parse("BTC").unwrap();
    metrics.breaker(BreakerState::Open { since: now });
    metrics.event_queue(3);
    metrics.divergences([(symbol, 7)].into_iter());
    metrics.confirmations([(symbol, Source::Coinbase, now.minus_ms(2_000))].into_iter());
    let told = [
        ("pricecast_breaker_state 2", "pricecast_breaker_state 0"),
        ("pricecast_event_queue_length 3", "pricecast_event_queue_length 0"),
        ("pricecast_divergence_bps{symbol=\"BTC\"} 7", ""),
        ("pricecast_price_age_seconds{symbol=\"BTC\",source=\"coinbase\"} 2.0", ""),
    ];
    let text = metrics.encode(None, now);
    for (before, _) in told {
        assert!(text.lines().any(|line| line == before), "{before} in {text}");
    }
    metrics.feed_ended();
    let text = metrics.encode(None, now);
    for (before, after) in told {
        assert!(text.lines().all(|line| line != before), "{before} in {text}");
        assert!(after.is_empty() || text.lines().any(|line| line == after), "{after} in {text}");
    }
}
