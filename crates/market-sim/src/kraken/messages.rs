//! Frames of Kraken's WebSocket v2, written from their documentation and from recordings.
//!
//! <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker.md>,
//! <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status.md> (2026-11). Numbers
//! are JSON numbers with the pair's own decimals, which no serialiser of floats would keep; hence
//! text is put together here.

use crate::clock::rfc3339_us;
use crate::market::Quote;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;

/// Sent about once a second when a subscribed socket has nothing else to say.
pub(crate) const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;

/// What a client may ask. Unknown fields are tolerated, as Kraken tolerates them.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) params: Option<Params>,
    pub(crate) req_id: Option<i64>,
}

/// `params` of a subscribe or unsubscribe.
#[derive(Debug, Deserialize)]
pub(crate) struct Params {
    pub(crate) channel: Option<String>,
    #[serde(default)]
    pub(crate) symbol: Vec<String>,
    pub(crate) event_trigger: Option<String>,
    pub(crate) snapshot: Option<bool>,
}

/// Which changes a subscription is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Trades,
    Bbo,
}

impl Trigger {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Trigger::Trades => "trades",
            Trigger::Bbo => "bbo",
        }
    }
}

/// When a request came in and when its answer left, epoch µs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) received_us: i64,
    pub(crate) sent_us: i64,
}

/// The frame sent on connect and whenever the state of the engine changes.
pub(crate) fn status(system: &str, connection_id: u64) -> String {
    format!(
        r#"{{"channel":"status","type":"update","data":[{{"version":"2.0.10","system":"{system}","api_version":"v2","connection_id":{connection_id},"upcoming_maintenance":[],"emergency":[]}}]}}"#
    )
}

/// One symbol's acceptance.
pub(crate) fn subscribed(
    pair: &str,
    trigger: Trigger,
    snapshot: bool,
    req_id: Option<i64>,
    times: Times,
) -> String {
    format!(
        r#"{{"method":"subscribe"{},"result":{{"channel":"ticker","event_trigger":"{}","snapshot":{snapshot},"symbol":{}}},"success":true,{}}}"#,
        id(req_id),
        trigger.as_str(),
        quoted(pair),
        stamps(times)
    )
}

/// One symbol's end of subscription.
pub(crate) fn unsubscribed(
    pair: &str,
    trigger: Trigger,
    req_id: Option<i64>,
    times: Times,
) -> String {
    format!(
        r#"{{"method":"unsubscribe"{},"result":{{"channel":"ticker","event_trigger":"{}","symbol":{}}},"success":true,{}}}"#,
        id(req_id),
        trigger.as_str(),
        quoted(pair),
        stamps(times)
    )
}

