//! Each fault on the fake Coinbase, and its end.

use crate::client::{
    A_WHILE, Answer, DEADLINE, LIST, busy, get, read_within, request, send, still, until_stats,
};
use flate2::read::GzDecoder;
use market_sim::{BadNumber, Fault, FaultSpec, Handle, Target, Venue};
use serde_json::Value;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

fn coinbase(fault: Fault) -> FaultSpec {
    FaultSpec::new(Target::Coinbase, fault)
}

async fn product(sim: &Handle, id: &str) -> Value {
    let body = get(sim, LIST).await.unwrap().json();
    let products = body["products"].as_array().unwrap();
    products.iter().find(|product| product["product_id"] == id).cloned().unwrap_or_default()
}

/// A connection that has already asked once.
async fn warm(sim: &Handle) -> TcpStream {
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    send(&mut stream, "GET", LIST, "", "").await.unwrap();
    assert_eq!(answered(&mut stream).await.status, 200);
    stream
}

async fn answered(stream: &mut TcpStream) -> Answer {
    read_within(stream, DEADLINE).await.unwrap().unwrap()
}

#[tokio::test]
async fn silence_accepts_and_does_not_answer_until_it_ends() {
    let sim = still().await;
    sim.fault(Target::Coinbase, Fault::Silence).unwrap();
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    send(&mut stream, "GET", LIST, "", "").await.unwrap();
    assert!(read_within(&mut stream, A_WHILE).await.is_none());
    assert_eq!(get(&sim, "/control/faults").await.unwrap().status, 200, "control answers");
    sim.clear();
    assert_eq!(answered(&mut stream).await.status, 200);
}

#[tokio::test]
async fn a_client_that_gives_up_in_silence_is_noticed() {
    let sim = still().await;
    sim.fault(Target::Coinbase, Fault::Silence).unwrap();
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    send(&mut stream, "GET", LIST, "", "").await.unwrap();
    until_stats(&sim, |stats| stats.coinbase.in_flight == 1).await;
    drop(stream);
    until_stats(&sim, |stats| stats.coinbase.in_flight == 0 && stats.coinbase.open == 0).await;
}

#[tokio::test]
async fn half_open_connections_are_never_answered_again() {
    let sim = still().await;
    let mut open = warm(&sim).await;
    sim.fault(Target::Coinbase, Fault::HalfOpen).unwrap();
    let mut new = TcpStream::connect(sim.addr).await.unwrap();
    for stream in [&mut open, &mut new] {
        send(stream, "GET", LIST, "", "").await.unwrap();
        assert!(read_within(stream, A_WHILE).await.is_none());
    }
    sim.clear();
    for stream in [&mut open, &mut new] {
        assert!(read_within(stream, A_WHILE).await.is_none());
    }
    warm(&sim).await;
}

#[tokio::test]
async fn reset_is_a_rst_of_idle_and_of_waiting_connections() {
    let sim = still().await;
    let mut idle = warm(&sim).await;
    sim.fault(Target::Coinbase, Fault::Silence).unwrap();
    let mut waiting = TcpStream::connect(sim.addr).await.unwrap();
    send(&mut waiting, "GET", LIST, "", "").await.unwrap();
    until_stats(&sim, |stats| stats.coinbase.in_flight == 1).await;
    sim.fault(Target::Coinbase, Fault::Reset).unwrap();
    for stream in [&mut idle, &mut waiting] {
        let error = read_within(stream, DEADLINE).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    sim.clear();
    warm(&sim).await;
}

#[tokio::test]
async fn refuse_cuts_and_flap_cuts_every_other_request() {
    let sim = still().await;
    sim.fault(Target::Coinbase, Fault::Refuse).unwrap();
    assert_eq!(get(&sim, LIST).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    sim.clear();
    sim.inject(FaultSpec { status: Some(403), ..coinbase(Fault::Refuse) }).unwrap();
    assert_eq!(get(&sim, LIST).await.unwrap().status, 403);
    sim.clear();
    sim.fault(Target::Coinbase, Fault::Flap).unwrap();
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(get(&sim, LIST).await.is_ok());
    }
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 3, "{answers:?}");
}

#[tokio::test]
async fn http_failures_have_their_status_and_headers() {
    let sim = still().await;
    sim.inject(FaultSpec { retry_after_s: Some(17), ..coinbase(Fault::TooManyRequests) }).unwrap();
    let answer = get(&sim, LIST).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("17")));
    sim.clear();
    for (status, expected) in [(None, 503), (Some(520), 520)] {
        sim.inject(FaultSpec { status, ..coinbase(Fault::ServerError) }).unwrap();
        assert_eq!(get(&sim, LIST).await.unwrap().status, expected);
        sim.clear();
    }
    sim.fault(Target::Coinbase, Fault::Html).unwrap();
    let answer = get(&sim, LIST).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    assert!(answer.body.starts_with("<html>"));
}

