//! A good answer as a broken server, or a newer one, sends it. Pure.

use crate::fault::{Fault, FaultBoard};
use crate::http::Response;
use crate::market::Venue;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

const VENUE: Venue = Venue::Coinbase;
const HUGE_BYTES: usize = 10 * 1024 * 1024;
const BOMB_BYTES: usize = 64 * 1024 * 1024;

/// Bodies of an exchange that is not itself: cut and wrong JSON, other types, nothing.
const GARBAGE: [&str; 7] = [
    r#"{"products":[{"product_id":"BTC-USD","price":"#,
    "null",
    "[]",
    r#"{"products":{"BTC-USD":1}}"#,
    r#"{"products":[42,null,{"product_id":7,"price":[]}]}"#,
    "CloudFlare proxy restarting",
    "",
];

/// What a newer version might add: around the list, in it, in each product, and as a value.
const NEWS: [(&str, &str); 3] = [
    (
        r#"{"products":["#,
        r#"{"sequence":[1,{"of":2}],"products":[{"bundle_id":"BTC-USD","price":"4.0"},"#,
    ),
    (r#"{"product_id":"#, r#"{"regime":{"price":"3.0","phase":null},"product_id":"#),
    (r#""product_type":"SPOT""#, r#""product_type":"HYPERSPOT""#),
];

/// The answer under the active faults; `turn` counts requests.
pub(super) fn spoilt(mut response: Response, board: &FaultBoard, turn: u64) -> Response {
    if board.has(VENUE, Fault::Garbage) {
        let turn = usize::try_from(turn).unwrap_or(0);
        response.status = 200;
        response.body = GARBAGE.get(turn % GARBAGE.len()).unwrap_or(&"").as_bytes().to_vec();
    }
    if board.has(VENUE, Fault::Novelties) {
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let novel = NEWS.iter().fold(text, |text, (known, new)| text.replace(known, new));
        response.body = novel.into_bytes();
    }
    if board.has(VENUE, Fault::EmptyBody) {
        response.body.clear();
    }
    if let Some(fault) = board.find(VENUE, Fault::HugeBody) {
        // Valid JSON: white space may follow any value.
        response.body.resize(fault.spec.bytes.unwrap_or(HUGE_BYTES), b' ');
    }
    if let Some(fault) = board.find(VENUE, Fault::GzipBomb) {
        response = bomb(response, fault.spec.bytes.unwrap_or(BOMB_BYTES));
    }
    if board.has(VENUE, Fault::WrongContentType) {
        response.content_type = "text/plain; charset=utf-8";
    }
    response
}

/// Packs the answer, and white space up to so many bytes.
fn bomb(response: Response, bytes: usize) -> Response {
    let pack = || -> io::Result<Vec<u8>> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&response.body)?;
        let blank = [b' '; 64 * 1024];
        for _ in 0..bytes.saturating_sub(response.body.len()).div_ceil(blank.len()) {
            packed.write_all(&blank)?;
        }
        packed.finish()
    };
    match pack() {
        Ok(body) => Response { body, ..response }.with("content-encoding", "gzip"),
        Err(error) => Response::new(500, "text/plain", error.to_string()),
    }
}
