//! Each fault on the fake Kraken, and its end.

use crate::client::{
    A_WHILE, DEADLINE, Got, Ws, busy, is_rst, kraken, last_price, still, until_stats,
};
use market_sim::{Fault, FaultSpec, Handle, Target, Venue};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Error as WsError;

#[tokio::test]
async fn silence_sends_nothing_and_answers_after_it() {
    let sim = busy().await;
    let mut open = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::Silence).unwrap();
    open.assert_falls_silent().await;
    open.ws_ping().await;
    open.send(r#"{"method":"ping","req_id":5}"#).await;
    let mut new = Ws::connect(&sim).await;
    new.subscribe(&["BTC/USD"]).await;
    assert!(new.next_within(A_WHILE).await.is_none(), "a new socket is accepted and mute");
    assert!(open.next_within(A_WHILE).await.is_none(), "not even a pong");
    sim.clear();
    let first = open.next_within(DEADLINE).await;
    assert!(matches!(&first, Some(Got::Text(text)) if text.contains("Pong")), "{first:?}");
    open.until(|f| f["method"] == "pong" && f["req_id"] == 5).await;
    open.until_update_of("BTC").await;
    new.until(|f| f["channel"] == "status").await;
    new.until(|f| f["result"]["symbol"] == "BTC/USD").await;
    new.until(|f| f["type"] == "snapshot").await;
    assert_eq!(sim.stats().kraken.attempts, 2);
}

#[tokio::test]
async fn half_open_sockets_are_never_answered_again() {
    let sim = busy().await;
    let mut open = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::HalfOpen).unwrap();
    let url = sim.kraken_url();
    let new = tokio::spawn(tokio_tungstenite::connect_async(url));
    open.assert_falls_silent().await;
    until_stats(&sim, |stats| stats.kraken.attempts == 2).await;
    sim.clear();
    assert!(open.next_within(A_WHILE).await.is_none());
    assert!(!new.is_finished(), "an upgrade asked for meanwhile is not answered either");
    new.abort();
    let mut later = Ws::subscribed(&sim).await;
    later.until_update_of("BTC").await;
}

#[tokio::test]
async fn reset_is_a_rst_of_every_open_socket_once() {
    let sim = busy().await;
    let mut sockets = [Ws::subscribed(&sim).await, Ws::connect(&sim).await];
    sim.fault(Target::Kraken, Fault::Reset).unwrap();
    for socket in &mut sockets {
        let error = socket.end().await.unwrap();
        assert!(is_rst(&error), "{error:?}");
    }
    Ws::subscribed(&sim).await.until_update_of("BTC").await;
    sim.inject(kraken(Fault::Reset).seconds(60.0)).unwrap();
    assert!(Ws::try_connect(&sim).await.is_err(), "with seconds, new ones are reset too");
}

#[tokio::test]
async fn reset_is_sent_even_in_silence() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::Silence).unwrap();
    sim.fault(Target::Kraken, Fault::Reset).unwrap();
    assert!(is_rst(&ws.end().await.unwrap()));
}

#[tokio::test]
async fn refuse_keeps_new_sockets_out_and_open_ones_in() {
    let sim = busy().await;
    let mut open = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::Refuse).unwrap();
    assert!(matches!(Ws::try_connect(&sim).await, Err(WsError::Io(_))));
    open.until_update_of("BTC").await;
    sim.clear();
    sim.inject(FaultSpec { status: Some(403), ..kraken(Fault::Refuse) }).unwrap();
    assert_eq!(refused_with(&sim).await, 403);
}

async fn refused_with(sim: &Handle) -> u16 {
    match Ws::try_connect(sim).await.err() {
        Some(WsError::Http(response)) => response.status().as_u16(),
        other => panic!("not refused over HTTP: {other:?}"),
    }
}

#[tokio::test]
async fn http_failures_refuse_the_upgrade() {
    let sim = still().await;
    for (fault, status) in
        [(Fault::TooManyRequests, 429), (Fault::ServerError, 503), (Fault::Html, 200)]
    {
        sim.fault(Target::Kraken, fault).unwrap();
        assert_eq!(refused_with(&sim).await, status);
        sim.clear();
    }
    assert_eq!(sim.stats().kraken.attempts, 3, "refused attempts count");
    assert_eq!(sim.stats().kraken.open, 0);
}

#[tokio::test]
async fn flapping_drops_open_and_new_sockets_after_a_moment() {
    let sim = busy().await;
    let mut open = Ws::subscribed(&sim).await;
    sim.inject(FaultSpec { ms: Some(50), ..kraken(Fault::Flap) }).unwrap();
    let started = Instant::now();
    open.end().await;
    assert!(started.elapsed() >= Duration::from_millis(50));
    let mut new = Ws::connect(&sim).await;
    new.until(|f| f["channel"] == "status").await;
    new.end().await;
    sim.clear();
    Ws::subscribed(&sim).await;
}

