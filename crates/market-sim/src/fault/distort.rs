//! What a venue says under the active faults, and what the market itself does. Pure.

use super::{Fault, FaultBoard, FaultSpec};
use crate::decimal::{Decimal, pow10};
use crate::market::{Quote, Venue};
use std::sync::Arc;

/// Percent points in parts per million of the price.
const PPM_OF_PERCENT: f64 = 10_000.0;
const WHOLE_PPM: i128 = 1_000_000;

/// Faults under which a venue goes on saying what it said when they began.
const HOLDING: [Fault; 7] = [
    Fault::FrozenSymbol,
    Fault::StaleBackend,
    Fault::DelistSymbol,
    Fault::Maintenance,
    Fault::CancelOnly,
    Fault::PostOnly,
    Fault::UnknownSystem,
];

/// The record `venue` shows for the listing at `index` when `live` is the true one.
pub(crate) fn said(
    board: &FaultBoard,
    venue: Venue,
    index: usize,
    symbol: &str,
    live: &Arc<Quote>,
) -> Arc<Quote> {
    if board.active().is_empty() {
        return Arc::clone(live);
    }
    // The oldest of them: what was held first has stood still since then.
    let holding = board
        .active()
        .iter()
        .find(|fault| HOLDING.contains(&fault.spec.fault) && fault.hits(venue, symbol));
    let held = holding.and_then(|fault| fault.held.get(index)).map(|pair| venue.of(pair));
    let mut quote = Arc::clone(held.unwrap_or(live));
    if holding.is_some_and(|fault| fault.spec.volume_moves == Some(true)) {
        quote = Arc::new(Quote { volume: live.volume, ..quote.as_ref().clone() });
    }
    if board.find_for(venue, Fault::CrossedBook, symbol).is_some() {
        let (bid, ask) = (quote.last.times_ratio(3, 2), quote.last.times_ratio(1, 2));
        quote = Arc::new(Quote { bid, ask, ..quote.as_ref().clone() });
    }
    if board.find_for(venue, Fault::OneSidedBook, symbol).is_some() {
        let nothing = Decimal::new(0, 0);
        quote = Arc::new(Quote { ask: nothing, ask_qty: nothing, ..quote.as_ref().clone() });
    }
    if let Some(fault) = board.find_for(venue, Fault::Spike, symbol) {
        quote = Arc::new(quote.scaled(ppm(&fault.spec, 50.0), WHOLE_PPM));
    }
    if let Some(fault) = board.find_for(venue, Fault::DecimalShift, symbol) {
        quote = Arc::new(shifted(&quote, fault.spec.power.unwrap_or(1)));
    }
    let skew_us = board.skew_us(venue);
    if skew_us != 0 {
        let at_us = quote.at_us.map(|at| at.saturating_add(skew_us));
        quote = Arc::new(Quote { at_us, ..quote.as_ref().clone() });
    }
    quote
}

/// Where a crash has brought a symbol, in millionths of its path; a million without one.
pub(crate) fn crash_ppm(board: &FaultBoard, symbol: &str) -> i128 {
    let mut newest = board.active().iter().rev();
    newest
        .find(|fault| {
            fault.spec.fault == Fault::CrashOnBoth
                && fault.spec.symbol.as_deref().is_none_or(|only| only == symbol)
        })
        .map_or(WHOLE_PPM, |fault| ppm(&fault.spec, -60.0))
}

fn ppm(spec: &FaultSpec, default_percent: f64) -> i128 {
    let percent = spec.percent.unwrap_or(default_percent);
    WHOLE_PPM + Decimal::from_f64(percent * PPM_OF_PERCENT, 0).units()
}

/// Every price with its point moved, the base too: the 24 h change stays what it was.
fn shifted(quote: &Quote, power: i32) -> Quote {
    let shift = |price: Decimal| shift_point(price, power);
    Quote {
        last: shift(quote.last),
        bid: shift(quote.bid),
        ask: shift(quote.ask),
        vwap: shift(quote.vwap),
        low: shift(quote.low),
        high: shift(quote.high),
        base: shift(quote.base),
        ..quote.clone()
    }
}

fn shift_point(price: Decimal, power: i32) -> Decimal {
    let digits = power.unsigned_abs();
    if power < 0 {
        return Decimal::new(price.units(), price.scale() + digits);
    }
    match price.scale().checked_sub(digits) {
        Some(scale) => Decimal::new(price.units(), scale),
        None => Decimal::new(price.units().saturating_mul(pow10(digits - price.scale())), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Target;

    fn quote(last: &str) -> Arc<Quote> {
        let price: Decimal = last.parse().unwrap();
        let one = Decimal::new(1, 0);
        Arc::new(Quote {
            last: price,
            bid: price,
            bid_qty: one,
            ask: price,
            ask_qty: one,
            volume: one,
            vwap: price,
            low: price,
            high: price,
            base: price,
            trades: Some(1),
            at_us: Some(1_000_000),
        })
    }

    fn with(spec: FaultSpec) -> FaultBoard {
        let mut board = FaultBoard::default();
        board.inject(spec, 0, vec![[quote("1.0"), quote("2.0")]]);
        board
    }

    fn kraken_says(board: &FaultBoard) -> Arc<Quote> {
        said(board, Venue::Kraken, 0, "BTC", &quote("83744.3"))
    }

    #[test]
    fn a_spike_is_on_one_venue_only() {
        let board = with(FaultSpec::new(Target::Kraken, Fault::Spike));
        assert_eq!(kraken_says(&board).last.to_string(), "125616.5");
        let other = said(&board, Venue::Coinbase, 0, "BTC", &quote("83744.30"));
        assert_eq!(other.last.to_string(), "83744.30");
    }

    #[test]
    fn a_shifted_point_keeps_every_digit_and_the_change() {
        for (power, price) in [(1, "837443"), (2, "8374430"), (-2, "837.443")] {
            let spec = FaultSpec::new(Target::Kraken, Fault::DecimalShift);
            let board = with(FaultSpec { power: Some(power), ..spec });
            assert_eq!(kraken_says(&board).last.to_string(), price);
            assert_eq!(kraken_says(&board).change_pct(2).to_string(), "0.00");
        }
    }

    #[test]
    fn what_is_held_is_what_was_said_when_the_fault_began() {
        let board = with(FaultSpec::new(Target::Both, Fault::FrozenSymbol).symbol("BTC"));
        assert_eq!(kraken_says(&board).last.to_string(), "1.0");
        let other = said(&board, Venue::Kraken, 0, "ETH", &quote("5"));
        assert_eq!(other.last.to_string(), "5", "another symbol moves on");
    }

    #[test]
    fn a_skewed_clock_moves_the_event_time() {
        let spec = FaultSpec::new(Target::Kraken, Fault::SkewedClock);
        let board = with(FaultSpec { skew_ms: Some(-500), ..spec });
        assert_eq!(kraken_says(&board).at_us, Some(500_000));
    }

    #[test]
    fn a_crash_hits_its_symbol_and_ends_with_the_fault() {
        let mut board = with(FaultSpec::new(Target::Both, Fault::CrashOnBoth).symbol("BTC"));
        assert_eq!((crash_ppm(&board, "BTC"), crash_ppm(&board, "ETH")), (400_000, WHOLE_PPM));
        board.clear();
        assert_eq!(crash_ppm(&board, "BTC"), WHOLE_PPM);
    }
}
