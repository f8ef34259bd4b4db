//! What survives a restart, and how the process ends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use market_sim::{Fault, Options, Target};
use support::{Origin, Prices, live};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

fn confirmed(prices: &Prices) -> Vec<(String, i64)> {
    let brief = |price: &serde_json::Value| {
        (price["price"].to_string(), price["confirmedAt"].as_i64().unwrap())
    };
    prices.list().iter().map(brief).collect()
}

#[tokio::test]
async fn after_a_restart_the_last_prices_are_there_at_once_with_their_true_age() {
    let (sim, origin, state) = live().await;
    sim.fault(Target::Both, Fault::Silence).unwrap();
    let last = origin.wait_until("frozen", 8 * SECOND, |p| p.mode() == "frozen").await;
    origin.end().await.unwrap();

    let origin = Origin::start(&sim, &state, "").await;
    let first = origin.wait_until("served at once", SECOND, |_| true).await;
    assert_eq!(confirmed(&first), confirmed(&last), "neither older nor younger");
    assert_eq!(first.mode(), "frozen");
    assert!(first.version() > last.version(), "a new epoch");
    sim.clear();
    origin.wait_until("fresh again", 40 * SECOND, |p| p.mode() == "live").await;
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_crash_loses_neither_the_prices_nor_the_order_of_epochs() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    let before = origin.live().await;
    let file = origin.state_dir.join("prices.v1.custom.json");
    let deadline = Instant::now() + 3 * SECOND;
    while !file.exists() {
        assert!(Instant::now() < deadline, "never written");
        sleep(support::LOOK_EVERY).await;
    }
    origin.crash();
    sim.fault(Target::Both, Fault::Silence).unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    let after = origin.wait_until("served at once", SECOND, |_| true).await;
    assert_eq!(after.list().len(), 5);
    assert!(after.version() > before.version());
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_put_aside_and_the_origin_starts_without_it() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let directory = state.path().join("state");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("prices.v1.custom.json"), "{\"prices\":").unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    origin.live().await;
    let kept = std::fs::read_dir(&directory).unwrap().filter_map(Result::ok).any(|entry| {
        entry.file_name().to_string_lossy().starts_with("prices.v1.custom.json.unusable-")
    });
    assert!(kept);
    origin.end().await.unwrap();
}

#[tokio::test]
async fn an_unwritable_state_dir_is_served_around_and_shown_in_ready() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    std::fs::write(state.path().join("state"), "a file, not a directory").unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    origin.live().await;
    let deadline = Instant::now() + 3 * SECOND;
    loop {
        let response = origin.get("/ready").await;
        assert_eq!(response.status(), 200);
        if response.text().await.unwrap().contains("state_dir_unwritable") {
            break;
        }
        assert!(Instant::now() < deadline, "never shown");
        sleep(support::LOOK_EVERY).await;
    }
    assert_eq!(origin.metric("pricecast_state_writes_total{outcome=\"failed\"}").await, 1.0);
    origin.end().await.unwrap();
}

#[tokio::test]
async fn without_any_price_ever_it_answers_503_and_is_not_ready() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    sim.fault(Target::Both, Fault::Silence).unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    let response = origin.get("/api/v1/prices").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(origin.get("/ready").await.status(), 503);
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_end_and_a_slow_one_cut_off() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, "http.drain = \"2s\"").await;
    origin.live().await;
    let address = origin.url.trim_start_matches("http://").to_owned();
    let mut under_way = TcpStream::connect(&address).await.unwrap();
    under_way.write_all(b"GET /api/v1/prices HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut never_done = TcpStream::connect(&address).await.unwrap();
    never_done.write_all(b"GET /api/v1/prices HTTP/1.1\r\n").await.unwrap();
    // Both must have reached the server before it stops.
    while origin.metric("pricecast_http_connections").await < 2.0 {
        sleep(support::LOOK_EVERY).await;
    }
    let began = Instant::now();
    origin.stop.cancel();
    sleep(Duration::from_millis(300)).await;
    assert!(TcpStream::connect(&address).await.is_err(), "no new connections");
    under_way.write_all(b"\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(SECOND, under_way.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    origin.end().await.unwrap();
    let took = began.elapsed();
    assert!((2 * SECOND..4 * SECOND).contains(&took), "drained for {took:?}");
}
