//! Requests that a proxy in front of us may delimit otherwise than we do: refused, the connection
//! closed, and whatever followed on it not taken for a request. And HTTP/2, which is not spoken.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use support::raw::{Raw, alone, get};

/// Would be answered 200 if it were read.
const SMUGGLED: &str = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn no_request_that_can_be_delimited_in_two_ways_is_answered_nor_what_follows_it() {
    let (origin, _state) = alone("").await;
    let head = |line: &str| format!("GET /live HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n");
    let post = |line: &str| format!("POST /live HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n");
    let mut other = Raw::connect(&origin.url).await;
    let cases = [
        ("CL.TE", head("Content-Length: 6\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"),
        ("TE.CL", head("Transfer-Encoding: chunked\r\nContent-Length: 4") + "5c\r\n"),
        ("TE.0", head("Transfer-Encoding: chunked\r\nContent-Length: 0") + "0\r\n\r\n"),
        ("CL.TE by POST", post("Content-Length: 6\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"),
        ("TE twice", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")),
        ("TE in disguise", head("Transfer-Encoding: xchunked")),
        ("TE with a space before its colon", head("Transfer-Encoding : chunked")),
        ("TE after a tab", head("Transfer-Encoding:\tchunked") + "0\r\n\r\n"),
        ("TE in HTTP/1.0", "GET /live HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()),
        ("two lengths", head("Content-Length: 0\r\nContent-Length: 30")),
        ("two lengths the other way round", head("Content-Length: 30\r\nContent-Length: 0")),
        ("a list of lengths", head("Content-Length: 0, 0")),
        ("a signed length", head("Content-Length: +0")),
        ("a negative length", head("Content-Length: -1")),
        ("a long way to write nothing", head("Content-Length: 00")),
        ("a length beyond counting", head("Content-Length: 99999999999999999999999")),
        ("a hexadecimal length", head("Content-Length: 0x0")),
        ("a folded header", head("X: a\r\n b")),
        ("a folded length", head("Content-Length:\r\n 5")),
        ("a header that begins with a space", head(" Content-Length: 5")),
        ("a bad chunk", head("Transfer-Encoding: chunked") + "zz\r\nhello\r\n0\r\n\r\n"),
        ("a huge chunk", head("Transfer-Encoding: chunked") + "fffffffffffffffff\r\n"),
        ("a chunk extension", head("Transfer-Encoding: chunked") + "0;\n\r\n\r\n"),
        ("bare line feeds", "GET /live HTTP/1.1\nHost: x\n\n".to_owned()),
        ("a bare line feed in a header", head("X: a\nY: b")),
        ("two bare line feeds in a header", head("X: a\n\nGET /live HTTP/1.1")),
        ("a bare line feed before the end", "GET /live HTTP/1.1\r\nHost: x\r\n\n".to_owned()),
        ("a bare line feed before the request", format!("\n{SMUGGLED}")),
        ("a bare carriage return in a header", head("X: a\rY: b")),
        ("NUL in a header", head("X: a\0b")),
        ("NUL in a header's name", head("X\0: a")),
        ("NUL in the path", "GET /live\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a header without a name", head(": a")),
        ("a header without a colon", head("a header")),
        ("a space within a name", head("X Y: a")),
        ("more than one space", "GET  /live  HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a vertical tab", "GET\x0b/live HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
    ];
    for (what, bytes) in &cases {
        let mut raw = Raw::connect(&origin.url).await;
        raw.send(format!("{bytes}{SMUGGLED}")).await;
        let answer = raw.read_to_close().await;
        let statuses: Vec<_> = answer.matches("HTTP/1.1 ").collect();
        assert_eq!(statuses.len(), 1, "{what}: {answer}");
        let head = answer.to_ascii_lowercase();
        let is_refused = ["http/1.1 400", "http/1.1 405", "http/1.1 413"];
        assert!(is_refused.iter().any(|status| head.starts_with(status)), "{what}: {answer}");
        assert!(head.contains("connection: close\r\n"), "{what}: {answer}");
        assert!(!answer.contains("live"), "{what}: {answer}");
        assert_eq!(other.ask(get("/live", "")).await.status(), 200, "{what}: another connection");
    }
    println!("figures: {{\"sent\":{},\"smuggled\":0}}", cases.len());
    origin.end().await.unwrap();
}

#[tokio::test]
async fn http_2_is_not_spoken_so_none_of_its_floods_finds_a_listener() {
    let (origin, _state) = alone("").await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    // HEADERS on stream 1, its end; then RST_STREAM, a thousand times; then CONTINUATION.
    let headers = b"\0\0\x01\x01\x05\0\0\0\x01\x82";
    let reset = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08";
    let continuation = b"\0\0\x01\x09\0\0\0\0\x01\x82";
    let rapid_reset =
        [&preface[..], settings, &[&headers[..], reset].concat().repeat(1_000)].concat();
    let continued = [&preface[..], settings, &continuation.repeat(10_000)].concat();
    for bytes in [preface.to_vec(), [&preface[..], settings].concat(), rapid_reset, continued] {
        let mut raw = Raw::connect(&origin.url).await;
        raw.send(bytes).await;
        let answer = raw.read_to_close().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    }
    // An offer to change to it is not taken up: the answer is HTTP/1.1's, and so is the next.
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    let mut raw = Raw::connect(&origin.url).await;
    for headers in [offer, "Connection: Upgrade\r\nUpgrade: websocket\r\n", ""] {
        let answer = raw.ask(get("/live", headers)).await;
        assert_eq!((answer.status(), answer.header("upgrade")), (200, ""), "{answer:?}");
    }
    let tunnel = "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n";
    raw.ask(tunnel).await.assert_problem(404, "not_found");
    origin.end().await.unwrap();
}
