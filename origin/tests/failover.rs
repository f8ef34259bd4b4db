//! The origin against a simulated market: who serves what when a source fails.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use market_sim::{Fault, FaultSpec, Options, Target, Venue};
use support::{Origin, live, watch};
use tempfile::tempdir;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn five_prices_are_live_from_kraken_within_a_moment_and_stay_so() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    let prices = origin.live().await;
    assert_eq!(prices.list().len(), 5);
    assert!(prices.all_fresh_from("kraken"));
    let answers = watch(&origin, &sim, sleep(6 * SECOND)).await;
    for prices in &answers {
        assert_eq!(prices.mode(), "live");
        // Heartbeats come every second, publications every half.
        assert!(prices.oldest_age_ms() <= 2_000, "{}", prices.text);
    }
    let asked = sim.stats().coinbase.requests;
    assert!((5..=12).contains(&asked), "{asked} requests to Coinbase in about 7 s");
    assert_eq!(sim.stats().kraken.attempts, 1);
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_silent_kraken_fails_over_within_five_seconds_and_back_within_fifteen() {
    let (sim, origin, _state) = live().await;

    sim.fault(Target::Kraken, Fault::Silence).unwrap();
    let over = origin.wait_until("all from coinbase", 5 * SECOND, |p| p.all_fresh_from("coinbase"));
    let answers = watch(&origin, &sim, async { drop(over.await) }).await;
    assert!(answers.iter().all(|prices| !prices.is_stale()), "never stale on the way");

    watch(&origin, &sim, sleep(7 * SECOND)).await;
    sim.clear();
    let back = origin.wait_until("all from kraken", 15 * SECOND, |p| p.mode() == "live");
    let answers = watch(&origin, &sim, async { drop(back.await) }).await;
    assert!(answers.iter().all(|prices| !prices.is_stale()), "never stale on the way back");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn with_both_silent_the_last_prices_are_served_and_flagged_before_they_are_five_seconds_old()
{
    let (sim, origin, _state) = live().await;
    sim.fault(Target::Both, Fault::Silence).unwrap();
    let frozen = origin.wait_until("frozen", 8 * SECOND, |p| p.mode() == "frozen");
    let answers = watch(&origin, &sim, async { drop(frozen.await) }).await;
    for price in answers.iter().flat_map(|prices| {
        prices.list().iter().map(|price| (prices.now, price)).collect::<Vec<_>>()
    }) {
        let (now, price) = price;
        let age_ms = now - price["confirmedAt"].as_i64().unwrap();
        // H is 1 s: who receives it may keep it for a second.
        match price["stale"].as_bool().unwrap() {
            true => assert!(age_ms >= 3_900, "flagged at {age_ms} ms"),
            false => assert!(age_ms <= 4_010, "not flagged at {age_ms} ms"),
        }
    }
    let prices = origin.prices().await.unwrap();
    assert_eq!((prices.list().len(), prices.mode()), (5, "frozen"));
    // /ready speaks of this moment, the body of one second later.
    sleep(SECOND).await;
    assert_eq!(origin.get("/ready").await.status(), 503);
    assert_eq!(origin.get("/live").await.status(), 200);

    sim.clear();
    origin.wait_until("fresh again", 40 * SECOND, |p| !p.is_stale()).await;
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_symbol_that_one_source_lacks_comes_from_the_other_and_the_rest_is_unharmed() {
    for unknown_product in
        [market_sim::UnknownProduct::LeftOut, market_sim::UnknownProduct::RefuseAll]
    {
        let options = Options {
            unlisted: vec![
                (Venue::Kraken, "SOL".to_owned()),
                (Venue::Coinbase, "XRP".to_owned()),
                (Venue::Kraken, "DOGE".to_owned()),
                (Venue::Coinbase, "DOGE".to_owned()),
            ],
            unknown_product,
            ..Options::default()
        };
        let sim = market_sim::start(options).await.unwrap();
        let state = tempdir().unwrap();
        let symbols = "symbols = [\"BTC\", \"ETH\", \"SOL\", \"XRP\", \"DOGE\", \"NOSUCH\"]";
        let origin = Origin::start(&sim, &state, symbols).await;
        let sorted_out = origin.wait_until("each from who lists it", 8 * SECOND, |prices| {
            ["BTC", "ETH", "XRP"].iter().all(|s| prices.source(s) == "kraken")
                && prices.source("SOL") == "coinbase"
                && !prices.is_stale()
        });
        let prices = sorted_out.await;
        assert_eq!(prices.unavailable(), ["DOGE", "NOSUCH"]);
        assert_eq!(prices.mode(), "degraded");
        let answers = watch(&origin, &sim, sleep(4 * SECOND)).await;
        assert!(answers.iter().all(|prices| !prices.is_stale()));
        assert_eq!(sim.stats().kraken.attempts, 1, "nobody reconnects for one pair's sake");
        origin.end().await.unwrap();
    }
}

#[tokio::test]
async fn whatever_kraken_does_coinbase_takes_over_and_nothing_untrue_is_served() {
    let cases = [
        FaultSpec::new(Target::Kraken, Fault::HalfOpen),
        FaultSpec::new(Target::Kraken, Fault::Reset).seconds(8.0),
        FaultSpec::new(Target::Kraken, Fault::Garbage),
        FaultSpec::new(Target::Kraken, Fault::TruncatedBody),
        FaultSpec::new(Target::Kraken, Fault::Maintenance),
        FaultSpec::new(Target::Kraken, Fault::UnknownSystem),
        FaultSpec::new(Target::Kraken, Fault::BadNumber),
    ];
    let runs = cases.into_iter().map(|case| async move {
        let name = format!("{:?}", case.fault);
        let (sim, origin, _state) = live().await;
        sim.inject(case).unwrap();
        let over = origin.wait_until(&name, 6 * SECOND, |p| p.all_fresh_from("coinbase"));
        let answers = watch(&origin, &sim, async { drop(over.await) }).await;
        assert!(answers.iter().all(|prices| !prices.is_stale()), "{name}: never stale");
        watch(&origin, &sim, sleep(3 * SECOND)).await;
        origin.end().await.unwrap();
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn whatever_coinbase_does_kraken_is_served_and_the_breaker_opens() {
    let cases = [
        (FaultSpec::new(Target::Coinbase, Fault::ServerError), "server_error"),
        (FaultSpec::new(Target::Coinbase, Fault::Html), "content_type"),
        (FaultSpec::new(Target::Coinbase, Fault::WrongContentType), "content_type"),
        (FaultSpec::new(Target::Coinbase, Fault::HugeBody), "body_too_long"),
        (FaultSpec::new(Target::Coinbase, Fault::Silence), "timeout"),
        (FaultSpec::new(Target::Coinbase, Fault::Slow), "timeout"),
        (FaultSpec::new(Target::Coinbase, Fault::TruncatedBody), "body"),
        (FaultSpec::new(Target::Coinbase, Fault::Refuse), "request"),
    ];
    let runs = cases.into_iter().map(|(case, outcome)| async move {
        let name = format!("{:?}", case.fault);
        let (sim, origin, _state) = live().await;
        sim.inject(case).unwrap();
        let down = origin.wait_until(&name, 12 * SECOND, |p| p.status("coinbase") == "down");
        let answers = watch(&origin, &sim, async { drop(down.await) }).await;
        assert!(answers.iter().all(|prices| prices.mode() == "live"), "{name}");
        let metric = format!("pricecast_coinbase_requests_total{{outcome=\"{outcome}\"}}");
        if name != "Refuse" {
            assert!(origin.metric(&metric).await >= 5.0, "{name}: {metric}");
        }
        origin.end().await.unwrap();
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn a_429_from_coinbase_is_obeyed() {
    let (sim, origin, _state) = live().await;
    sim.fault(Target::Coinbase, Fault::TooManyRequests).unwrap();
    let told = "pricecast_coinbase_requests_total{outcome=\"rate_limited\"}";
    while origin.metric(told).await < 1.0 {
        sleep(support::LOOK_EVERY).await;
    }
    let before = sim.stats().coinbase.requests;
    // Retry-After is 5 s by default.
    let answers = watch(&origin, &sim, sleep(4 * SECOND)).await;
    assert!(answers.iter().all(|prices| prices.mode() == "live"));
    assert_eq!(sim.stats().coinbase.requests, before, "nothing is asked meanwhile");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_real_crash_on_both_is_published_and_a_spike_on_one_is_not() {
    let sim = market_sim::start(Options::default()).await.unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, "").await;
    let price = |prices: &support::Prices| prices.of("BTC").unwrap()["price"].as_f64().unwrap();
    let before = price(&origin.live().await);
    sim.inject(FaultSpec::new(Target::Kraken, Fault::Spike).symbol("BTC")).unwrap();
    let answers = watch(&origin, &sim, sleep(5 * SECOND)).await;
    for prices in &answers {
        assert!((price(prices) / before - 1.0).abs() < 0.1, "{}", prices.text);
        assert!(!prices.is_stale());
    }
    sim.clear();
    sim.inject(FaultSpec::new(Target::Both, Fault::CrashOnBoth)).unwrap();
    origin.wait_until("the crash", 3 * SECOND, |p| price(p) < before * 0.6).await;
    origin.end().await.unwrap();
}

#[tokio::test]
async fn five_hundred_symbols_are_live_on_one_connection_and_five_requests_a_second() {
    let symbols: Vec<String> = (0..500).map(|n| format!("C{n}")).collect();
    let options = Options {
        symbols: Some(symbols.clone()),
        update_hz: Some(500.0),
        enforce_limits: true,
        ..Options::default()
    };
    let sim = market_sim::start(options).await.unwrap();
    let state = tempdir().unwrap();
    let origin = Origin::start(&sim, &state, &format!("symbols = {symbols:?}")).await;
    let prices = origin.live().await;
    assert_eq!(prices.list().len(), 500);
    let before = sim.stats().coinbase.requests;
    let answers = watch(&origin, &sim, sleep(4 * SECOND)).await;
    assert!(answers.iter().all(|prices| prices.mode() == "live"));
    let asked = sim.stats().coinbase.requests - before;
    assert!((18..=22).contains(&asked), "{asked} requests in 4 s");
    assert_eq!((sim.stats().kraken.attempts, sim.stats().coinbase.max_in_flight), (1, 1));
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_refused_upgrade_is_taken_for_a_ban_and_waited_out() {
    for fault in [
        FaultSpec::new(Target::Kraken, Fault::TooManyRequests),
        FaultSpec { status: Some(403), ..FaultSpec::new(Target::Kraken, Fault::Refuse) },
    ] {
        let sim = market_sim::start(Options::default()).await.unwrap();
        sim.inject(fault).unwrap();
        let state = tempdir().unwrap();
        let origin = Origin::start(&sim, &state, "").await;
        origin.wait_until("coinbase", 5 * SECOND, |p| p.all_fresh_from("coinbase")).await;
        let answers = watch(&origin, &sim, sleep(4 * SECOND)).await;
        assert!(answers.iter().all(|prices| !prices.is_stale()));
        assert_eq!(sim.stats().kraken.attempts, 1, "asked to stay away");
        origin.end().await.unwrap();
    }
}

#[tokio::test]
async fn a_kraken_that_drops_every_connection_is_not_stormed() {
    let (sim, origin, _state) = live().await;
    sim.fault(Target::Kraken, Fault::Flap).unwrap();
    watch(&origin, &sim, sleep(12 * SECOND)).await;
    let attempts = sim.stats().kraken.attempts;
    assert!((3..=14).contains(&attempts), "{attempts} attempts in 12 s");
    assert_eq!(sim.stats().kraken.max_open, 1);
    origin.end().await.unwrap();
}