#[tokio::test]
async fn a_banned_address_gets_cloudflares_page() {
    let sim = still().await;
    for (retry_after_s, expected) in [(None, "30"), (Some(7), "7")] {
        sim.inject(FaultSpec { retry_after_s, ..coinbase(Fault::Banned) }).unwrap();
        let answer = get(&sim, LIST).await.unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some(expected)));
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
        assert!(answer.body.contains("Error 1015"));
        sim.clear();
    }
}

#[tokio::test]
async fn an_empty_body_is_a_200_and_a_gzip_bomb_is_small_on_the_way() {
    let sim = still().await;
    sim.fault(Target::Coinbase, Fault::EmptyBody).unwrap();
    let answer = get(&sim, LIST).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    sim.clear();
    sim.inject(FaultSpec { bytes: Some(8_000_000), ..coinbase(Fault::GzipBomb) }).unwrap();
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    send(&mut stream, "GET", LIST, "connection: close\r\n", "").await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&bytes[..body]);
    assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
    assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(&bytes[body..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked.len() >= 8_000_000);
    assert_eq!(serde_json::from_slice::<Value>(&unpacked).unwrap()["num_products"], 3);
}

#[tokio::test]
async fn novelties_leave_what_is_known_as_it_was() {
    let sim = still().await;
    let known = product(&sim, "BTC-USD").await;
    sim.fault(Target::Coinbase, Fault::Novelties).unwrap();
    let novel = product(&sim, "BTC-USD").await;
    assert_eq!((&novel["price"], &novel["status"]), (&known["price"], &known["status"]));
    assert_eq!(novel["product_type"], "HYPERSPOT");
    assert!(novel["regime"].is_object());
}

#[tokio::test]
async fn a_book_without_sense_leaves_the_last_trade_alone() {
    let sim = still().await;
    let right = product(&sim, "BTC-USD").await;
    assert_eq!(right["best_bid_price"], "");
    let number =
        |product: &Value, key: &str| product[key].as_str().unwrap().parse::<f64>().unwrap();
    sim.inject(coinbase(Fault::CrossedBook).symbol("BTC")).unwrap();
    let crossed = product(&sim, "BTC-USD").await;
    assert!(number(&crossed, "best_bid_price") > 2.0 * number(&crossed, "best_ask_price"));
    assert_eq!(crossed["price"], right["price"]);
    sim.clear();
    sim.fault(Target::Coinbase, Fault::OneSidedBook).unwrap();
    let one_sided = product(&sim, "BTC-USD").await;
    assert_eq!(one_sided["best_ask_price"], "0");
    assert_eq!(one_sided["price"], right["price"]);
}

