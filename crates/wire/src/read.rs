//! Reads a body back into a snapshot. Within version 1 of the contract unknown fields and
//! unknown reasons are ignored; a body that would make us say something untrue is refused.

use std::collections::BTreeSet;

use pricecast_core::{
    ChangePct, DecimalError, PerSource, Price, PricePoint, Snapshot, Source, SourceReason,
    SourceReport, SourceStatus, Symbol, SymbolError, UnixMillis, Version,
};
use serde_json::value::RawValue;

use crate::body::{PriceBody, PricesBody, SourceBody};

/// Longest body read, in bytes. 500 prices take 100 kB.
pub const BODY_LEN_MAX: usize = 1 << 20;
/// Largest integer a JavaScript client reads exactly (2^53 - 1).
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why a body is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Longer than [`BODY_LEN_MAX`].
    #[error("the body has {len} bytes, more than the {BODY_LEN_MAX} that are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Not JSON, or not of the contract's shape.
    #[error("the body is not of the contract's shape")]
    Shape(#[from] serde_json::Error),
    /// It lists no price; such a state is a 503, never a body.
    #[error("the body lists no price")]
    NoPrices,
    /// A symbol that is none.
    #[error("symbol {symbol:?} {error}")]
    Symbol {
        /// As it stood there.
        symbol: String,
        /// What is wrong with it.
        error: SymbolError,
    },
    /// A symbol that stands there more than once.
    #[error("{symbol} is listed more than once")]
    Duplicate {
        /// Which.
        symbol: Symbol,
    },
    /// A price or a change that is no decimal number (`null`, a string, too many digits).
    #[error("{field} of {symbol} {error}")]
    Decimal {
        /// Of what.
        symbol: Symbol,
        /// `price` or `change24h`.
        field: &'static str,
        /// What is wrong with it.
        error: DecimalError,
    },
    /// A price from an exchange this build does not know. Under another name it would be a lie.
    #[error("{symbol} comes from {source_name:?}, which this version does not know: update it")]
    UnknownSource {
        /// Of what.
        symbol: Symbol,
        /// As it stood there.
        source_name: String,
    },
    /// An integer that a JavaScript client would not read exactly.
    #[error("{field} is {value}, above 2^53 - 1")]
    Integer {
        /// Its key.
        field: &'static str,
        /// As it stood there.
        value: u64,
    },
}

/// Reads a body written by [`crate::render`].
///
/// What is derived at serving time (`stale`, `mode`, `freshUntil`) is not taken over but derived
/// anew. `status` is taken as told: one that the sender already saw turn stale stays so. An
/// unknown status counts as `stale`, which is never too good.
///
/// # Errors
/// [`ParseError`] when the body is too long, has not the contract's shape, or cannot be true.
pub fn parse(body: &[u8]) -> Result<Snapshot, ParseError> {
    if body.len() > BODY_LEN_MAX {
        return Err(ParseError::TooLong { len: body.len() });
    }
    let body: PricesBody<'_> = serde_json::from_slice(body)?;
    let prices = body.prices.iter().map(point).collect::<Result<Vec<_>, _>>()?;
    if prices.is_empty() {
        return Err(ParseError::NoPrices);
    }
    let unavailable =
        body.unavailable.iter().map(|text| symbol(text)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    for symbol in prices.iter().map(|p| p.symbol).chain(unavailable.iter().copied()) {
        if !seen.insert(symbol) {
            return Err(ParseError::Duplicate { symbol });
        }
    }
    Ok(Snapshot {
        version: Version { epoch: integer("epoch", body.epoch)?, seq: integer("seq", body.seq)? },
        data_at: stamp("timestamp", body.timestamp)?,
        prices,
        unavailable,
        sources: PerSource {
            kraken: report(&body.sources.kraken)?,
            coinbase: report(&body.sources.coinbase)?,
        },
        poll_after_ms: body.poll_after_ms,
    })
}

fn point(body: &PriceBody<'_>) -> Result<PricePoint, ParseError> {
    let symbol = symbol(&body.symbol)?;
    Ok(PricePoint {
        symbol,
        price: decimal(symbol, "price", body.price, Price::parse)?,
        change_24h: decimal(symbol, "change24h", body.change_24h, ChangePct::parse)?,
        source: Source::from_name(&body.source).ok_or_else(|| ParseError::UnknownSource {
            symbol,
            source_name: body.source.to_string(),
        })?,
        as_of: stamp("asOf", body.as_of)?,
        confirmed_at: stamp("confirmedAt", body.confirmed_at)?,
        uncertain: body.uncertain,
    })
}

fn symbol(text: &str) -> Result<Symbol, ParseError> {
    Symbol::parse(text).map_err(|error| ParseError::Symbol { symbol: text.to_owned(), error })
}

fn decimal<T>(
    symbol: Symbol,
    field: &'static str,
    raw: &RawValue,
    parse: impl Fn(&str) -> Result<T, DecimalError>,
) -> Result<T, ParseError> {
    parse(raw.get()).map_err(|error| ParseError::Decimal { symbol, field, error })
}

fn report(body: &SourceBody<'_>) -> Result<SourceReport, ParseError> {
    let status = SourceStatus::from_name(&body.status).unwrap_or(SourceStatus::Stale);
    let last_update = stamp("lastUpdate", body.last_update)?;
    Ok(SourceReport {
        status,
        reason: body.reason.as_deref().and_then(SourceReason::from_name),
        last_update: (last_update != UnixMillis::default()).then_some(last_update),
    })
}

fn stamp(field: &'static str, value: u64) -> Result<UnixMillis, ParseError> {
    integer(field, value).map(UnixMillis::from_ms)
}

fn integer(field: &'static str, value: u64) -> Result<u64, ParseError> {
    if value <= INTEGER_MAX { Ok(value) } else { Err(ParseError::Integer { field, value }) }
}
