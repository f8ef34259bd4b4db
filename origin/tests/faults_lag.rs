//! A Kraken whose frames arrive seconds late, in order, on a connection that stays open.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use market_sim::{Fault, FaultSpec, Target};
use support::{Prices, live, watch};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn four_seconds_late() -> FaultSpec {
    FaultSpec { ms: Some(4_000), ..FaultSpec::new(Target::Kraken, Fault::Slow) }
}

fn kraken_reason(prices: &Prices) -> Option<&str> {
    prices.body["sources"]["kraken"]["reason"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kraken_four_seconds_late_loses_to_coinbase_and_says_why_and_comes_back() {
    let (sim, origin, _state) = live().await;

    sim.inject(four_seconds_late()).unwrap();
    let began = Instant::now();
    let mut takeover_ms = 0;
    let mut probed = 0;
    let lagging = async {
        origin.wait_until("all from Coinbase", 5 * SECOND, |p| p.all_fresh_from("coinbase")).await;
        takeover_ms = began.elapsed().as_millis();
        origin.wait_until("the reason", 5 * SECOND, |p| kraken_reason(p) == Some("lagging")).await;
        sleep(4 * SECOND).await;
    };
    for prices in watch(&origin, &sim, lagging).await {
        assert!(!prices.is_stale(), "nothing had to be flagged on the way");
        probed += 1;
    }
    assert_eq!(sim.stats().kraken.attempts, 1, "it may catch up");

    sim.clear();
    // What is still on its way, and the hold-down.
    let back = origin.wait_until("all from Kraken", 18 * SECOND, |p| p.mode() == "live");
    probed += watch(&origin, &sim, async { drop(back.await) }).await.len();
    println!(r#"figures: {{"probed":{probed},"lies":0,"takeover_ms":{takeover_ms}}}"#);
    origin.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_coinbase_gone_too_late_prices_are_flagged_and_fresh_again_when_they_are_not_late() {
    let (sim, origin, _state) = live().await;
    sim.fault(Target::Coinbase, Fault::Silence).unwrap();
    sim.inject(four_seconds_late()).unwrap();
    let mut probed = 0;
    let flagged = async {
        origin.wait_until("all flagged", 8 * SECOND, |p| p.mode() == "frozen").await;
        sleep(4 * SECOND).await;
    };
    probed += watch(&origin, &sim, flagged).await.len();
    sim.clear();
    let fresh = origin.wait_until("fresh again", 9 * SECOND, |p| !p.is_stale());
    probed += watch(&origin, &sim, async { drop(fresh.await) }).await.len();
    println!(r#"figures: {{"probed":{probed},"lies":0}}"#);
    origin.end().await.unwrap();
}
