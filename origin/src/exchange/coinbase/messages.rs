//! Coinbase's products, read where they stand. All decimals are strings there; an unknown one is
//! `""`. The answer's order is not the order asked, and it may hold rows nobody asked for: an
//! alias such as `BTC-USDC` carries another price than `BTC-USD` (measured 2026-04-07).
//!
//! ```json
//! {"products":[{"product_id":"BTC-USD","price":"65000.00","price_percentage_change_24h":"-0.25",
//!   "volume_24h":"11005.0","status":"online","is_disabled":false,"cancel_only":false,
//!   "post_only":false,"trading_disabled":false,"auction_mode":false,"view_only":false}]}
//! ```

use pricecast_core::{RawQuote, Source, Symbol, Trading};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::pairs::Spelling;
use crate::exchange::text::{Text, number_text};

/// An answer that is not the documented list of products.
#[derive(Debug, thiserror::Error)]
#[error("is no list of products: {0}")]
pub struct Undecodable(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    products: Vec<&'a RawValue>,
}

/// One product, as far as we read it.
#[derive(Debug, Deserialize)]
pub struct Product<'a> {
    #[serde(borrow)]
    product_id: Text<'a>,
    #[serde(borrow, default)]
    price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    price_percentage_change_24h: Option<&'a RawValue>,
    #[serde(borrow, default)]
    volume_24h: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    is_disabled: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cancel_only: Option<&'a RawValue>,
    #[serde(borrow, default)]
    post_only: Option<&'a RawValue>,
    #[serde(borrow, default)]
    trading_disabled: Option<&'a RawValue>,
    #[serde(borrow, default)]
    auction_mode: Option<&'a RawValue>,
    #[serde(borrow, default)]
    view_only: Option<&'a RawValue>,
}

impl Product<'_> {
    /// Our symbol for it; `None` for anything but an exact `<symbol>-USD`.
    #[must_use]
    pub fn symbol(&self) -> Option<Symbol> {
        Spelling::Coinbase.symbol(self.product_id.as_str())
    }

    /// What it says of `symbol`, for the normaliser. It carries no event time.
    #[must_use]
    pub fn raw_quote(&self, symbol: Symbol) -> RawQuote<'_> {
        RawQuote {
            source: Source::Coinbase,
            symbol,
            price: self.price.map(number_text),
            change_24h: self.price_percentage_change_24h.map(number_text),
            volume_24h: self.volume_24h.map(number_text),
            event_time: None,
            trading: self.trading(),
        }
    }

    /// `limit_only` is no halt: limit orders still match, so the price still moves.
    fn trading(&self) -> Trading {
        let flags = [
            self.is_disabled,
            self.cancel_only,
            self.post_only,
            self.trading_disabled,
            self.auction_mode,
            self.view_only,
        ];
        match self.status.map(number_text) {
            Some("delisted") => Trading::Delisted,
            Some("online" | "") | None if !flags.into_iter().any(is_raised) => Trading::Open,
            _ => Trading::Halted,
        }
    }
}

/// A flag that is neither `false` nor missing counts as raised: a price we are not sure of is
/// not confirmed.
fn is_raised(flag: Option<&RawValue>) -> bool {
    flag.is_some_and(|raw| raw.get() != "false")
}

/// Reads an answer. A single product that cannot be read is left out; the others stand.
///
/// # Errors
/// [`Undecodable`] when the answer is no JSON object with a list `products`.
pub fn decode(body: &[u8]) -> Result<Vec<Product<'_>>, Undecodable> {
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    Ok(answer.products.into_iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect())
}

#[cfg(test)]
mod tests {
    use pricecast_core::{RejectReason, UnixMillis};
    use proptest::prelude::*;

    use super::*;

    /// What each of ours in `body` says, or why it is refused.
    fn outcome(body: &str) -> String {
        let Ok(products) = decode(body.as_bytes()) else { return "undecodable".to_owned() };
        let texts = products.iter().filter_map(|product| {
            let symbol = product.symbol()?;
            Some(match product.raw_quote(symbol).normalise(UnixMillis::from_ms(1)) {
                Ok(quote) => format!("{symbol} {} {}", quote.price, quote.change_24h),
                Err(reason) => format!("{symbol} {}", reason.as_str()),
            })
        });
        texts.collect::<Vec<_>>().join(", ")
    }

    fn with(fields: &str) -> String {
        format!(
            r#"{{"products":[{{"product_id":"BTC-USD","price":"65000.00","price_percentage_change_24h":"-0.25"{fields}}}]}}"#
        )
    }

    #[test]
    fn a_product_is_read_and_its_alias_left_alone() {
        let body = r#"{"products":[
            {"product_id":"BTC-USDC","price":"64990","price_percentage_change_24h":"1"},
            {"price_percentage_change_24h":"9.43%","price":"65000.00","product_id":"BTC-USD","status":"online","is_disabled":false},
            {"product_id":"ETH-USD","price":2000.10,"price_percentage_change_24h":-0.1,"volume_24h":""}
        ],"num_products":3,"pagination":null}"#;
        assert_eq!(outcome(body), "BTC 65000.00 9.43, ETH 2000.10 -0.1");
    }

    #[test]
    fn a_product_that_does_not_trade_says_so() {
        for (fields, expected) in [
            (r#","limit_only":true"#, "BTC 65000.00 -0.25"),
            (r#","status":"""#, "BTC 65000.00 -0.25"),
            (r#","trading_disabled":null"#, "BTC 65000.00 -0.25"),
            (r#","is_disabled":true"#, "BTC halted"),
            (r#","cancel_only":true"#, "BTC halted"),
            (r#","post_only":true"#, "BTC halted"),
            (r#","trading_disabled":true"#, "BTC halted"),
            (r#","auction_mode":true"#, "BTC halted"),
            (r#","view_only":true"#, "BTC halted"),
            (r#","view_only":"yes""#, "BTC halted"),
            (r#","status":"offline""#, "BTC halted"),
            (r#","status":"delisted","is_disabled":true"#, "BTC delisted"),
        ] {
            assert_eq!(outcome(&with(fields)), expected, "{fields}");
        }
    }

    #[test]
    fn one_bad_product_does_not_harm_the_others() {
        let body = r#"{"products":[{"price":"1"},7,{"product_id":"BTC-USD","price":"","price_percentage_change_24h":"0"},
            {"product_id":"ETH-USD","price":"2","price_percentage_change_24h":"0"}]}"#;
        assert_eq!(outcome(body), format!("BTC {}, ETH 2 0", RejectReason::PriceMissing.as_str()));
    }

    #[test]
    fn errors_and_pages_are_no_list_of_products() {
        for body in [
            "",
            "<html>",
            r#"{"error":"NOT_FOUND","error_details":"valid product_id is required"}"#,
            r#"{"message":"Public rate limit exceeded"}"#,
            r#"{"products":null}"#,
            r#"[{"product_id":"BTC-USD"}]"#,
            r#"{"products":[]"#,
        ] {
            assert_eq!(outcome(body), "undecodable", "{body}");
        }
        assert_eq!(outcome(r#"{"products":[]}"#), "");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn no_damage_to_a_good_answer_makes_it_panic(at in 0..200_usize, with_byte in any::<u8>()) {
            let mut body = with(r#","status":"online","is_disabled":false,"volume_24h":"1.5""#).into_bytes();
            let at = at.min(body.len() - 1);
            body[at] = with_byte;
            let _ = outcome(&String::from_utf8_lossy(&body));
        }
    }
}
