//! How much may be asked: connections and requests, in all and by address. The clients come from
//! loopback, so that it must not be trusted where they are to be limited.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use support::raw::{Raw, alone, get};
use tokio::time::{Instant, sleep};

const OF_SECRET: &str = "Pricecast-Origin-Secret: secret-of-yesterday\r\n";
/// Always answered 200, unlike prices before the first one, and not a probe.
const DOCUMENT: &str = "/openapi.json";

async fn limited(origin: &support::Origin, reason: &str) -> f64 {
    origin.metric(&format!("pricecast_http_limited_total{{reason=\"{reason}\"}}")).await
}

#[tokio::test]
async fn beyond_the_most_connections_one_is_told_to_come_again_and_closed() {
    let (origin, _state) = alone("http.connections_max = 1").await;
    let mut first = Raw::connect(&origin.url).await;
    assert_eq!(first.ask(get(DOCUMENT, "")).await.status(), 200);
    let mut second = Raw::connect(&origin.url).await;
    let answer = second.ask(get(DOCUMENT, "")).await;
    answer.assert_problem(503, "overloaded");
    assert_eq!(answer.header("connection"), "close");
    assert!(!second.is_open().await);
    assert_eq!(limited(&origin, "connections").await, 1.0);
    let probe = Raw::connect(&origin.url).await.ask(get("/live", "")).await;
    assert_eq!(probe.status(), 200, "a probe tells of the process, not of the load");

    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    while Raw::connect(&origin.url).await.ask(get(DOCUMENT, "")).await.status() != 200 {
        assert!(Instant::now() < deadline, "the place was not free again");
        sleep(Duration::from_millis(20)).await;
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn whoever_would_be_told_so_and_says_nothing_keeps_the_others_waiting_for_a_second_only() {
    let (origin, _state) = alone("http.connections_max = 1").await;
    let _first = Raw::connect(&origin.url).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(Raw::connect(&origin.url).await);
    }
    let mut late = Raw::connect(&origin.url).await;
    let began = Instant::now();
    late.ask(get(DOCUMENT, "")).await.assert_problem(503, "overloaded");
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(700), "{waited:?}: there was room to tell it");
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_more_only_with_the_secret() {
    let more = "http.connections_per_address_max = 2\nhttp.trusted_proxies = []\n\
                access.secrets = [\"secret-of-yesterday\"]";
    let (origin, _state) = alone(more).await;
    let _strangers = silent(&origin.url, 2).await;
    let mut third = Raw::connect(&origin.url).await;
    third.ask(get(DOCUMENT, "")).await.assert_problem(429, "too_many_requests");
    assert!(!third.is_open().await);
    assert_eq!(limited(&origin, "connections_per_address").await, 1.0);

    let mut edges = Vec::new();
    for _ in 0..10 {
        let mut edge = Raw::connect(&origin.url).await;
        assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200);
        edges.push(edge);
    }
    for edge in &mut edges {
        assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200, "and it stays");
    }
    origin.end().await.unwrap();
}

/// Connections that say nothing.
async fn silent(url: &str, count: usize) -> Vec<Raw> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(Raw::connect(url).await);
    }
    all
}

#[tokio::test]
async fn however_many_strangers_are_silent_at_its_address_or_at_others_the_edge_comes_in_and_stays()
{
    // Beyond the share of the one address, and beyond the total.
    for (limits, held) in [
        ("http.connections_per_address_max = 8\nhttp.trusted_proxies = []", 200),
        ("http.connections_max = 8", 8 + 64),
    ] {
        let (origin, _state) =
            alone(&format!("{limits}\naccess.secrets = [\"secret-of-yesterday\"]")).await;
        let mut strangers = silent(&origin.url, held).await;
        let mut edges = Vec::new();
        for _ in 0..6 {
            let mut edge = Raw::connect(&origin.url).await;
            let began = Instant::now();
            assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200, "{limits}");
            assert!(began.elapsed() < Duration::from_millis(1_000), "it waits for no deadline");
            edges.push(edge);
        }
        strangers.extend(silent(&origin.url, held).await);
        for edge in &mut edges {
            assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200, "{limits}");
        }
        origin.end().await.unwrap();
    }
}

