//! The fake Coinbase when nothing is wrong.

use crate::client::{LIST, get, read_within, request, send, still, until_stats};
use market_sim::{Options, UnknownProduct, Venue};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;

fn ids(answer: &Value) -> Vec<&str> {
    answer["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["product_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_list_has_every_product_in_another_order_and_in_the_real_shape() {
    let sim = still().await;
    let answer = get(&sim, LIST).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let body = answer.json();
    let mut sorted = ids(&body);
    assert_ne!(sorted, ["BTC-USD", "ETH-USD", "DOGE-USD"], "not in the order asked");
    sorted.sort_unstable();
    assert_eq!(sorted, ["BTC-USD", "DOGE-USD", "ETH-USD"]);
    assert_eq!((&body["num_products"], &body["pagination"]), (&json!(3), &Value::Null));
    let btc = body["products"].as_array().unwrap().iter().find(|p| p["product_id"] == "BTC-USD");
    let btc = btc.unwrap().as_object().unwrap();
    // Names and order as recorded from the live venue.
    let keys: Vec<&str> = btc.keys().map(String::as_str).collect();
    for key in [
        "price",
        "price_percentage_change_24h",
        "volume_24h",
        "is_disabled",
        "status",
        "cancel_only",
        "limit_only",
        "post_only",
        "trading_disabled",
        "auction_mode",
        "view_only",
        "alias",
        "alias_to",
        "mid_market_price",
        "price_increment",
        "product_venue",
        "best_ask_price",
    ] {
        assert!(keys.contains(&key), "{key} is missing in {keys:?}");
    }
    assert_eq!(keys.len(), 48);
    let truth = sim.truth().history(Venue::Coinbase, "BTC")[0].price.trimmed().to_string();
    assert_eq!(btc["price"], truth.as_str());
    let percent = btc["price_percentage_change_24h"].as_str().unwrap();
    assert_eq!(percent.split_once('.').unwrap().1.len(), 14, "{percent}");
}

#[tokio::test]
async fn unknown_products_are_left_out_or_refuse_the_whole_request_as_configured() {
    let target = format!("{LIST}&product_ids=NOPE-USD&product_ids=BTC-EUR");
    let sim = still().await;
    assert_eq!(ids(&get(&sim, &target).await.unwrap().json()).len(), 3);
    let options = Options { unknown_product: UnknownProduct::RefuseAll, ..Options::still() };
    let strict = market_sim::start(options).await.unwrap();
    let refusal = get(&strict, &target).await.unwrap();
    assert_eq!((refusal.status, &refusal.json()["error"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn a_single_product_is_an_object_and_an_unknown_one_a_404() {
    let sim = still().await;
    let base = "/api/v3/brokerage/market/products/";
    let btc = get(&sim, &format!("{base}BTC-USD")).await.unwrap();
    assert_eq!((btc.status, &btc.json()["product_id"]), (200, &json!("BTC-USD")));
    for id in ["NOPE-USD", "BTC-EUR", "BTC", ""] {
        let answer = get(&sim, &format!("{base}{id}")).await.unwrap();
        assert_eq!(answer.status, 404, "{id}");
        assert_eq!(
            answer.json(),
            json!({"error": "NOT_FOUND", "error_details": "valid product_id is required",
                "message": "valid product_id is required"})
        );
    }
    assert_eq!(get(&sim, "/api/v3/other").await.unwrap().status, 404);
    let post = request(&sim, "POST", LIST, "", "").await.unwrap();
    assert_eq!(post.status, 405);
}

#[tokio::test]
async fn a_symbol_may_be_listed_on_one_venue_only() {
    let unlisted = vec![(Venue::Coinbase, "ETH".to_owned()), (Venue::Kraken, "BTC".to_owned())];
    let sim = market_sim::start(Options { unlisted, ..Options::still() }).await.unwrap();
    assert_eq!(ids(&get(&sim, LIST).await.unwrap().json()), ["DOGE-USD", "BTC-USD"]);
    let mut ws = crate::client::Ws::connect(&sim).await;
    ws.subscribe(&["BTC/USD", "ETH/USD"]).await;
    let refusal = ws.until(|f| f["method"] == "subscribe").await;
    assert_eq!(refusal["error"], "Currency pair not supported BTC/USD");
    ws.until(|f| f["result"]["symbol"] == "ETH/USD").await;
}

#[tokio::test]
async fn the_venue_caches_for_a_second_unless_no_cache_is_asked_for() {
    let sim = still().await;
    let price = |answer: crate::client::Answer| {
        let body = answer.json();
        let products = body["products"].as_array().unwrap().clone();
        products.iter().find(|p| p["product_id"] == "BTC-USD").unwrap()["price"].clone()
    };
    let first = price(request(&sim, "GET", LIST, "", "").await.unwrap());
    sim.set_price(Venue::Coinbase, "BTC", "50000".parse().unwrap());
    assert_eq!(price(request(&sim, "GET", LIST, "", "").await.unwrap()), first);
    assert_eq!(price(get(&sim, LIST).await.unwrap()), "50000");
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_is_counted_once() {
    let sim = still().await;
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    for _ in 0..3 {
        send(&mut stream, "GET", LIST, "", "").await.unwrap();
        let answer = read_within(&mut stream, Duration::from_secs(5)).await.unwrap().unwrap();
        assert_eq!(answer.status, 200);
    }
    let stats = sim.stats().coinbase;
    assert_eq!((stats.attempts, stats.open, stats.requests, stats.max_in_flight), (1, 1, 3, 1));
    drop(stream);
    until_stats(&sim, |stats| stats.coinbase.open == 0 && stats.coinbase.in_flight == 0).await;
}

#[tokio::test]
async fn limits_are_enforced_when_told() {
    let sim =
        market_sim::start(Options { enforce_limits: true, ..Options::still() }).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(get(&sim, LIST).await.unwrap().status);
    }
    assert_eq!(statuses.iter().take(15).filter(|status| **status == 200).count(), 15);
    assert!(statuses.contains(&429), "{statuses:?}");
}
