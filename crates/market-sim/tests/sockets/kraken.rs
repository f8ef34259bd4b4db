//! The fake Kraken when nothing is wrong.

use crate::client::{A_WHILE, DEADLINE, Got, Ws, busy, still, until_stats};
use market_sim::{Options, Venue};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_new_socket_is_told_the_status_with_an_id_beyond_i64() {
    let sim = still().await;
    let status = Ws::connect(&sim).await.until(|_| true).await;
    assert_eq!(status["channel"], "status");
    assert_eq!(status["data"][0]["system"], "online");
    assert_eq!(status["data"][0]["api_version"], "v2");
    assert!(status["data"][0]["connection_id"].as_u64().unwrap() > i64::MAX as u64);
}

#[tokio::test]
async fn each_symbol_is_answered_by_itself_and_a_bad_one_harms_no_other() {
    let sim = still().await;
    let mut ws = Ws::connect(&sim).await;
    ws.subscribe(&["BTC/USD", "XBT/USD", "ETHUSD", "btc/usd", "ETH/EUR", "DOGE/USD"]).await;
    let ack = ws.until(|f| f["method"] == "subscribe").await;
    assert_eq!(
        ack["result"],
        json!({"channel": "ticker", "event_trigger": "bbo", "snapshot": true, "symbol": "BTC/USD"})
    );
    assert_eq!((&ack["success"], &ack["req_id"]), (&json!(true), &json!(1)));
    let snapshot = ws.until(|f| f["channel"] == "ticker").await;
    assert_eq!(
        (&snapshot["type"], &snapshot["data"][0]["symbol"]),
        (&json!("snapshot"), &json!("BTC/USD"))
    );
    for (pair, error) in [
        ("XBT/USD", "Currency pair not supported XBT/USD"),
        ("ETHUSD", "Currency pair not in ISO 4217-A3 format ETHUSD"),
        ("btc/usd", "Currency pair not supported btc/usd"),
        ("ETH/EUR", "Currency pair not supported ETH/EUR"),
    ] {
        let refusal = ws.until(|f| f["method"] == "subscribe").await;
        assert_eq!((&refusal["error"], &refusal["symbol"]), (&json!(error), &json!(pair)));
        assert!(refusal["success"] == false && refusal.get("result").is_none(), "{refusal}");
    }
    let ack = ws.until(|f| f["method"] == "subscribe").await;
    assert_eq!(ack["result"]["symbol"], "DOGE/USD");
    let stats = sim.stats().kraken;
    assert_eq!((stats.subscribes, stats.subscribed), (6, 2));
}

#[tokio::test]
async fn a_second_subscribe_of_a_symbol_is_refused_until_it_is_unsubscribed() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    ws.subscribe(&["BTC/USD"]).await;
    let refusal = ws.until(|f| f["method"] == "subscribe").await;
    assert_eq!(
        (&refusal["error"], &refusal["symbol"]),
        (&json!("Already subscribed"), &json!("BTC/USD"))
    );
    ws.send(
        r#"{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD"]},"req_id":9}"#,
    )
    .await;
    let ack = ws.until(|f| f["method"] == "unsubscribe").await;
    assert!(ack["success"] == true && ack["req_id"] == 9, "{ack}");
    assert_eq!(
        ack["result"],
        json!({"channel": "ticker", "event_trigger": "bbo", "symbol": "BTC/USD"})
    );
    ws.subscribe(&["BTC/USD"]).await;
    ws.until(|f| f["type"] == "snapshot" && f["data"][0]["symbol"] == "BTC/USD").await;
}

