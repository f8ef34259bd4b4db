//! `/api/v1/status` of a running origin.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use market_sim::{Fault, Target};
use serde_json::Value;
use support::{Origin, live};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Asks until `condition` holds of the report.
async fn wait_until(
    origin: &Origin,
    what: &str,
    within: Duration,
    condition: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = Instant::now() + within;
    loop {
        let response = origin.get("/api/v1/status").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "public, max-age=5");
        let report: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        if condition(&report) {
            return report;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}; last {report}");
        sleep(support::LOOK_EVERY).await;
    }
}

fn samples(report: &Value, place: &str) -> u64 {
    report["ages"][0][place]["hour"]["samples"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn a_running_origin_tells_the_ages_of_both_sources_and_remembers_them_over_a_restart() {
    let (sim, origin, state) = live().await;
    let report = wait_until(&origin, "both sources measured", 20 * SECOND, |report| {
        report["mode"] == "live" && samples(report, "coinbase") > 0 && samples(report, "kraken") > 0
    })
    .await;
    assert_eq!(report["market"], "custom");
    assert_eq!(report["ages"].as_array().unwrap().len(), 5);
    assert!(samples(&report, "served") >= samples(&report, "kraken"));
    assert!(report["ages"][0]["served"]["hour"]["maxMs"].as_u64().unwrap() < 5_000, "{report}");
    assert_eq!(report["errorBudget"]["badMinutes"], 0);
    origin.end().await.unwrap();

    let origin = Origin::start(&sim, &state, "").await;
    let after = wait_until(&origin, "told at once", SECOND, |_| true).await;
    assert!(samples(&after, "served") >= samples(&report, "served"));
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_source_that_stays_away_is_an_incident() {
    let (sim, origin, _state) = live().await;
    sim.fault(Target::Kraken, Fault::Silence).unwrap();
    let report = wait_until(&origin, "an incident", 40 * SECOND, |report| {
        !report["incidents"]["open"].as_array().unwrap().is_empty()
    })
    .await;
    let incident = &report["incidents"]["open"][0];
    assert_eq!((&incident["kind"], &incident["source"]), (&"source_down".into(), &"kraken".into()));
    assert_eq!(report["mode"], "fallback");
    assert_eq!(report["errorBudget"]["badMinutes"], 0, "nothing was old on the way");
    origin.end().await.unwrap();
}
