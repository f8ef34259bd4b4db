//! The three requests we send.
//!
//! ```json
//! {"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo","snapshot":true}}
//! {"method":"ping","req_id":7}
//! ```

use std::fmt::Write as _;

use pricecast_core::Symbol;

use crate::exchange::pairs::Spelling;

/// Asks for the tickers of `symbols`, snapshot first. `bbo`: a record on every change of the
/// best bid or offer and not only on a trade, so a quiet coin speaks more often.
pub(super) fn subscribe(symbols: &[Symbol]) -> String {
    request("subscribe", symbols, r#","event_trigger":"bbo","snapshot":true"#)
}

/// Ends the tickers of `symbols`.
pub(super) fn unsubscribe(symbols: &[Symbol]) -> String {
    request("unsubscribe", symbols, r#","event_trigger":"bbo""#)
}

/// Asks for a pong with the same `id`.
pub(super) fn ping(id: u64) -> String {
    format!(r#"{{"method":"ping","req_id":{id}}}"#)
}

/// Symbols are letters and digits, so nothing here needs escaping.
fn request(method: &str, symbols: &[Symbol], more: &str) -> String {
    let mut text = format!(r#"{{"method":"{method}","params":{{"channel":"ticker","symbol":["#);
    for (index, &symbol) in symbols.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // Writing into a String cannot fail.
        let _ = write!(text, r#"{comma}"{}""#, Spelling::KrakenV2.pair(symbol));
    }
    text.push(']');
    text.push_str(more);
    text.push_str("}}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_symbols_go_into_one_request() {
        let symbols = ["BTC", "DOGE"].map(|text| Symbol::parse(text).unwrap());
        assert_eq!(
            subscribe(&symbols),
            r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD","DOGE/USD"],"event_trigger":"bbo","snapshot":true}}"#
        );
        assert_eq!(
            unsubscribe(&symbols),
            r#"{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD","DOGE/USD"],"event_trigger":"bbo"}}"#
        );
    }

    #[test]
    fn a_ping_carries_its_identifier() {
        assert_eq!(ping(7), r#"{"method":"ping","req_id":7}"#);
    }
}