#[tokio::test]
async fn pings_and_nonsense_are_answered_as_recorded() {
    let sim = still().await;
    let mut ws = Ws::connect(&sim).await;
    for (text, key, value) in [
        (r#"{"method":"ping","req_id":7}"#, "method", "pong"),
        (
            r#"{"method":"ping","params":{}}"#,
            "error",
            "Unsupported field: 'params' for the given msg type: ping",
        ),
        (r#"{"method":"dance"}"#, "error", "Unsupported event"),
        (
            r#"{"method":"subscribe","params":{"channel":"galaxy","symbol":["BTC/USD"]}}"#,
            "error",
            "Unsupported event",
        ),
        ("{", "error", "Malformed request"),
        (
            r#"{"method":"subscribe","params":{"channel":"ticker","symbol":7}}"#,
            "error",
            "Malformed request",
        ),
    ] {
        ws.send(text).await;
        let answer = ws.until(|f| f.get("channel").is_none()).await;
        assert_eq!(answer[key], value, "{text}");
    }
    ws.ws_ping().await;
    let pong = ws.next_within(DEADLINE).await;
    assert!(matches!(&pong, Some(Got::Text(text)) if text.contains("Pong")), "{pong:?}");
}

#[tokio::test]
async fn heartbeats_come_once_a_second_and_only_after_a_subscription() {
    let sim = still().await;
    let mut unsubscribed = Ws::connect(&sim).await;
    unsubscribed.until(|f| f["channel"] == "status").await;
    let mut ws = Ws::subscribed(&sim).await;
    let frames = ws.all_for(Duration::from_millis(2_300)).await;
    let heartbeats =
        frames.iter().filter(|g| matches!(g, Got::Frame(f) if f["channel"] == "heartbeat"));
    assert!((1..=2).contains(&heartbeats.count()), "{frames:?}");
    assert!(unsubscribed.next_within(A_WHILE).await.is_none(), "an unsubscribed socket is quiet");
}

#[tokio::test]
async fn no_heartbeat_comes_between_frequent_updates() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    let frames = ws.all_for(Duration::from_millis(1_300)).await;
    assert!(frames.len() > 100, "{}", frames.len());
    assert!(frames.iter().all(|g| matches!(g, Got::Frame(f) if f["channel"] == "ticker")));
}

#[tokio::test]
async fn every_price_told_was_true_at_its_event_time() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    for _ in 0..50 {
        let update = ws.until_update_of("BTC").await;
        let data = &update["data"][0];
        let at: jiff::Timestamp = data["timestamp"].as_str().unwrap().parse().unwrap();
        let history = sim.truth().history(Venue::Kraken, "BTC");
        let told = data["last"].to_string();
        let found = history.iter().any(|point| {
            point.at_ms <= at.as_millisecond()
                && point.price.to_string().parse::<f64>() == told.parse()
        });
        assert!(found, "{update} is not in the truth");
        assert!((sim.now_ms() - at.as_millisecond()).abs() < 2_000, "event times are re-based");
    }
}

#[tokio::test]
async fn the_trades_trigger_is_told_of_no_mere_book_change() {
    let sim = market_sim::start(Options::default().symbols(&["BTC"])).await.unwrap();
    let mut trades = Ws::connect(&sim).await;
    trades.send(r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"snapshot":false}}"#).await;
    let ack = trades.until(|f| f["method"] == "subscribe").await;
    assert_eq!(
        (&ack["result"]["event_trigger"], &ack["result"]["snapshot"]),
        (&json!("trades"), &json!(false))
    );
    assert!(ack.get("req_id").is_none(), "{ack}");
    let mut last_count = 0;
    for _ in 0..3 {
        let update = trades.until(|f| f["channel"] == "ticker").await;
        assert_eq!(update["type"], "update", "no snapshot was asked for");
        let count = update["data"][0]["trades"].as_u64().unwrap();
        assert!(count > last_count, "{count} trades after {last_count}");
        last_count = count;
    }
}

#[tokio::test]
async fn a_socket_that_never_subscribes_is_closed_and_a_ping_keeps_it_open() {
    let options = Options { idle_close: Duration::from_millis(1_000), ..Options::still() };
    let sim = market_sim::start(options).await.unwrap();
    let mut idle = Ws::connect(&sim).await;
    let mut subscribed = Ws::connect(&sim).await;
    subscribed.subscribe(&["BTC/USD"]).await;
    let mut pinging = Ws::connect(&sim).await;
    for _ in 0..5 {
        pinging.send(r#"{"method":"ping"}"#).await;
        pinging.until(|f| f["method"] == "pong").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    idle.end().await;
    until_stats(&sim, |stats| stats.kraken.open == 2).await;
    subscribed.until(|f| f["channel"] == "heartbeat").await;
}

#[tokio::test]
async fn a_set_price_is_told_at_once_with_its_digits() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    assert!(sim.set_price(Venue::Kraken, "BTC", "67432.1".parse().unwrap()));
    let update = ws.until_update_of("BTC").await;
    assert_eq!(update["data"][0]["last"].to_string(), "67432.1");
    let truth = sim.truth();
    let price = truth.price_at(Venue::Kraken, "BTC", truth.now_ms()).unwrap();
    assert_eq!(price.to_string(), "67432.1");
    assert!(!sim.set_price(Venue::Kraken, "NOPE", price));
}

#[tokio::test]
async fn sockets_and_attempts_are_counted() {
    let sim = still().await;
    let first = Ws::subscribed(&sim).await;
    let second = Ws::subscribed(&sim).await;
    drop(first);
    until_stats(&sim, |stats| stats.kraken.open == 1).await;
    let stats = sim.stats().kraken;
    assert_eq!((stats.attempts, stats.max_open, stats.subscribes), (2, 2, 6));
    assert_eq!(stats.attempt_times.len(), 2);
    drop(second);
    until_stats(&sim, |stats| stats.kraken.open == 0).await;
}