#[tokio::test]
async fn slow_answers_come_late() {
    let sim = still().await;
    sim.inject(FaultSpec { ms: Some(250), ..coinbase(Fault::Slow) }).unwrap();
    let started = Instant::now();
    assert_eq!(get(&sim, LIST).await.unwrap().status, 200);
    assert!(started.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn bodies_come_as_garbage_huge_cut_or_under_a_wrong_name() {
    let sim = still().await;
    sim.fault(Target::Coinbase, Fault::Garbage).unwrap();
    for _ in 0..7 {
        let body = get(&sim, LIST).await.unwrap().body;
        let products = serde_json::from_str::<Value>(&body).unwrap_or_default();
        assert!(products["products"][0]["price"].as_str().is_none(), "{body}");
    }
    sim.clear();
    sim.inject(FaultSpec { bytes: Some(2_000_000), ..coinbase(Fault::HugeBody) }).unwrap();
    let huge = get(&sim, LIST).await.unwrap();
    assert_eq!(huge.body.len(), 2_000_000);
    assert_eq!(huge.json()["num_products"], 3, "it is valid JSON all the same");
    sim.clear();
    sim.fault(Target::Coinbase, Fault::TruncatedBody).unwrap();
    assert_eq!(get(&sim, LIST).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    sim.clear();
    sim.fault(Target::Coinbase, Fault::WrongContentType).unwrap();
    let answer = get(&sim, LIST).await.unwrap();
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(answer.json()["num_products"], 3);
}

#[tokio::test]
async fn a_stale_backend_repeats_its_answer_while_the_truth_moves() {
    let sim = still().await;
    let before = get(&sim, LIST).await.unwrap().body;
    sim.fault(Target::Coinbase, Fault::StaleBackend).unwrap();
    sim.set_price(Venue::Coinbase, "BTC", "50000".parse().unwrap());
    assert_eq!(get(&sim, LIST).await.unwrap().body, before);
    sim.clear();
    assert_eq!(product(&sim, "BTC-USD").await["price"], "50000");
}

#[tokio::test]
async fn a_stale_backend_may_be_one_of_several() {
    let sim = still().await;
    let old = product(&sim, "BTC-USD").await["price"].clone();
    sim.inject(FaultSpec { every: Some(2), ..coinbase(Fault::StaleBackend) }).unwrap();
    sim.set_price(Venue::Coinbase, "BTC", "50000".parse().unwrap());
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(product(&sim, "BTC-USD").await["price"].clone());
    }
    let new = Value::from("50000");
    assert_eq!(told, [old.clone(), new.clone(), old, new]);
}

#[tokio::test]
async fn a_stale_backend_may_count_on_the_volume() {
    let sim = still().await;
    let before = product(&sim, "BTC-USD").await;
    let volume_moves = Some(true);
    sim.inject(FaultSpec { volume_moves, ..coinbase(Fault::StaleBackend) }).unwrap();
    sim.set_price(Venue::Coinbase, "BTC", "50000".parse().unwrap());
    let after = product(&sim, "BTC-USD").await;
    assert_eq!(after["price"], before["price"]);
    assert_ne!(after["volume_24h"], before["volume_24h"]);
}

#[tokio::test]
async fn a_frozen_symbol_repeats_price_and_volume_alone() {
    let sim = busy().await;
    sim.inject(coinbase(Fault::FrozenSymbol).symbol("BTC")).unwrap();
    let (btc, eth) = (product(&sim, "BTC-USD").await, product(&sim, "ETH-USD").await);
    let deadline = Instant::now() + DEADLINE;
    while product(&sim, "ETH-USD").await["volume_24h"] == eth["volume_24h"] {
        assert!(Instant::now() < deadline, "ETH stands still too");
    }
    let later = product(&sim, "BTC-USD").await;
    assert_eq!((&later["price"], &later["volume_24h"]), (&btc["price"], &btc["volume_24h"]));
}

#[tokio::test]
async fn product_states_say_what_is_wrong() {
    let sim = still().await;
    for (fault, field, value) in [
        (Fault::Maintenance, "trading_disabled", Value::from(true)),
        (Fault::Maintenance, "is_disabled", Value::from(true)),
        (Fault::CancelOnly, "cancel_only", Value::from(true)),
        (Fault::PostOnly, "post_only", Value::from(true)),
        (Fault::UnknownSystem, "status", Value::from("hibernating")),
        (Fault::DelistSymbol, "status", Value::from("delisted")),
        (Fault::DelistSymbol, "trading_disabled", Value::from(true)),
    ] {
        assert_ne!(product(&sim, "BTC-USD").await[field], value);
        sim.fault(Target::Coinbase, fault).unwrap();
        assert_eq!(product(&sim, "BTC-USD").await[field], value, "{fault}: {field}");
        sim.clear();
    }
    sim.inject(coinbase(Fault::RejectSymbol).symbol("BTC")).unwrap();
    assert_eq!(product(&sim, "BTC-USD").await, Value::Null);
    assert_ne!(product(&sim, "ETH-USD").await, Value::Null);
}

#[tokio::test]
async fn wrong_prices_are_said_and_not_true() {
    let sim = still().await;
    let right: f64 = product(&sim, "BTC-USD").await["price"].as_str().unwrap().parse().unwrap();
    for (fault, factor) in [(Fault::Spike, 1.5), (Fault::DecimalShift, 10.0)] {
        sim.inject(coinbase(fault).symbol("BTC")).unwrap();
        let said: f64 = product(&sim, "BTC-USD").await["price"].as_str().unwrap().parse().unwrap();
        assert!((said / right / factor - 1.0).abs() < 1e-4, "{fault}: {said}");
        let truth = sim.truth();
        let price = truth.price_at(Venue::Coinbase, "BTC", truth.now_ms()).unwrap();
        assert_eq!(price.to_f64(), right);
        sim.clear();
    }
    for (number, said) in [
        (BadNumber::Zero, Value::from("0")),
        (BadNumber::Nan, Value::from("NaN")),
        (BadNumber::Infinite, Value::from("Infinity")),
        (BadNumber::Overflow, Value::from("1e400")),
        (BadNumber::Empty, Value::from("")),
        (BadNumber::Null, Value::Null),
        (BadNumber::Absurd, Value::from("9".repeat(40))),
    ] {
        let spec = FaultSpec { number: Some(number), ..coinbase(Fault::BadNumber) };
        sim.inject(spec).unwrap();
        assert_eq!(product(&sim, "BTC-USD").await["price"], said);
        sim.clear();
    }
    let number = Some(BadNumber::WrongType);
    sim.inject(FaultSpec { number, ..coinbase(Fault::BadNumber) }).unwrap();
    assert!(product(&sim, "BTC-USD").await["price"].is_array());
}

#[tokio::test]
async fn a_skewed_clock_shows_in_the_date() {
    let sim = still().await;
    sim.inject(FaultSpec { skew_ms: Some(3_600_000), ..coinbase(Fault::SkewedClock) }).unwrap();
    let answer = request(&sim, "GET", LIST, "", "").await.unwrap();
    let date = jiff::fmt::rfc2822::parse(answer.header("date").unwrap()).unwrap();
    let ahead = date.timestamp().as_millisecond() - sim.now_ms();
    assert!((3_590_000..=3_600_000).contains(&ahead), "{ahead} ms ahead");
}
