//! Each fault of what the fake Kraken says, and its end.

use crate::client::{A_WHILE, Got, Ws, busy, kraken, last_price, still};
use market_sim::{BadNumber, Fault, FaultSpec, Target, Venue};
use tokio_tungstenite::tungstenite::Error as WsError;

#[tokio::test]
async fn garbage_replaces_every_ticker_frame() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::Garbage).unwrap();
    ws.until(|f| f["event"] == "heartbeat").await;
    let all = ws.all_for(A_WHILE).await;
    assert!(all.iter().any(|got| matches!(got, Got::Text(_))), "{all:?}");
    assert!(all.iter().any(|got| matches!(got, Got::Binary(_))), "{all:?}");
    let decodable = |got: &Got| matches!(got, Got::Frame(f) if f["data"][0]["last"].is_number());
    assert!(!all.iter().any(decodable), "{all:?}");
    sim.clear();
    ws.until_update_of("BTC").await;
}

#[tokio::test]
async fn wrong_prices_are_told_at_once_and_right_ones_again_after_it() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    let right = last_price(&sim);
    for (spec, factor) in [
        (kraken(Fault::Spike).symbol("BTC"), 1.5),
        (FaultSpec { percent: Some(-12.0), ..kraken(Fault::Spike) }, 0.88),
        (kraken(Fault::DecimalShift), 10.0),
        (FaultSpec { power: Some(-3), ..kraken(Fault::DecimalShift) }, 0.001),
    ] {
        sim.inject(spec).unwrap();
        let told = ws.until_update_of("BTC").await["data"][0]["last"].as_f64().unwrap();
        assert!((told / right / factor - 1.0).abs() < 1e-4, "{told} instead of {right} × {factor}");
        assert_eq!(last_price(&sim), right, "the truth is the undistorted price");
        sim.clear();
        let told = ws.until_update_of("BTC").await["data"][0]["last"].as_f64().unwrap();
        assert_eq!(told, right);
    }
}

