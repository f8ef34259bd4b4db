//! Ticker frames as a broken exchange, or something in between, would send them.

use super::messages;
use crate::fault::{ActiveFault, BadNumber, Fault, FaultBoard};
use crate::market::{Quote, Venue};
use tokio_tungstenite::tungstenite::Message;

/// What has come out of Kraken's socket, or of a proxy before it, besides v2 frames: a proxy's
/// restart notice, v1 frames, an unknown channel, cut and wrong JSON, a limit notice.
const GARBAGE: [&str; 9] = [
    "CloudFlare WebSocket proxy restarting",
    r#"[340,{"a":["83744.30000",0,"0.564"],"b":["83744.20000",3,"3.1"],"c":["83744.3","0.1"]},"ticker","XBT/USD"]"#,
    r#"{"event":"heartbeat"}"#,
    r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","last":"#,
    r#"{"channel":"ticker","type":"update","data":{"symbol":"BTC/USD"}}"#,
    r#"{"channel":"galaxy","type":"update","data":[42]}"#,
    r#"{"Error":"Exceeded msg rate"}"#,
    "null",
    "",
];

/// The ticker frame under the active faults: usually the frame, sometimes noise.
pub(super) fn ticker(
    board: &FaultBoard,
    kind: &str,
    symbol: &str,
    quote: &Quote,
    turn: usize,
) -> Message {
    let venue = Venue::Kraken;
    if board.has(venue, Fault::Garbage) {
        return match GARBAGE.get(turn % (GARBAGE.len() + 1)) {
            Some(text) => Message::text(*text),
            None => Message::binary(vec![0x00, 0xff, 0xfe, 0x80]),
        };
    }
    if board.has(venue, Fault::EmptyBody) {
        return Message::text("");
    }
    let mut frame = messages::ticker(kind, &format!("{symbol}/USD"), quote);
    if board.has(venue, Fault::Novelties) {
        frame = novel(&frame, kind);
    }
    if let Some(fault) = board.find_for(venue, Fault::BadNumber, symbol) {
        let last = format!(r#""last":{}"#, quote.last);
        let bad = format!(r#""last":{}"#, bad_number(fault, quote, turn));
        frame = frame.replace(&last, &bad);
    }
    if board.has(venue, Fault::TruncatedBody) {
        frame.truncate(frame.len() / 2);
    }
    if board.has(venue, Fault::WrongContentType) {
        return Message::binary(frame.into_bytes());
    }
    Message::text(frame)
}

/// Messages no documentation knows, well-formed.
pub(super) const NEWS: [&str; 3] = [
    r#"{"channel":"galaxy","type":"delta","data":[{"symbol":"BTC/USD","last":1.0}],"sequence":7}"#,
    r#"{"method":"announce","result":{"symbol":"BTC/USD","last":2.0},"success":true}"#,
    r#"{"notice":{"level":"calm","symbols":["BTC/USD"]}}"#,
];

/// The same frame with new fields around and in its record, and a new word for an update.
fn novel(frame: &str, kind: &str) -> String {
    let kind = if kind == "update" { "revision" } else { kind };
    frame
        .replacen(r#""type":"update""#, &format!(r#""type":"{kind}","sequence":[1,{{"of":2}}]"#), 1)
        .replacen(r#""data":[{"#, r#""data":[{"regime":{"last":3.0,"phase":null},"#, 1)
}

/// A well-formed ticker frame of an absurd size, for a symbol that does not exist.
pub(super) fn huge_frame(bytes: usize) -> String {
    let head = r#"{"channel":"ticker","type":"update","data":[{"symbol":"#;
    format!(r#"{head}"{}/USD"}}]}}"#, "X".repeat(bytes.saturating_sub(head.len() + 9)))
}

fn bad_number(fault: &ActiveFault, quote: &Quote, turn: usize) -> String {
    match fault.bad_number(turn) {
        BadNumber::Zero => String::from("0"),
        BadNumber::Negative => format!("-{}", quote.last),
        BadNumber::Nan => String::from("NaN"),
        BadNumber::Infinite => String::from("Infinity"),
        BadNumber::Overflow => String::from("1e400"),
        BadNumber::Empty => String::from(r#""""#),
        BadNumber::Null => String::from("null"),
        BadNumber::Absurd => "9".repeat(40),
        BadNumber::WrongType => String::from("true"),
    }
}
