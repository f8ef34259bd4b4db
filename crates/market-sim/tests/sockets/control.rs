//! The control endpoint.

use crate::client::{Ws, get, request, still};
use market_sim::{Fault, FaultSpec, Options, ScriptEntry, Target, Venue};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn post(sim: &market_sim::Handle, body: &str) -> (u16, Value) {
    let answer = request(sim, "POST", "/control/faults", "", body).await.unwrap();
    (answer.status, answer.json())
}

#[tokio::test]
async fn faults_are_injected_listed_and_cleared() {
    let sim = still().await;
    let (status, listed) = post(&sim, r#"{"target":"kraken","fault":"silence"}"#).await;
    assert_eq!(status, 201);
    assert_eq!(listed["active"][0]["fault"], "silence");
    let body = r#"{"target":"both","fault":"spike","symbol":"BTC","seconds":60,"percent":3.5}"#;
    post(&sim, body).await;
    let active = get(&sim, "/control/faults").await.unwrap().json()["active"].clone();
    assert_eq!(active.as_array().unwrap().len(), 2);
    let spike = &active[1];
    assert_eq!((&spike["symbol"], &spike["percent"]), (&json!("BTC"), &json!(3.5)));
    let one = format!("/control/faults/{}", spike["id"]);
    assert_eq!(request(&sim, "DELETE", &one, "", "").await.unwrap().status, 200);
    assert_eq!(request(&sim, "DELETE", &one, "", "").await.unwrap().status, 404);
    let cleared = request(&sim, "DELETE", "/control/faults", "", "").await.unwrap();
    assert_eq!((cleared.status, cleared.json()), (200, json!({"active": []})));
}

#[tokio::test]
async fn what_is_wrong_is_a_400_that_names_the_valid() {
    let sim = still().await;
    for (body, part) in [
        (r#"{"target":"kraken","fault":"silenc"}"#, "`silence`"),
        (r#"{"target":"krakn","fault":"silence"}"#, "`coinbase`"),
        (r#"{"target":"kraken","fault":"silence","sec":1}"#, "`seconds`"),
        (r#"{"target":"kraken","fault":"spike","symbol":"XBT"}"#, "BTC, ETH, DOGE"),
        (r#"{"target":"kraken","fault":"gzip-bomb"}"#, "coinbase"),
        ("", "EOF"),
        ("[]", "FaultSpec"),
    ] {
        let (status, answer) = post(&sim, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    assert_eq!(get(&sim, "/control/nothing").await.unwrap().status, 404);
    assert_eq!(request(&sim, "PUT", "/control/faults", "", "").await.unwrap().status, 405);
    assert_eq!(get(&sim, "/control/faults").await.unwrap().json(), json!({"active": []}));
}

#[tokio::test]
async fn a_fault_with_seconds_ends_by_itself() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    sim.inject(FaultSpec::new(Target::Kraken, Fault::Maintenance).seconds(0.6)).unwrap();
    ws.until(|f| f["data"][0]["system"] == "maintenance").await;
    ws.until(|f| f["data"][0]["system"] == "online").await;
    assert_eq!(get(&sim, "/control/faults").await.unwrap().json(), json!({"active": []}));
}

#[tokio::test]
async fn the_truth_tells_both_venues_prices_with_their_moments() {
    let sim = still().await;
    let before = sim.now_ms();
    let body = r#"{"venue":"coinbase","symbol":"BTC","price":"51234.56"}"#;
    assert_eq!(request(&sim, "POST", "/control/price", "", body).await.unwrap().status, 200);
    let truth = get(&sim, "/control/truth").await.unwrap().json();
    let history = truth["coinbase"]["BTC"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[1][1], "51234.56");
    let at = history[1][0].as_i64().unwrap();
    assert!(before <= at && at <= truth["now"].as_i64().unwrap());
    assert_eq!(truth["kraken"]["BTC"].as_array().unwrap().len(), 1, "the other venue stood still");
    let recent = get(&sim, "/control/truth?seconds=0").await.unwrap().json();
    assert_eq!(recent["coinbase"]["BTC"].as_array().unwrap().len(), 1);
    assert_eq!(get(&sim, "/control/truth?seconds=x").await.unwrap().status, 400);
    for (body, part) in [
        (r#"{"venue":"kraken","symbol":"NOPE","price":"1"}"#, "known: BTC, ETH, DOGE"),
        (r#"{"venue":"kraken","symbol":"BTC","price":"x"}"#, "not a decimal"),
        (r#"{"venue":"kraken","symbol":"BTC","price":"0"}"#, "above 0"),
    ] {
        let answer = request(&sim, "POST", "/control/price", "", body).await.unwrap();
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(part), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_counters_are_told() {
    let sim = still().await;
    let _ws = Ws::subscribed(&sim).await;
    let stats = get(&sim, "/control/stats").await.unwrap().json();
    assert_eq!(
        (&stats["kraken"]["attempts"], &stats["kraken"]["subscribed"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(stats["coinbase"]["requests"], 0, "control is not Coinbase");
}

#[tokio::test]
async fn a_script_injects_its_faults_at_their_times() {
    let spec = FaultSpec::new(Target::Kraken, Fault::Reset);
    let at = Duration::from_millis(700);
    let options = Options { script: vec![ScriptEntry { at, spec }], ..Options::still() };
    let sim = market_sim::start(options).await.unwrap();
    let mut ws = Ws::connect(&sim).await;
    assert!(crate::client::is_rst(&ws.end().await.unwrap()));
    let bad = FaultSpec::new(Target::Kraken, Fault::GzipBomb);
    let options = Options { script: vec![ScriptEntry { at, spec: bad }], ..Options::still() };
    let error = market_sim::start(options).await.err().unwrap().to_string();
    assert!(error.starts_with("script, entry 1: "), "{error}");
}

#[tokio::test]
async fn a_script_that_is_sent_plays_from_then_on() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    let play = |body: &'static str| request(&sim, "POST", "/control/script", "", body);
    let toml = "# what happened\n[[fault]]\nat_seconds = 0.3\ntarget = \"kraken\"\n\
        fault = \"maintenance\"\nseconds = 0.3\n";
    let started = Instant::now();
    let answer = play(toml).await.unwrap();
    assert_eq!((answer.status, answer.json()), (201, json!({"entries": 1})));
    play(r#"[{"at_seconds":0.1,"target":"kraken","fault":"post-only","seconds":0.1}]"#)
        .await
        .unwrap();
    for system in ["post_only", "online", "maintenance", "online"] {
        ws.until(|f| f["data"][0]["system"] == system).await;
    }
    assert!(started.elapsed() >= Duration::from_millis(600));
    for (body, part) in [
        ("[{}]", "script, entry 1: at_seconds must"),
        ("fault = 1", "script: a script is a list"),
        (
            r#"[{"at_seconds":0,"target":"kraken","fault":"gzip-bomb"}]"#,
            "script, entry 1: fault \"gzip-bomb\" exists only on coinbase",
        ),
    ] {
        let answer = play(body).await.unwrap();
        assert_eq!(answer.status, 400);
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{}", answer.body);
    }
}

#[tokio::test]
async fn stopping_closes_every_socket_and_frees_the_port() {
    let sim = still().await;
    let mut ws = Ws::subscribed(&sim).await;
    let listen = sim.addr;
    sim.stop().await;
    ws.end().await;
    let again = market_sim::start(Options { listen, ..Options::still() }).await.unwrap();
    let mut ws = Ws::subscribed(&again).await;
    assert!(again.truth().price_at(Venue::Kraken, "BTC", again.now_ms()).is_some());
    let taken = market_sim::start(Options { listen, ..Options::still() }).await.err().unwrap();
    assert!(taken.to_string().contains("cannot listen on"), "{taken}");
    drop(again);
    ws.end().await;
}
