//! The normaliser: what an exchange said, checked and made exact, or the reason it was refused.

use crate::price::{ChangePct, DecimalError, Price, Volume};
use crate::source::{Source, names};
use crate::symbol::Symbol;
use crate::time::UnixMillis;

/// An event time further ahead of us than this is replaced by the receive time.
const EVENT_TIME_AHEAD_MAX_MS: u64 = 1_000;

/// What one exchange said of one symbol, as text; borrowed from the frame or the answer.
#[derive(Clone, Copy, Debug)]
pub struct RawQuote<'a> {
    /// Who said it.
    pub source: Source,
    /// Of what.
    pub symbol: Symbol,
    /// Kraken's `last`, Coinbase's `price`.
    pub price: Option<&'a str>,
    /// Kraken's `change_pct`, Coinbase's `price_percentage_change_24h`.
    pub change_24h: Option<&'a str>,
    /// Coinbase's `volume_24h`; tells a quiet product from a frozen answer.
    pub volume_24h: Option<&'a str>,
    /// The exchange's own event time, if it gave a readable one.
    pub event_time: Option<UnixMillis>,
    /// Whether the product trades at the moment.
    pub trading: Trading,
}

/// Whether a product trades, as its exchange says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trading {
    /// It trades (Kraken tickers always count as that).
    Open,
    /// Halted, cancel-only, post-only, auction or view-only: the price stands still.
    Halted,
    /// The exchange has taken it off its list.
    Delisted,
}

/// One normalised observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Who said it.
    pub source: Source,
    /// Of what.
    pub symbol: Symbol,
    /// The last trade's price, above zero.
    pub price: Price,
    /// Rolling 24 h change in per cent.
    pub change_24h: ChangePct,
    /// 24 h volume, where the source tells it.
    pub volume_24h: Option<Volume>,
    /// The exchange's event time, or the receive time where that was missing or in the future.
    pub as_of: UnixMillis,
    /// Whether `as_of` is our receive time because the event time could not be used.
    pub as_of_replaced: bool,
}

names! {
    /// Why a quote was refused. A refused quote is data: counted, never fatal.
    RejectReason {
        /// No price, as Kraken sends for a pair without a trade in 24 h.
        PriceMissing = "price_missing",
        /// The price is no decimal number.
        PriceNotANumber = "price_not_a_number",
        /// The price is zero or negative.
        PriceNotPositive = "price_not_positive",
        /// The price has more digits than any real one.
        PriceTooLong = "price_too_long",
        /// The 24 h change is missing or no decimal number.
        ChangeUnusable = "change_unusable",
        /// The product is halted or view-only.
        Halted = "halted",
        /// The exchange calls the product delisted.
        Delisted = "delisted",
    }
}

impl RawQuote<'_> {
    /// Checks and normalises; `received_at` is our clock when it arrived.
    ///
    /// # Errors
    /// The first [`RejectReason`] that applies.
    pub fn normalise(&self, received_at: UnixMillis) -> Result<Quote, RejectReason> {
        match self.trading {
            Trading::Open => {}
            Trading::Halted => return Err(RejectReason::Halted),
            Trading::Delisted => return Err(RejectReason::Delisted),
        }
        let price_text = self.price.filter(|text| !text.is_empty());
        let price =
            Price::parse(price_text.ok_or(RejectReason::PriceMissing)?).map_err(|e| match e {
                DecimalError::NotANumber => RejectReason::PriceNotANumber,
                DecimalError::NotPositive => RejectReason::PriceNotPositive,
                DecimalError::TooLong => RejectReason::PriceTooLong,
            })?;
        let change_24h = self
            .change_24h
            .and_then(|text| ChangePct::parse(text).ok())
            .ok_or(RejectReason::ChangeUnusable)?;
        let usable_time =
            self.event_time.filter(|&t| t <= received_at.plus_ms(EVENT_TIME_AHEAD_MAX_MS));
        Ok(Quote {
            source: self.source,
            symbol: self.symbol,
            price,
            change_24h,
            volume_24h: self.volume_24h.and_then(|text| Volume::parse(text).ok()),
            as_of: usable_time.unwrap_or(received_at),
            as_of_replaced: usable_time.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::from_ms(1_706_900_000_000);

    fn raw<'a>() -> RawQuote<'a> {
        RawQuote {
            source: Source::Kraken,
            symbol: Symbol::parse("BTC").unwrap(),
            price: Some("67432.1"),
            change_24h: Some("-1.90"),
            volume_24h: None,
            event_time: Some(NOW),
            trading: Trading::Open,
        }
    }

    #[test]
    fn a_good_quote_keeps_its_digits_and_its_event_time() {
        let quote = raw().normalise(NOW).unwrap();
        assert_eq!(quote.price.to_string(), "67432.1");
        assert_eq!(quote.change_24h.to_string(), "-1.90");
        assert_eq!((quote.as_of, quote.as_of_replaced), (NOW, false));
    }

    #[test]
    fn every_defect_has_its_own_reason() {
        for (quote, reason) in [
            (RawQuote { price: None, ..raw() }, RejectReason::PriceMissing),
            (RawQuote { price: Some(""), ..raw() }, RejectReason::PriceMissing),
            (RawQuote { price: Some("null"), ..raw() }, RejectReason::PriceNotANumber),
            (RawQuote { price: Some("0"), ..raw() }, RejectReason::PriceNotPositive),
            (RawQuote { price: Some("1e400"), ..raw() }, RejectReason::PriceTooLong),
            (RawQuote { change_24h: None, ..raw() }, RejectReason::ChangeUnusable),
            (RawQuote { change_24h: Some("x"), ..raw() }, RejectReason::ChangeUnusable),
            (RawQuote { trading: Trading::Halted, ..raw() }, RejectReason::Halted),
            (RawQuote { trading: Trading::Delisted, ..raw() }, RejectReason::Delisted),
        ] {
            assert_eq!(quote.normalise(NOW), Err(reason));
        }
    }

    #[test]
    fn an_event_time_up_to_one_second_ahead_is_kept_and_beyond_is_replaced() {
        for (ahead_ms, replaced) in [(0, false), (1_000, false), (1_001, true), (30_000, true)] {
            let event_time = Some(NOW.plus_ms(ahead_ms));
            let quote = RawQuote { event_time, ..raw() }.normalise(NOW).unwrap();
            assert_eq!(quote.as_of_replaced, replaced, "{ahead_ms} ms ahead");
        }
        let quote = RawQuote { event_time: None, ..raw() }.normalise(NOW).unwrap();
        assert_eq!((quote.as_of, quote.as_of_replaced), (NOW, true));
    }

    #[test]
    fn an_old_event_time_never_rejects_a_price() {
        let event_time = Some(NOW.minus_ms(86_400_000));
        assert!(RawQuote { event_time, ..raw() }.normalise(NOW).is_ok());
    }
}