#[tokio::test]
async fn with_every_connection_taken_the_probes_are_answered_beside_the_metrics() {
    let (origin, _state) = alone("http.connections_max = 1").await;
    let _strangers = silent(&origin.url, 1 + 64 + 10).await;
    let beside = origin.metrics_url.trim_end_matches("/metrics").to_owned();
    for (path, status) in [("/live", 200), ("/ready", 503), ("/api/v1/prices", 404)] {
        let mut probe = Raw::connect(&beside).await;
        let began = Instant::now();
        let answer = probe.ask(get(path, "")).await;
        assert_eq!(answer.status(), status, "{path}");
        assert!(began.elapsed() < Duration::from_millis(700), "it waits for nobody");
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn whoever_is_closed_for_one_that_shows_the_secret_is_counted() {
    let (origin, _state) =
        alone("http.connections_max = 1\naccess.secrets = [\"secret-of-yesterday\"]").await;
    let mut stranger = Raw::connect(&origin.url).await;
    let mut edge = Raw::connect(&origin.url).await;
    assert_eq!(limited(&origin, "connections").await, 0.0);
    assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200);
    assert!(!stranger.is_open().await);
    assert_eq!(limited(&origin, "connections").await, 1.0);
    assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200);
    assert_eq!(limited(&origin, "connections").await, 1.0, "it has its place");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn whoever_says_nothing_is_counted_as_refused_too() {
    let more = "http.connections_per_address_max = 1\nhttp.trusted_proxies = []";
    let (origin, _state) = alone(more).await;
    let mut strangers = silent(&origin.url, 1 + 64 + 2).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while limited(&origin, "connections_per_address").await < 2.0 {
        assert!(Instant::now() < deadline, "two were closed at once");
        sleep(Duration::from_millis(20)).await;
    }
    while limited(&origin, "too_slow").await < 65.0 {
        assert!(Instant::now() < deadline, "the rest when their time was over");
        sleep(Duration::from_millis(20)).await;
    }
    strangers.clear();
    assert_eq!(limited(&origin, "connections_per_address").await, 2.0, "each once");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn where_there_is_a_secret_a_connection_that_has_not_shown_it_ends_with_its_answer() {
    let (origin, _state) = alone("access.secrets = [\"secret-of-yesterday\"]").await;
    for (path, status) in [("/live", 200), ("/ready", 503), (DOCUMENT, 403), ("/nowhere", 403)] {
        let mut stranger = Raw::connect(&origin.url).await;
        let answer = stranger.ask(get(path, "")).await;
        assert_eq!((answer.status(), answer.header("connection")), (status, "close"), "{path}");
        assert!(!stranger.is_open().await, "{path}");
    }
    let mut edge = Raw::connect(&origin.url).await;
    assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200);
    assert_eq!(edge.ask(get("/live", "")).await.header("connection"), "");
    assert_eq!(edge.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200, "and it stays");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn probes_take_no_place_and_have_a_bucket_of_their_own() {
    let more = "http.requests_max = 1\nhttp.trusted_proxies = []";
    let (origin, _state) = alone(more).await;
    let mut greedy = Raw::connect_narrow(&origin.url).await;
    let ask = greedy.send(get("/ready", "").repeat(20_000));
    // It will not be taken: neither end of the connection is read.
    let _ = tokio::time::timeout(Duration::from_millis(500), ask).await;
    let mut other = Raw::connect(&origin.url).await;
    assert_eq!(other.ask(get(DOCUMENT, "")).await.status(), 200, "the only place is free");

    let mut refused = 0;
    for _ in 0..1_000 {
        match other.ask(get("/live", "")).await {
            answer if answer.status() == 200 => {}
            answer => {
                answer.assert_problem(429, "too_many_requests");
                refused += 1;
            }
        }
    }
    drop(greedy);
    assert!(refused > 0, "without end");
    assert_eq!(other.ask(get(DOCUMENT, "")).await.status(), 200, "the other bucket is not empty");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn whatever_address_a_header_names_one_peer_has_one_bucket() {
    let (origin, _state) = alone("http.trusted_proxies = []").await;
    let began = Instant::now();
    let mut raw = Raw::connect(&origin.url).await;
    let mut answered = 0;
    for i in 0..1_000 {
        let address = format!("198.51.{}.{}", i / 256, i % 256);
        let headers = format!(
            "X-Forwarded-For: {address}\r\nX-Real-IP: {address}\r\nForwarded: for={address}\r\n\
             CF-Connecting-IP: {address}\r\nTrue-Client-IP: {address}\r\n"
        );
        let answer = raw.ask(get(DOCUMENT, &headers)).await;
        match answer.status() {
            200 => answered += 1,
            _ => answer.assert_problem(429, "too_many_requests"),
        }
    }
    let refilled = began.elapsed().as_millis() / 50 + 1;
    assert!((100..=100 + refilled).contains(&answered), "{answered} of 1000, {refilled} refilled");
    for path in ["/live", "/ready"] {
        let status = raw.ask(get(path, "")).await.status();
        assert_ne!(status, 429, "probes have another bucket");
    }
    let refused = 1_000 - u32::try_from(answered).unwrap();
    assert_eq!(limited(&origin, "requests_per_address").await, f64::from(refused));
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_trusted_proxy_is_not_limited_by_its_address() {
    let (origin, _state) = alone("http.connections_per_address_max = 1").await;
    let mut first = Raw::connect(&origin.url).await;
    let mut second = Raw::connect(&origin.url).await;
    for _ in 0..150 {
        assert_eq!(first.ask(get(DOCUMENT, "")).await.status(), 200);
        assert_eq!(second.ask(get(DOCUMENT, "")).await.status(), 200);
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn while_secrets_are_rotated_both_are_answered_and_neither_is_limited_by_address() {
    let more = "http.requests_per_address_per_s = 1\nhttp.trusted_proxies = []\n\
                access.secrets = [\"secret-of-yesterday\", \"secret-of-tomorrow\"]";
    let (origin, _state) = alone(more).await;
    let mut old = Raw::connect(&origin.url).await;
    let mut new = Raw::connect(&origin.url).await;
    for _ in 0..200 {
        assert_eq!(old.ask(get(DOCUMENT, OF_SECRET)).await.status(), 200);
        let request = get(DOCUMENT, "Pricecast-Origin-Secret: secret-of-tomorrow\r\n");
        assert_eq!(new.ask(request).await.status(), 200);
    }
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let mut stranger = Raw::connect(&origin.url).await;
        let answer =
            stranger.ask(get(DOCUMENT, "Pricecast-Origin-Secret: secret-of-yesterdays\r\n")).await;
        statuses.push(answer.status());
    }
    assert_eq!(statuses[..5], [403; 5]);
    assert!(statuses.contains(&429), "guessing is limited too: {statuses:?}");
    println!("figures: {{\"answered\":400,\"refused\":0}}");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_nobody_takes_keeps_its_place_and_beyond_the_places_it_is_503() {
    let more = "http.requests_max = 1\naccess.secrets = [\"secret-of-yesterday\"]";
    let (origin, _state) = alone(more).await;
    let mut greedy = Raw::connect(&origin.url).await;
    let ask = greedy.send(get(DOCUMENT, OF_SECRET).repeat(2_000));
    // It will not be taken: neither end of the connection is read.
    let _ = tokio::time::timeout(Duration::from_millis(500), ask).await;
    let mut other = Raw::connect(&origin.url).await;
    let answer = other.ask(get(DOCUMENT, OF_SECRET)).await;
    answer.assert_problem(503, "overloaded");
    assert_eq!(answer.header("connection"), "", "the connection is good for another try");
    assert_eq!(other.ask(get("/live", "")).await.status(), 200);
    assert_eq!(limited(&origin, "requests").await, 1.0);
    drop(greedy);
    let deadline = Instant::now() + Duration::from_secs(5);
    while other.ask(get(DOCUMENT, OF_SECRET)).await.status() != 200 {
        assert!(Instant::now() < deadline, "the place was not free again");
        sleep(Duration::from_millis(20)).await;
    }
    origin.end().await.unwrap();
}
