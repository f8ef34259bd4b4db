//! Kraken's WebSocket v2 frames, read where they stand: text and numbers stay slices of the
//! frame. <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker.md> (2026-11)
//!
//! Only what we need is looked at. Fields come in any order, may be added and may be missing
//! (`timestamp` was absent until 2025); `connection_id` exceeds `i64` and is not read at all.
//!
//! ```json
//! {"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":64999.9,"ask":65000.0,
//!  "last":65000.0,"change_pct":-1.90,"timestamp":"2026-09-25T17:48:26.844359Z"}]}
//! ```

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use crate::exchange::text::{Text, event_time, number_text};
use pricecast_core::UnixMillis;

/// The channel of prices.
const TICKER: &str = "ticker";

/// One frame, by what it means to us.
#[derive(Debug)]
pub enum Frame<'a> {
    /// Prices.
    Ticker(Ticker<'a>),
    /// About one a second while nothing else is sent, once anything is subscribed.
    Heartbeat,
    /// The state of the engine, in the exchange's own word; `None` if the frame names none.
    Status(Option<Text<'a>>),
    /// A subscription was accepted.
    Subscribed {
        /// Of which pair; every ack seen names one.
        pair: Option<Text<'a>>,
    },
    /// A subscription was ended, as asked.
    Unsubscribed,
    /// A request was refused.
    Refused {
        /// The pair concerned, where the frame names it.
        pair: Option<Text<'a>>,
        /// In the exchange's words.
        error: Text<'a>,
    },
    /// The answer to a ping. Never a sign of life of the data.
    Pong {
        /// The identifier the ping had, if the frame names a usable one.
        id: Option<u64>,
    },
    /// Understood, and of no concern to us.
    Noise(Noise),
}

/// What kind of frame does not concern us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Protocol v1: arrays, or objects with an `event`. Its prices have another meaning.
    V1,
    /// A channel we did not subscribe.
    Channel,
    /// Neither a channel nor an answer we know.
    Unlabelled,
}

/// A frame that cannot be read: anything may have been in it.
#[derive(Debug, thiserror::Error)]
#[error("cannot be read: {0}")]
pub struct Undecodable(#[from] serde_json::Error);

/// The items of a `ticker` frame.
#[derive(Debug)]
pub struct Ticker<'a> {
    /// Whether it answers a subscription.
    pub is_snapshot: bool,
    /// All of its data as it is written: what follows the frame's first bracket, with any labels
    /// that come after the data. Before it can only be labels.
    pub text: &'a str,
    /// Mostly one.
    pub items: Vec<TickerItem<'a>>,
}

/// A whole frame of prices, read in one pass; nothing but a `ticker` frame reads as one.
#[derive(serde::Deserialize)]
struct TickerFrame<'a> {
    #[serde(rename = "channel", deserialize_with = "expect_ticker")]
    _channel: (),
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    data: Vec<TickerItem<'a>>,
}

fn expect_ticker<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let is_ticker = Text::deserialize(deserializer)?.as_str() == TICKER;
    is_ticker.then_some(()).ok_or_else(|| D::Error::custom("another channel"))
}

/// One pair's record; always the full one.
#[derive(Debug, serde::Deserialize)]
pub struct TickerItem<'a> {
    #[serde(borrow)]
    symbol: Text<'a>,
    #[serde(borrow, default)]
    last: Option<&'a RawValue>,
    #[serde(borrow, default)]
    change_pct: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
}

impl TickerItem<'_> {
    /// The exchange's spelling, e.g. `BTC/USD`.
    #[must_use]
    pub fn pair(&self) -> &str {
        self.symbol.as_str()
    }

    /// The last trade's price; missing where nothing traded for 24 h.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        self.last.map(number_text)
    }

    /// The rolling 24 h change in percentage points, rounded to two decimals by the exchange.
    #[must_use]
    pub fn change_pct(&self) -> Option<&str> {
        self.change_pct.map(number_text)
    }

    /// The exchange's own time of the record.
    #[must_use]
    pub fn event_time(&self) -> Option<UnixMillis> {
        self.timestamp.and_then(event_time)
    }
}

/// The labels at the top level, of either protocol version, by which any other frame is known.
#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    channel: Option<Text<'a>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(borrow, default)]
    result: Option<SubscribeResult<'a>>,
    #[serde(borrow, default, alias = "Error")]
    error: Option<Text<'a>>,
    #[serde(borrow, default)]
    symbol: Option<Text<'a>>,
    #[serde(borrow, default)]
    event: Option<Text<'a>>,
    #[serde(borrow, default)]
    req_id: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct SubscribeResult<'a> {
    #[serde(borrow, default)]
    symbol: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
