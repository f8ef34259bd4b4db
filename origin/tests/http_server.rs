//! The listener against clients that speak another language, say too much or announce what they
//! do not send.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use support::raw::{Raw, alone, get};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_is_no_http_1_is_refused_and_the_connection_closed() {
    let (origin, _state) = alone("").await;
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "400"),
        (b"HELLO\r\n\r\n", "400"),
        (b"GET /live HTTP/9.9\r\n\r\n", "400"),
    ] {
        let mut raw = Raw::connect(&origin.url).await;
        raw.send(bytes).await;
        let answer = raw.read_to_close().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_request_larger_than_any_of_ours_is_told_its_limit_and_the_connection_closed() {
    let (origin, _state) = alone("").await;
    let padded = |length: usize| format!("X: {}\r\n", "y".repeat(length));
    for (request, status, code) in [
        (get(&format!("/live?{}", "q".repeat(2_042)), ""), 200, ""),
        (get(&format!("/live?{}", "q".repeat(2_043)), ""), 414, "uri_too_long"),
        (get("/live", &padded(16_000)), 200, ""),
        (get("/live", &padded(16_400)), 431, "headers_too_large"),
        (get("/live", &padded(30_000)), 431, "headers_too_large"),
    ] {
        let mut raw = Raw::connect(&origin.url).await;
        let answer = raw.ask(request).await;
        match status {
            200 => assert_eq!(answer.status(), 200),
            status => {
                answer.assert_problem(status, code);
                assert_eq!(answer.header("connection"), "close");
                assert!(!raw.is_open().await);
            }
        }
    }
    // What is longer still, or has too many lines, is not read to its end: hyper's bare answer.
    for headers in [padded(200_000), "x: y\r\n".repeat(200)] {
        let mut raw = Raw::connect(&origin.url).await;
        raw.send(get("/live", &headers)).await;
        let answer = raw.read_to_close().await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn an_announced_body_is_refused_at_once_and_never_awaited() {
    let (origin, _state) = alone("").await;
    for (method, framing, status, code) in [
        ("GET", "Content-Length: 1000000\r\n", 413, "body_not_allowed"),
        ("HEAD", "Content-Length: 1000000\r\n", 413, ""),
        ("OPTIONS", "Content-Length: 10\r\n", 413, "body_not_allowed"),
        ("GET", "Transfer-Encoding: chunked\r\n", 413, "body_not_allowed"),
        ("GET", "Content-Length: 10\r\nExpect: 100-continue\r\n", 413, "body_not_allowed"),
        ("POST", "Content-Length: 1000000\r\n", 405, "method_not_allowed"),
        ("PUT", "Transfer-Encoding: chunked\r\n", 405, "method_not_allowed"),
    ] {
        let began = Instant::now();
        let mut raw = Raw::connect(&origin.url).await;
        raw.send(format!("{method} /live HTTP/1.1\r\nHost: x\r\n{framing}\r\nhalf a")).await;
        let answer = raw.read_to_close().await;
        let head = answer.to_ascii_lowercase();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method}: {answer}");
        assert!(head.contains("connection: close\r\n"), "{method}: {answer}");
        assert!(answer.contains(code), "{method}: {answer}");
        assert!(began.elapsed() < 2 * SECOND, "{method}: {:?}", began.elapsed());
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_goes_on_sending() {
    let (origin, _state) = alone("").await;
    for _ in 0..20 {
        let mut raw = Raw::connect(&origin.url).await;
        raw.send("GET /live HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").await;
        raw.send(vec![b'x'; 100_000]).await;
        let answer = raw.read_to_close().await;
        assert!(answer.contains("body_not_allowed"), "{answer}");
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (origin, _state) = alone("").await;
    let mut raw = Raw::connect(&origin.url).await;
    let last = get("/nowhere", "Connection: close\r\n");
    raw.send([get("/live", ""), get("/live", ""), last].concat()).await;
    let answer = raw.read_to_close().await;
    let statuses: Vec<_> =
        answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "404"]);
    origin.end().await.unwrap();
}

#[tokio::test]
async fn metrics_are_on_their_own_listener_and_nowhere_else() {
    let (origin, _state) = alone("access.secrets = [\"secret-of-yesterday\"]").await;
    for path in ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/api/v1/../../metrics"] {
        let mut raw = Raw::connect(&origin.url).await;
        let answer = raw.ask(get(path, "Pricecast-Origin-Secret: secret-of-yesterday\r\n")).await;
        answer.assert_problem(404, "not_found");
    }
    let counted = "pricecast_http_requests_total{resource=\"none\",status=\"404\"}";
    assert_eq!(origin.metric(counted).await, 5.0);
    origin.end().await.unwrap();
}