/// A refusal: no `result`, the symbol at the top level where there is one.
pub(crate) fn refused(
    error: &str,
    method: &str,
    pair: Option<&str>,
    req_id: Option<i64>,
    times: Times,
) -> String {
    let symbol = pair.map(|pair| format!(r#","symbol":{}"#, quoted(pair))).unwrap_or_default();
    format!(
        r#"{{"error":{},"method":{}{},"success":false{symbol},{}}}"#,
        quoted(error),
        quoted(method),
        id(req_id),
        stamps(times)
    )
}

/// The answer to an application ping.
pub(crate) fn pong(req_id: Option<i64>, times: Times) -> String {
    format!(r#"{{"method":"pong"{},{}}}"#, id(req_id), stamps(times))
}

/// A ticker frame: always the full record, in a snapshot as in an update.
pub(crate) fn ticker(kind: &str, pair: &str, quote: &Quote) -> String {
    let mut frame = format!(
        concat!(
            r#"{{"channel":"ticker","type":"{}","data":[{{"symbol":{},"bid":{},"bid_qty":{},"#,
            r#""ask":{},"ask_qty":{},"last":{},"volume":{},"vwap":{},"low":{},"high":{},"#,
            r#""change":{},"change_pct":{}"#
        ),
        kind,
        quoted(pair),
        quote.bid,
        quote.bid_qty,
        quote.ask,
        quote.ask_qty,
        quote.last,
        quote.volume,
        quote.vwap,
        quote.low,
        quote.high,
        quote.change(),
        quote.change_pct(2),
    );
    // Writing to a String cannot fail.
    if let Some(trades) = quote.trades {
        let _ = write!(frame, r#","trades":{trades}"#);
    }
    if let Some(at_us) = quote.at_us {
        let _ = write!(frame, r#","timestamp":"{}""#, rfc3339_us(at_us));
    }
    frame.push_str("}]}");
    frame
}

fn id(req_id: Option<i64>) -> String {
    req_id.map(|id| format!(r#","req_id":{id}"#)).unwrap_or_default()
}

fn stamps(times: Times) -> String {
    let (received, sent) = (rfc3339_us(times.received_us), rfc3339_us(times.sent_us));
    format!(r#""time_in":"{received}","time_out":"{sent}""#)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| String::from("\"\""))
}

/// Whether `params` was sent at all: Kraken refuses it on a ping.
#[derive(Debug, Deserialize)]
pub(crate) struct Probe<'a> {
    pub(crate) method: Option<String>,
    #[serde(borrow)]
    pub(crate) params: Option<&'a RawValue>,
    pub(crate) req_id: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_rfc3339_us;

    fn quote() -> Quote {
        let dec = |text: &str| text.parse().unwrap();
        Quote {
            last: dec("83744.3"),
            bid: dec("83744.2"),
            bid_qty: dec("0.56251979"),
            ask: dec("83744.3"),
            ask_qty: dec("0.00044780"),
            volume: dec("3156.84782110"),
            vwap: dec("84174.6"),
            low: dec("83163.6"),
            high: dec("85247.4"),
            base: dec("84173.6"),
            trades: Some(135_262),
            at_us: parse_rfc3339_us("2026-09-25T17:48:26.844359Z"),
        }
    }

    #[test]
    fn a_ticker_is_byte_for_byte_the_recorded_one() {
        assert_eq!(
            ticker("update", "BTC/USD", &quote()),
            r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":83744.2,"bid_qty":0.56251979,"ask":83744.3,"ask_qty":0.00044780,"last":83744.3,"volume":3156.84782110,"vwap":84174.6,"low":83163.6,"high":85247.4,"change":-429.3,"change_pct":-0.51,"trades":135262,"timestamp":"2026-09-25T17:48:26.844359Z"}]}"#
        );
    }

    #[test]
    fn a_record_of_2024_has_neither_trades_nor_timestamp() {
        let frame = ticker("snapshot", "BTC/USD", &Quote { trades: None, at_us: None, ..quote() });
        assert!(frame.ends_with(r#""change_pct":-0.51}]}"#), "{frame}");
    }

    #[test]
    fn answers_have_the_recorded_shapes() {
        let us = |text: &str| parse_rfc3339_us(text).unwrap();
        let times = Times {
            received_us: us("2026-09-19T18:57:42.603536Z"),
            sent_us: us("2026-09-19T18:57:42.603547Z"),
        };
        let stamps =
            r#""time_in":"2026-09-19T18:57:42.603536Z","time_out":"2026-09-19T18:57:42.603547Z""#;
        assert_eq!(
            subscribed("BTC/USD", Trigger::Trades, true, None, times),
            format!(
                r#"{{"method":"subscribe","result":{{"channel":"ticker","event_trigger":"trades","snapshot":true,"symbol":"BTC/USD"}},"success":true,{stamps}}}"#
            )
        );
        assert_eq!(
            refused(
                "Currency pair not supported XBT/USD",
                "subscribe",
                Some("XBT/USD"),
                None,
                times
            ),
            format!(
                r#"{{"error":"Currency pair not supported XBT/USD","method":"subscribe","success":false,"symbol":"XBT/USD",{stamps}}}"#
            )
        );
        assert_eq!(pong(Some(7), times), format!(r#"{{"method":"pong","req_id":7,{stamps}}}"#));
        assert_eq!(
            status("online", 12_525_851_468_308_464_523),
            r#"{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":12525851468308464523,"upcoming_maintenance":[],"emergency":[]}]}"#
        );
    }
}