struct StatusItem<'a> {
    #[serde(borrow, default)]
    system: Option<Text<'a>>,
}

/// Reads one text frame.
///
/// # Errors
/// [`Undecodable`] when it is neither a JSON object nor a JSON array, or a label or a ticker in it has another shape than
/// the one documented.
pub fn decode(text: &str) -> Result<Frame<'_>, Undecodable> {
    if text.trim_start().starts_with('[') {
        let _: &RawValue = serde_json::from_str(text)?;
        return Ok(Frame::Noise(Noise::V1));
    }
    let no_ticker = match serde_json::from_str::<TickerFrame<'_>>(text) {
        Ok(frame) => return Ok(Frame::Ticker(frame.into_ticker(text))),
        Err(error) => error,
    };
    let envelope: Envelope<'_> = serde_json::from_str(text)?;
    match envelope.channel.as_ref().map(Text::as_str) {
        Some(TICKER) => Err(no_ticker.into()),
        Some("heartbeat") => Ok(Frame::Heartbeat),
        Some("status") => envelope.into_status(),
        Some(_) => Ok(Frame::Noise(Noise::Channel)),
        None => Ok(envelope.into_answer()),
    }
}

impl<'a> TickerFrame<'a> {
    fn into_ticker(self, text: &'a str) -> Ticker<'a> {
        Ticker {
            is_snapshot: self.kind.is_some_and(|kind| kind.as_str() == "snapshot"),
            text: text.split_once('[').map_or(text, |(_, data)| data),
            items: self.data,
        }
    }
}

impl<'a> Envelope<'a> {
    fn into_status(self) -> Result<Frame<'a>, Undecodable> {
        let data = self.data.map_or("[]", RawValue::get);
        let items: Vec<StatusItem<'a>> = serde_json::from_str(data)?;
        Ok(Frame::Status(items.into_iter().next_back().and_then(|item| item.system)))
    }

