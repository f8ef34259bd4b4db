//! What a client sends and what the log says: no byte of the one may forge or break a line of the
//! other, at any level, in either format.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use support::program::Running;
use support::raw::{Raw, get};
use tokio::time::{Instant, sleep};

/// Longer than any line of ours, with any trace.
const LINE_LEN_MAX: usize = 2_048;
/// In everything the client sends.
const CANARY: &str = "canary7f3a";

/// What an attacker would put into a log: lines of their own, orders to the terminal, its end.
const POISONS: [&str; 8] = [
    "\r\n2026-01-01T00:00:00Z ERROR forged",
    "\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
    "\x1b[2J\x1b]0;title\x07",
    "\0",
    "\u{9b}31m\u{2028}\u{202e}",
    "%0d%0aforged%1b%00",
    "\",\"level\":\"ERROR\",\"forged\":\"",
    "\x7f\x08\x08\x08",
];

fn requests() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for poison in POISONS.into_iter().map(|poison| format!("{CANARY}{poison}")) {
        let long = poison.repeat(200);
        for said in [&poison, &long] {
            all.push(format!("GET /{said} HTTP/1.1\r\nHost: x\r\n\r\n"));
            all.push(format!("GET /api/v1/prices?{said} HTTP/1.1\r\nHost: x\r\n\r\n"));
            all.push(format!("{said} /live HTTP/1.1\r\nHost: x\r\n\r\n"));
            all.push(format!("GET http://{said}/ HTTP/1.1\r\nHost: x\r\n\r\n"));
            for name in [
                "Host",
                "Origin",
                "User-Agent",
                "Traceparent",
                "Tracestate",
                "If-None-Match",
                "Accept-Encoding",
                "X-Forwarded-For",
                "Content-Length",
                "Transfer-Encoding",
                "Upgrade",
                "Expect",
                "Connection",
                "Pricecast-Origin-Secret",
                CANARY,
            ] {
                all.push(format!("GET /api/v1/prices HTTP/1.1\r\n{name}: {said}\r\n\r\n"));
            }
            let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01{said}");
            all.push(format!("GET /live HTTP/1.1\r\nTraceparent: {parent}\r\n\r\n"));
        }
    }
    let mut all: Vec<_> = all.into_iter().map(String::into_bytes).collect();
    all.push((0..=255).collect());
    all
}

async fn log_after_all_of_it(format: &str) -> Vec<u8> {
    let env = [("PRICECAST_LOG__FORMAT", format), ("PRICECAST_LOG__LEVEL", "trace")];
    let origin = Running::start(&env);
    for request in requests() {
        let mut raw = Raw::connect(&origin.url).await;
        raw.send(request).await;
        // Some wait for more that does not come.
        let _ = tokio::time::timeout(Duration::from_millis(20), raw.answer()).await;
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request =
        format!("GET /live HTTP/1.1\r\nTraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n");
    assert_eq!(Raw::connect(&origin.url).await.ask(request).await.status(), 200);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !origin.log().contains(trace) {
        assert!(Instant::now() < deadline, "an honest trace is logged");
        sleep(Duration::from_millis(20)).await;
    }
    origin.raw_log()
}

/// The lines of a log, after what holds for both formats.
fn lines(log: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(log).expect("the log is UTF-8");
    assert!(!text.contains(CANARY), "a client's words are in the log");
    assert!(!text.contains("forged"));
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() > 50, "it logs: {} lines", lines.len());
    for line in &lines {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() <= LINE_LEN_MAX, "{} bytes: {line}", line.len());
    }
    lines
}

#[tokio::test]
async fn no_byte_of_a_request_forges_or_breaks_a_line_of_the_log_for_people() {
    let log = log_after_all_of_it("text").await;
    for line in lines(&log) {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{line}");
        let level = rest.trim_start().split(' ').next().unwrap();
        assert!(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&level), "{line}");
        assert_ne!(level, "ERROR", "{line}");
    }
}

#[tokio::test]
async fn no_byte_of_a_request_forges_or_breaks_a_line_of_the_log_for_machines() {
    let log = log_after_all_of_it("json").await;
    for line in lines(&log) {
        let entry: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(entry["timestamp"].is_string() && entry["target"].is_string(), "{line}");
        assert_ne!(entry["level"], "ERROR", "{line}");
    }
}

#[tokio::test]
async fn whoever_cannot_be_reached_is_named_once_for_each_attempt_and_no_password_is() {
    let redis = [
        ("PRICECAST_STORE", "redis"),
        ("PRICECAST_REDIS__URL", "redis://:canary7f3a@127.0.0.1:1/0"),
    ];
    let seen = async |env: &[(&str, &str)], parts: &[&str]| {
        let origin = Running::start(env);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !parts.iter().all(|part| origin.log().contains(part)) {
            assert!(Instant::now() < deadline, "{parts:?} in {}", origin.log());
            sleep(Duration::from_millis(20)).await;
        }
        origin.log()
    };
    let log = seen(&redis, &["call Redis at 127.0.0.1:1 (look): "]).await;
    assert!(!log.contains(CANARY), "{log}");
    let kraken = "connect to Kraken at ws://127.0.0.1:1/v2: ";
    let log = seen(&[], &[kraken, "ask Coinbase at 127.0.0.1:1 for prices: "]).await;
    assert!(log.lines().any(|line| line.contains(kraken) && line.contains("next attempt in ")));
    assert!(!log.contains("connection ended"), "one line tells of it: {log}");
}

#[tokio::test]
async fn a_failure_told_to_the_edge_is_logged_with_its_trace_and_a_strangers_is_not() {
    let origin = Running::start(&[("PRICECAST_ACCESS__SECRETS", "secret-of-yesterday")]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let ask = |secret: &str, trace: &str| {
        let parent = format!("Traceparent: 00-{trace}-00f067aa0ba902b7-00\r\n");
        get("/nowhere", &format!("{parent}Pricecast-Origin-Secret: {secret}\r\n"))
    };
    let other = trace.replace('4', "5");
    let refused = Raw::connect(&origin.url).await.ask(ask("guess", &other)).await;
    assert_eq!(refused.status(), 403);
    let mut edge = Raw::connect(&origin.url).await;
    for _ in 0..3 {
        assert_eq!(edge.ask(ask("secret-of-yesterday", trace)).await.status(), 404);
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while !origin.log().contains(trace) {
        assert!(Instant::now() < deadline, "{}", origin.log());
        sleep(Duration::from_millis(20)).await;
    }
    let log = origin.log();
    assert_eq!(log.matches(trace).count(), 1, "once a minute: {log}");
    assert!(log.lines().any(|line| line.contains(trace) && line.contains("WARN")), "{log}");
    assert!(!log.contains(&other), "{log}");
}
