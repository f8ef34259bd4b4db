//! The one renderer: every body, at the origin and at the edge, is written here.

use std::fmt::{self, Display, Write};

use pricecast_core::{PricePoint, Snapshot, Source, SourceReport, SourceStatus, UnixMillis};

/// Bytes of the body apart from its prices, and bytes per price, both rounded up.
const ENVELOPE_LEN: usize = 384;
const PRICE_LEN: usize = 224;

/// Writes the body of `GET /api/v1/prices` as it must read at `now`.
///
/// `now` is the origin's clock; for a body that a cache downstream may hold for H ms it is that
/// clock + H. Decimals come out with the exchange's own digits. A snapshot without prices is
/// never answered with 200, so its `freshUntil` is a mere 0.
///
/// ```
/// # use pricecast_wire::{parse, render};
/// # use pricecast_core::UnixMillis;
/// # let body = include_str!("../tests/golden/live.json").trim_end();
/// # let now = UnixMillis::from_ms(1_706_900_000_000);
/// let snapshot = parse(body.as_bytes())?;
/// assert_eq!(render(&snapshot, now), body);
/// # Ok::<(), pricecast_wire::ParseError>(())
/// ```
#[must_use]
pub fn render(snapshot: &Snapshot, now: UnixMillis) -> String {
    let mut out = String::with_capacity(ENVELOPE_LEN + PRICE_LEN * snapshot.prices.len());
    // Writing to a String cannot fail.
    let _ = write!(out, "{}", Body { snapshot, now });
    out
}

struct Body<'a> {
    snapshot: &'a Snapshot,
    now: UnixMillis,
}

impl Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, now } = *self;
        f.write_str(r#"{"prices":["#)?;
        separated(f, &snapshot.prices, |f, point| price(f, point, now))?;
        write!(
            f,
            r#"],"timestamp":{},"stale":{},"freshUntil":{},"mode":"{}","seq":{},"epoch":{},"pollAfterMs":{},"unavailable":["#,
            snapshot.data_at,
            snapshot.any_stale(now),
            snapshot.fresh_until().unwrap_or_default(),
            snapshot.mode(now),
            snapshot.version.seq,
            snapshot.version.epoch,
            snapshot.poll_after_ms,
        )?;
        separated(f, &snapshot.unavailable, |f, symbol| write!(f, r#""{symbol}""#))?;
        f.write_str(r#"],"sources":{"#)?;
        separated(f, &Source::ALL, |f, &name| source(f, name, snapshot.sources.get(name), now))?;
        f.write_str("}}")
    }
}

fn price(f: &mut fmt::Formatter<'_>, point: &PricePoint, now: UnixMillis) -> fmt::Result {
    write!(
        f,
        r#"{{"symbol":"{}","price":{},"change24h":{},"source":"{}","asOf":{},"confirmedAt":{},"stale":{},"uncertain":{}}}"#,
        point.symbol,
        point.price,
        point.change_24h,
        point.source,
        point.as_of,
        point.confirmed_at,
        point.is_stale(now),
        point.uncertain,
    )
}

fn source(
    f: &mut fmt::Formatter<'_>,
    name: Source,
    report: &SourceReport,
    now: UnixMillis,
) -> fmt::Result {
    write!(f, r#""{name}":{{"status":"{}""#, report.status_at(now))?;
    // A source that was connected when published has no reason, also after it went stale by time.
    if let Some(reason) = report.reason.filter(|_| report.status != SourceStatus::Connected) {
        write!(f, r#","reason":"{reason}""#)?;
    }
    write!(f, r#","lastUpdate":{}}}"#, report.last_update.unwrap_or_default())
}

/// Writes the items with commas between them.
fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut write_item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write_item(f, item)?;
    }
    Ok(())
}
