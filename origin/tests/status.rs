//! `/api/v1/status` of a running origin.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use market_sim::{Fault, Options, Target};
use serde_json::Value;
use support::{Origin, live};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

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

/// A webhook's server on loopback; what it is told, one text a message. It takes each at the second try.
async fn start_webhook() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/T000/secret-canary", listener.local_addr().unwrap());
    let (sender, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for round in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 4_096];
                let count = socket.read(&mut bytes).await.unwrap();
                request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            let is_taken = round % 2 == 1;
            let status = if is_taken { "200 OK" } else { "500 Oh" };
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            if is_taken {
                let (_, body) = request.split_once("\r\n\r\n").unwrap();
                let body: Value = serde_json::from_str(body).unwrap();
                sender.send(body["text"].as_str().unwrap().to_owned()).unwrap();
            }
        }
    });
    (url, told)
}

#[tokio::test]
async fn people_are_told_once_when_a_source_is_down_and_once_when_it_is_back() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let (url, mut told) = start_webhook().await;
    let origin = Origin::start(&sim, &state, &format!("webhook.url = \"{url}\"")).await;
    origin.live().await;
    sim.fault(Target::Kraken, Fault::Silence).unwrap();
    let text = timeout(40 * SECOND, told.recv()).await.unwrap().unwrap();
    assert!(
        text.starts_with("Pricecast (custom market): kraken is not connected, since 20"),
        "{text}"
    );
    sim.clear();
    let text = timeout(90 * SECOND, told.recv()).await.unwrap().unwrap();
    assert!(text.starts_with("Pricecast (custom market): recovered after "), "{text}");
    assert!(text.ends_with(": kraken is not connected"), "{text}");
    assert!(told.try_recv().is_err(), "nothing else");
    let sent = "pricecast_webhook_messages_total{outcome=\"sent\"}";
    // It counts once the answer is in.
    let deadline = Instant::now() + 5 * SECOND;
    while origin.metric(sent).await < 2.0 {
        assert!(Instant::now() < deadline, "never counted");
        sleep(support::LOOK_EVERY).await;
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn what_the_public_is_told_has_ages_of_its_own_and_a_failing_look_is_told() {
    let (sim, first, state) = live().await;
    let of_second = tempdir().unwrap();
    let probe = format!("probe.url = \"{}\"", first.url);
    let origin = Origin::start(&sim, &of_second, &probe).await;
    let report = wait_until(&origin, "seen at the public address", 20 * SECOND, |report| {
        samples(report, "edge") >= 1
    })
    .await;
    assert!(report["probe"]["lastOkAt"].is_string(), "{report}");
    assert_eq!(report["probe"]["failsInRow"], 0);
    first.end().await.unwrap();
    let report = wait_until(&origin, "that it fails", 30 * SECOND, |report| {
        report["probe"]["failsInRow"] != 0
    })
    .await;
    assert_eq!(report["probe"]["lastFailure"], "connect");
    origin.end().await.unwrap();
    drop(state);
}
