//! The listener against clients that are slow, silent, greedy or speak another language.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use support::Origin;
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const REQUEST: &[u8] = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n";

/// An origin whose exchanges are not there, which is enough for these tests.
async fn origin(more: &str) -> (Origin, TempDir) {
    let state = tempdir().unwrap();
    let (kraken, coinbase) = ("ws://127.0.0.1:1/v2", "http://127.0.0.1:1");
    let origin = Origin::start_at(kraken, coinbase, &state, more).await;
    (origin, state)
}

async fn connect(origin: &Origin) -> TcpStream {
    TcpStream::connect(origin.url.trim_start_matches("http://")).await.unwrap()
}

/// Everything the server says until it closes; a reset counts as closing.
async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn whoever_does_not_send_a_whole_head_within_ten_seconds_is_cut_off() {
    let (origin, _state) = origin("").await;
    let mut silent = connect(&origin).await;
    let mut slow = connect(&origin).await;
    let mut kept_alive = connect(&origin).await;
    kept_alive.write_all(REQUEST).await.unwrap();
    let began = Instant::now();
    let drip = async {
        for byte in b"GET /live HTTP/1.1\r\nHost: ".iter().cycle() {
            if slow.write_all(&[*byte]).await.is_err() {
                return began.elapsed();
            }
            sleep(Duration::from_millis(250)).await;
        }
        unreachable!()
    };
    let silent = async {
        read_to_close(&mut silent).await;
        began.elapsed()
    };
    let kept_alive = async {
        assert!(read_to_close(&mut kept_alive).await.starts_with("HTTP/1.1 200"));
        began.elapsed()
    };
    let all = timeout(20 * SECOND, async { tokio::join!(drip, silent, kept_alive) });
    let (slow, silent, kept_alive) = all.await.expect("someone was never cut off");
    for (who, after) in [("slow", slow), ("silent", silent), ("kept alive", kept_alive)] {
        assert!((9 * SECOND..14 * SECOND).contains(&after), "{who} cut off after {after:?}");
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_cut_off() {
    let (origin, _state) = origin("").await;
    let mut greedy = connect(&origin).await;
    let many = REQUEST.repeat(1_000);
    let cut_off = timeout(30 * SECOND, async { while greedy.write_all(&many).await.is_ok() {} });
    cut_off.await.expect("it was served for ever");
    assert_eq!(origin.get("/live").await.status(), 200, "others are served meanwhile");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn other_languages_and_huge_heads_are_refused_and_the_connection_closed() {
    let (origin, _state) = origin("").await;
    let huge = format!("GET /live HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "400"),
        (b"HELLO\r\n\r\n", "400"),
        (b"GET /live HTTP/9.9\r\n\r\n", "400"),
        (b"GET /live\x00 HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400"),
        (huge.as_bytes(), "431"),
    ] {
        let mut stream = connect(&origin).await;
        // The server may have answered and closed before all is written.
        let _ = stream.write_all(bytes).await;
        let answer = timeout(5 * SECOND, read_to_close(&mut stream)).await.unwrap();
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.is_empty() || answer.starts_with(&expected), "{answer}");
    }
    origin.end().await.unwrap();
}

#[tokio::test]
async fn a_smuggled_second_request_is_not_answered() {
    let (origin, _state) = origin("").await;
    let mut stream = connect(&origin).await;
    let both =
        b"GET /live HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
                 0\r\n\r\nGET /ready HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(both).await.unwrap();
    let answer = timeout(15 * SECOND, read_to_close(&mut stream)).await.unwrap();
    assert!(!answer.contains("200 OK"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    origin.end().await.unwrap();
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (origin, _state) = origin("").await;
    let mut stream = connect(&origin).await;
    let last = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(&[REQUEST, REQUEST, last].concat()).await.unwrap();
    let answer = timeout(5 * SECOND, read_to_close(&mut stream)).await.unwrap();
    let statuses: Vec<_> =
        answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "404"]);
    origin.end().await.unwrap();
}

#[tokio::test]
async fn beyond_the_most_connections_one_waits_for_its_turn() {
    let (origin, _state) = origin("http.connections_max = 1").await;
    let mut first = connect(&origin).await;
    first.write_all(REQUEST).await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = connect(&origin).await;
    second.write_all(REQUEST).await.unwrap();
    let early = timeout(Duration::from_millis(500), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "it had to wait");
    drop(first);
    timeout(5 * SECOND, second.read_exact(&mut byte)).await.unwrap().unwrap();
    origin.end().await.unwrap();
}

#[tokio::test]
async fn metrics_are_on_their_own_listener_and_nowhere_else() {
    let (origin, _state) = origin("").await;
    assert_eq!(origin.get("/metrics").await.status(), 404);
    assert_eq!(
        origin.metric("pricecast_http_requests_total{resource=\"none\",status=\"404\"}").await,
        1.0
    );
    origin.end().await.unwrap();
}