#[tokio::test]
async fn bad_numbers_replace_the_last_price() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    for (number, text) in [
        (BadNumber::Zero, r#""last":0,"#),
        (BadNumber::Negative, r#""last":-"#),
        (BadNumber::Nan, r#""last":NaN,"#),
        (BadNumber::Infinite, r#""last":Infinity,"#),
        (BadNumber::Overflow, r#""last":1e400,"#),
        (BadNumber::Empty, r#""last":"","#),
        (BadNumber::Null, r#""last":null,"#),
        (BadNumber::Absurd, r#""last":9999999999999999999999999999999999999999,"#),
        (BadNumber::WrongType, r#""last":true,"#),
    ] {
        let spec = FaultSpec { number: Some(number), ..kraken(Fault::BadNumber) };
        sim.inject(spec.symbol("BTC")).unwrap();
        let got = ws.next_but_heartbeats().await;
        // Parsed and written again, huge numbers read as floats: only the text forms are compared.
        let loose = matches!(number, BadNumber::Absurd | BadNumber::Overflow);
        assert!(loose || got.contains(text), "{number:?}: {got}");
        sim.clear();
        ws.until(|f| f["data"][0]["last"].as_f64() == Some(last_price(&sim))).await;
    }
}

#[tokio::test]
async fn frames_come_huge_cut_or_as_binary() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.inject(FaultSpec { bytes: Some(1_000_000), ..kraken(Fault::HugeBody) }).unwrap();
    ws.until(|f| f["data"][0]["symbol"].as_str().is_some_and(|s| s.len() > 900_000)).await;
    ws.until_update_of("BTC").await;
    sim.clear();
    sim.fault(Target::Kraken, Fault::TruncatedBody).unwrap();
    let mut all = ws.all_for(A_WHILE).await;
    assert!(
        matches!(all.pop(), Some(Got::Text(text)) if text.starts_with(r#"{"channel":"ticker""#))
    );
    sim.clear();
    sim.fault(Target::Kraken, Fault::WrongContentType).unwrap();
    let mut all = ws.all_for(A_WHILE).await;
    assert!(matches!(all.pop(), Some(Got::Binary(bytes)) if bytes.starts_with(b"{")));
}

#[tokio::test]
async fn a_stale_backend_repeats_its_records_times_and_all_while_the_truth_moves() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::StaleBackend).unwrap();
    let _ = ws.all_for(A_WHILE).await;
    let before = ws.until_update_of("BTC").await;
    let points = sim.truth().history(Venue::Kraken, "BTC").len();
    let after = ws.until_update_of("BTC").await;
    assert_eq!(after["data"], before["data"]);
    let mut new = Ws::connect(&sim).await;
    new.subscribe(&["BTC/USD"]).await;
    let snapshot = new.until(|f| f["type"] == "snapshot").await;
    assert_eq!(snapshot["data"], before["data"]);
    ws.until_update_of("BTC").await;
    assert!(sim.truth().history(Venue::Kraken, "BTC").len() > points);
}

#[tokio::test]
async fn duplicates_say_each_frame_twice_after_the_one_before() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::DuplicateFrames).unwrap();
    let mut told = Vec::new();
    for price in ["50001", "50002"] {
        sim.set_price(Venue::Kraken, "BTC", price.parse().unwrap());
    }
    for _ in 0..5 {
        told.push(ws.until_update_of("BTC").await["data"][0]["last"].as_f64().unwrap());
    }
    assert_eq!(told, [50001.0, 50001.0, 50001.0, 50002.0, 50002.0]);
}

#[tokio::test]
async fn novelties_come_beside_frames_that_say_what_they_said() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::Novelties).unwrap();
    let update = ws.until(|f| f["type"] == "revision").await;
    assert!(update["data"][0]["regime"].is_object() && update["sequence"].is_array());
    assert!(update["data"][0]["last"].is_number());
    ws.until(|f| f["channel"] == "galaxy").await;
    ws.until(|f| f["method"] == "announce").await;
    ws.until(|f| f["notice"].is_object()).await;
}

#[tokio::test]
async fn a_book_without_sense_leaves_the_last_trade_alone() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    for (fault, is_so) in [
        (
            Fault::CrossedBook,
            (|bid, ask, last| bid > last && ask < last) as fn(f64, f64, f64) -> bool,
        ),
        (Fault::OneSidedBook, |_, ask, _| ask == 0.0),
    ] {
        sim.inject(kraken(fault).symbol("BTC")).unwrap();
        ws.until(|f| {
            let number = |key: &str| f["data"][0][key].as_f64().unwrap_or(1.0);
            f["data"][0]["symbol"] == "BTC/USD"
                && is_so(number("bid"), number("ask"), number("last"))
        })
        .await;
        sim.clear();
    }
}

#[tokio::test]
async fn an_empty_frame_replaces_each_ticker_and_a_ban_refuses_the_upgrade() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.fault(Target::Kraken, Fault::EmptyBody).unwrap();
    let mut all = ws.all_for(A_WHILE).await;
    assert!(matches!(all.pop(), Some(Got::Text(text)) if text.is_empty()), "{all:?}");
    sim.fault(Target::Kraken, Fault::Banned).unwrap();
    let Err(WsError::Http(refusal)) = Ws::try_connect(&sim).await else { panic!("not refused") };
    assert_eq!(
        (refusal.status().as_u16(), refusal.headers()["retry-after"].to_str().unwrap()),
        (429, "30")
    );
}

#[tokio::test]
async fn a_skewed_clock_shows_in_event_and_answer_times() {
    let sim = busy().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.inject(FaultSpec { skew_ms: Some(-60_000), ..kraken(Fault::SkewedClock) }).unwrap();
    let _ = ws.all_for(A_WHILE).await;
    let update = ws.until_update_of("BTC").await;
    ws.send(r#"{"method":"ping"}"#).await;
    let pong = ws.until(|f| f["method"] == "pong").await;
    for text in [&update["data"][0]["timestamp"], &pong["time_out"]] {
        let at: jiff::Timestamp = text.as_str().unwrap().parse().unwrap();
        let behind = sim.now_ms() - at.as_millisecond();
        assert!((59_000..62_000).contains(&behind), "{behind} ms behind");
    }
}