    fn into_answer(self) -> Frame<'a> {
        if let Some(error) = self.error {
            return Frame::Refused { pair: self.symbol, error };
        }
        match self.method.as_ref().map(Text::as_str) {
            Some("pong") => Frame::Pong { id: self.req_id.and_then(|id| id.get().parse().ok()) },
            Some("subscribe") if self.success == Some(true) => {
                Frame::Subscribed { pair: self.result.and_then(|result| result.symbol) }
            }
            Some("subscribe") => {
                Frame::Refused { pair: self.symbol, error: Text::from("no reason given") }
            }
            Some("unsubscribe") => Frame::Unsubscribed,
            None if self.event.is_some() => Frame::Noise(Noise::V1),
            _ => Frame::Noise(Noise::Unlabelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A short name of the outcome, for tables.
    fn outcome(text: &str) -> String {
        match decode(text) {
            Ok(Frame::Ticker(ticker)) => {
                let items = ticker.items.iter().map(|item| {
                    let time = item.event_time().map_or(0, UnixMillis::as_ms);
                    format!("{} {:?} {:?} {time}", item.pair(), item.last(), item.change_pct())
                });
                let kind = if ticker.is_snapshot { "snapshot" } else { "update" };
                format!("{kind}: {}", items.collect::<Vec<_>>().join(", "))
            }
            Ok(Frame::Status(system)) => format!("status {:?}", system.as_ref().map(Text::as_str)),
            Ok(Frame::Subscribed { pair }) => {
                format!("subscribed {}", pair.unwrap_or_default().as_str())
            }
            Ok(Frame::Refused { pair, error }) => {
                format!("refused {}: {}", pair.unwrap_or_default().as_str(), error.as_str())
            }
            Ok(other) => format!("{other:?}"),
            Err(_) => "undecodable".to_owned(),
        }
    }

    #[test]
    fn a_ticker_is_read_in_any_order_with_fields_added_or_missing() {
        let full = r#"{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":64999.9,
            "last":65000.0,"change_pct":-1.90,"trades":7,"timestamp":"2026-09-25T17:48:26.844359Z"}]}"#;
        assert_eq!(
            outcome(full),
            r#"snapshot: BTC/USD Some("65000.0") Some("-1.90") 1790358506844"#
        );
        let reordered = r#"{"data":[{"change_pct":0.10,"new":{"a":[1]},"last":0.00044780,"symbol":"XRP/USD"}],
            "extra":null,"type":"update","channel":"ticker"}"#;
        assert_eq!(outcome(reordered), r#"update: XRP/USD Some("0.00044780") Some("0.10") 0"#);
    }

    #[test]
    fn several_items_stay_in_order() {
        let two = r#"{"channel":"ticker","type":"update","data":[{"symbol":"A/USD","last":1},{"symbol":"B/USD","last":"2"}]}"#;
        assert_eq!(outcome(two), r#"update: A/USD Some("1") None 0, B/USD Some("2") None 0"#);
    }

    #[test]
    fn a_pair_without_a_trade_is_a_ticker_without_a_price() {
        for last in ["", r#""last":null,"#] {
            let text = format!(
                r#"{{"channel":"ticker","data":[{{{last}"symbol":"BTC/USD","change_pct":0.0}}]}}"#
            );
            assert_eq!(outcome(&text), r#"update: BTC/USD None Some("0.0") 0"#);
        }
    }

    #[test]
    fn answers_are_told_apart() {
        for (text, expected) in [
            (r#"{"channel":"heartbeat"}"#, "Heartbeat"),
            (
                r#"{"channel":"status","data":[{"connection_id":18446744073709551615,"system":"online"}],"type":"update"}"#,
                r#"status Some("online")"#,
            ),
            (r#"{"channel":"status","data":[]}"#, "status None"),
            (
                r#"{"method":"subscribe","req_id":1,"result":{"channel":"ticker","symbol":"BTC\/USD","warnings":["x"]},"success":true}"#,
                "subscribed BTC/USD",
            ),
            (
                r#"{"error":"Currency pair not supported FOO/USD","method":"subscribe","success":false,"symbol":"FOO/USD"}"#,
                "refused FOO/USD: Currency pair not supported FOO/USD",
            ),
            (
                r#"{"error":"Unsupported event","method":"subscribe","req_id":0,"success":false}"#,
                "refused : Unsupported event",
            ),
            (r#"{"Error":"Exceeded msg rate"}"#, "refused : Exceeded msg rate"),
            (
                r#"{"method":"unsubscribe","result":{"symbol":"BTC/USD"},"success":true}"#,
                "Unsubscribed",
            ),
            (
                r#"{"method":"pong","req_id":7,"time_in":"x","success":true}"#,
                "Pong { id: Some(7) }",
            ),
            (r#"{"method":"pong","req_id":"7"}"#, "Pong { id: None }"),
            (r#"{"method":"pong"}"#, "Pong { id: None }"),
            (
                r#"{"error":"Exceeded msg rate","method":"pong","req_id":7,"success":false}"#,
                "refused : Exceeded msg rate",
            ),
            (r#"{"channel":"trade","data":[{"price":1}]}"#, "Noise(Channel)"),
            (r#"{"channel":"trade","data":[{"symbol":"BTC/USD","last":1}]}"#, "Noise(Channel)"),
            (r#"{"event":"heartbeat"}"#, "Noise(V1)"),
            (r#"[340,{"c":["5525.1","0.1"]},"ticker","XBT/USD"]"#, "Noise(V1)"),
            ("{}", "Noise(Unlabelled)"),
        ] {
            assert_eq!(outcome(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_undecodable() {
        for text in [
            "",
            "CloudFlare WebSocket proxy restarting",
            "<html>",
            "null",
            "7",
            r#""ticker""#,
            "[1,",
            r#"{"channel":"ticker""#,
            r#"{"channel":"ticker"}"#,
            r#"{"channel":"ticker","data":{}}"#,
            r#"{"channel":"ticker","data":[{"last":1}]}"#,
            r#"{"channel":"ticker","data":[{"symbol":5}]}"#,
            r#"{"channel":"ticker","type":5,"data":[{"symbol":"BTC/USD"}]}"#,
            r#"{"channel":{"ticker":null},"data":[{"symbol":"BTC/USD"}]}"#,
            r#"{"channel":5}"#,
            r#"{"channel":"ticker","channel":"heartbeat"}"#,
        ] {
            assert_eq!(outcome(text), "undecodable", "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = outcome(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_damage_to_a_good_frame_makes_it_panic(
            at in 0..180_usize, with in any::<char>(), cut in 0..180_usize,
        ) {
            let mut text = String::from(
                r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","last":65000.0,"change_pct":-1.90,"timestamp":"2026-09-25T17:48:26.844359Z"}]}"#,
            );
            let at = at.min(text.len() - 1);
            text.replace_range(at..=at, with.encode_utf8(&mut [0; 4]));
            let _ = outcome(&text);
            let cut = text.floor_char_boundary(cut.min(text.len()));
            text.truncate(cut);
            let _ = outcome(&text);
        }
    }
}