#[tokio::test]
async fn slow_frames_come_late_and_in_order() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.inject(FaultSpec { ms: Some(200), ..kraken(Fault::Slow) }).unwrap();
    let started = Instant::now();
    for id in 1..=3 {
        ws.send(&format!(r#"{{"method":"ping","req_id":{id}}}"#)).await;
    }
    for id in 1..=3 {
        let pong = ws.until(|f| f["method"] == "pong").await;
        assert_eq!(pong["req_id"], id);
        assert!(started.elapsed() >= Duration::from_millis(200));
    }
}

#[tokio::test]
async fn ack_but_no_data_acks_and_brings_nothing() {
    let sim = busy().await;
    sim.fault(Target::Kraken, Fault::AckButNoData).unwrap();
    let mut ws = Ws::connect(&sim).await;
    ws.subscribe(&["BTC/USD"]).await;
    ws.until(|f| f["result"]["symbol"] == "BTC/USD").await;
    assert!(ws.next_within(Duration::from_millis(1_300)).await.is_none(), "not even heartbeats");
    sim.clear();
    sim.inject(FaultSpec { heartbeats: Some(true), ..kraken(Fault::AckButNoData) }).unwrap();
    ws.until(|f| f["channel"] == "heartbeat").await;
    sim.clear();
    ws.until_update_of("BTC").await;
}

#[tokio::test]
async fn a_frozen_symbol_stands_still_while_its_truth_and_the_others_move() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.inject(kraken(Fault::FrozenSymbol).symbol("BTC")).unwrap();
    let points = || sim.truth().history(Venue::Kraken, "BTC").len();
    let before = points();
    ws.until_update_of("ETH").await;
    let all = ws.all_for(A_WHILE).await;
    let of_btc = |got: &&Got| matches!(got, Got::Frame(f) if f["data"][0]["symbol"] == "BTC/USD");
    assert_eq!(all.iter().filter(of_btc).count(), 0);
    assert!(all.len() > 10);
    assert!(points() > before, "the truth moves on");
    let mut new = Ws::connect(&sim).await;
    new.subscribe(&["BTC/USD"]).await;
    new.until(|f| f["result"]["symbol"] == "BTC/USD").await;
    let next = new.next_within(A_WHILE).await;
    assert!(next.is_none(), "a stalled feed brings no snapshot: {next:?}");
    sim.clear();
    ws.until_update_of("BTC").await;
}

#[tokio::test]
async fn a_frozen_symbol_may_answer_new_subscriptions_with_its_old_record() {
    let sim = busy().await;
    sim.inject(FaultSpec { snapshots: Some(true), ..kraken(Fault::FrozenSymbol).symbol("BTC") })
        .unwrap();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let points = sim.truth().history(Venue::Kraken, "BTC").len();
        let mut ws = Ws::connect(&sim).await;
        ws.subscribe(&["BTC/USD", "ETH/USD"]).await;
        let of_btc = |f: &serde_json::Value| f["data"][0]["symbol"] == "BTC/USD";
        answers.push(ws.until(of_btc).await["data"].clone());
        for _ in 0..20 {
            ws.until_update_of("ETH").await;
        }
        assert!(sim.truth().history(Venue::Kraken, "BTC").len() > points, "the truth moves on");
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn engine_states_are_pushed_and_stop_the_updates() {
    let sim = busy().await;
    for (fault, system) in [
        (Fault::Maintenance, "maintenance"),
        (Fault::CancelOnly, "cancel_only"),
        (Fault::PostOnly, "post_only"),
        (Fault::UnknownSystem, "limit_only"),
    ] {
        let mut open = Ws::subscribed(&sim).await;
        sim.fault(Target::Kraken, fault).unwrap();
        open.until(|f| f["data"][0]["system"] == system).await;
        open.assert_falls_silent().await;
        let mut new = Ws::connect(&sim).await;
        new.until(|f| f["data"][0]["system"] == system).await;
        new.subscribe(&["BTC/USD"]).await;
        new.until(|f| f["type"] == "snapshot").await;
        new.until(|f| f["channel"] == "heartbeat").await;
        sim.clear();
        open.until(|f| f["data"][0]["system"] == "online").await;
        open.until_update_of("BTC").await;
    }
}

#[tokio::test]
async fn a_rejected_symbol_is_refused_and_a_delisted_one_goes_quiet_too() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.inject(kraken(Fault::RejectSymbol).symbol("ETH")).unwrap();
    ws.until_update_of("ETH").await;
    let mut new = Ws::connect(&sim).await;
    new.subscribe(&["ETH/USD", "BTC/USD"]).await;
    let refusal = new.until(|f| f["method"] == "subscribe").await;
    assert_eq!(refusal["error"], "Currency pair not supported ETH/USD");
    new.until_update_of("BTC").await;
    sim.clear();
    sim.inject(kraken(Fault::DelistSymbol).symbol("ETH")).unwrap();
    let _ = ws.all_for(A_WHILE).await;
    let all = ws.all_for(A_WHILE).await;
    assert!(all.iter().all(|g| matches!(g, Got::Frame(f) if f["data"][0]["symbol"] != "ETH/USD")));
    new.subscribe(&["ETH/USD"]).await;
    let refusal = new.until(|f| f["method"] == "subscribe").await;
    assert_eq!(refusal["success"], false);
}

#[tokio::test]
async fn a_crash_is_the_truth_of_both_venues() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    let before = last_price(&sim);
    sim.inject(FaultSpec::new(Target::Both, Fault::CrashOnBoth).symbol("BTC")).unwrap();
    let told = ws.until_update_of("BTC").await["data"][0]["last"].as_f64().unwrap();
    assert!((told / before - 0.4).abs() < 1e-4);
    let truth = sim.truth();
    for venue in [Venue::Kraken, Venue::Coinbase] {
        let now = truth.price_at(venue, "BTC", truth.now_ms()).unwrap().to_f64();
        assert!((now / before - 0.4).abs() < 1e-3, "{venue}");
    }
    sim.clear();
    let told = ws.until_update_of("BTC").await["data"][0]["last"].as_f64().unwrap();
    assert!((told / before - 1.0).abs() < 1e-4);
}
