//! The NDJSON of frames: Kraken's own ticker records, said again with their times re-based.
//!
//! Only `ticker` frames are replayed; acks, heartbeats and the rest are the simulator's own. Frames
//! keep the distance of their timestamps; a frame without one follows a second after the one
//! before. At the end the recording starts again.

use super::ReplayError;
use crate::clock::parse_rfc3339_us;
use crate::decimal::Decimal;
use crate::market::{Listing, Market, Quote, Tick, TickKind, TickSource, VENUES, calibration};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;
use std::sync::Arc;

const SECOND_US: i64 = 1_000_000;
/// A hole in the recording longer than this is shortened to it.
const LONGEST_GAP_US: i64 = 60 * SECOND_US;

/// Recorded ticker frames.
#[derive(Debug)]
pub(crate) struct Recording {
    /// µs after the first frame, symbol, record.
    frames: Vec<(i64, String, Quote)>,
}

impl Recording {
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ReplayError> {
        let mut frames = Vec::new();
        let (mut at_us, mut recorded_us) = (0, None);
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fail = |problem: String| ReplayError::Line {
                path: path.to_owned(),
                line: index + 1,
                problem,
            };
            let kind: Kind = serde_json::from_str(line).map_err(|e| fail(e.to_string()))?;
            if kind.channel.as_deref() != Some("ticker") {
                continue;
            }
            let frame: Frame<'_> = serde_json::from_str(line).map_err(|e| fail(e.to_string()))?;
            for record in frame.data {
                let (symbol, quote) = record.read().map_err(fail)?;
                let gap = match (recorded_us, quote.at_us) {
                    (Some(before), Some(now)) => i64::clamp(now - before, 0, LONGEST_GAP_US),
                    _ => SECOND_US,
                };
                at_us += if frames.is_empty() { 0 } else { gap };
                recorded_us = quote.at_us.or(recorded_us.map(|before| before + SECOND_US));
                frames.push((at_us, symbol, quote));
            }
        }
        if frames.is_empty() {
            let problem = "no ticker frame in it".to_owned();
            return Err(ReplayError::Content { path: path.to_owned(), problem });
        }
        Ok(Self { frames })
    }

    pub(crate) fn symbols(&self) -> Vec<String> {
        let mut symbols: Vec<String> = Vec::new();
        for (_, symbol, _) in &self.frames {
            if !symbols.contains(symbol) {
                symbols.push(symbol.clone());
            }
        }
        symbols
    }

    pub(super) fn keep(&mut self, wanted: &[String]) {
        self.frames.retain(|(_, symbol, _)| wanted.contains(symbol));
    }

    /// A market that says these records again, `speed` times as fast, on both venues.
    pub(crate) fn market(self, speed: u32, epoch_us: i64) -> Market {
        let symbols = self.symbols();
        let first = |symbol: &str| {
            let found = self.frames.iter().find(|(_, known, _)| known == symbol);
            found.map(|(_, _, quote)| Arc::new(rebased(quote, epoch_us)))
        };
        let (listings, quotes) = symbols
            .iter()
            .filter_map(|symbol| first(symbol).map(|quote| (symbol, quote)))
            .map(|(symbol, quote)| {
                let decimals = quote.last.scale();
                let name = calibration::calibration(symbol).name;
                let listing = Listing { symbol: symbol.clone(), name, decimals: [decimals; 2] };
                (listing, [Arc::clone(&quote), quote])
            })
            .unzip();
        let player = Player::new(&self.frames, &symbols, speed, epoch_us);
        Market::new(listings, quotes, Box::new(player))
    }
}

fn rebased(quote: &Quote, epoch_us: i64) -> Quote {
    // A record without a time keeps having none: that is how it was recorded.
    Quote { at_us: quote.at_us.map(|_| epoch_us), ..quote.clone() }
}

/// Plays the records for ever.
struct Player {
    /// When in a round, which listing, what.
    records: Vec<(i64, usize, Quote)>,
    round_us: i64,
    epoch_us: i64,
    /// Next record and venue: each record is said by both.
    next: usize,
    rounds: i64,
}

impl Player {
    fn new(frames: &[(i64, String, Quote)], symbols: &[String], speed: u32, epoch_us: i64) -> Self {
        let speed = i64::from(speed.max(1));
        let listing = |symbol: &String| symbols.iter().position(|known| known == symbol);
        let records: Vec<_> = frames
            .iter()
            .filter_map(|(at, symbol, quote)| Some((at / speed, listing(symbol)?, quote.clone())))
            .collect();
        let last = records.last().map_or(0, |(at, _, _)| *at);
        Self { records, round_us: last + SECOND_US, epoch_us, next: 0, rounds: 0 }
    }
}

impl TickSource for Player {
    fn next_at(&self) -> Option<i64> {
        let (at, _, _) = self.records.get(self.next / VENUES.len())?;
        Some(self.rounds.saturating_mul(self.round_us).saturating_add(*at))
    }

    fn next_tick(&mut self) -> Option<Tick> {
        let at_us = self.next_at()?;
        let (_, listing, quote) = self.records.get(self.next / VENUES.len())?;
        let venue = *VENUES.get(self.next % VENUES.len())?;
        let quote = Arc::new(rebased(quote, self.epoch_us.saturating_add(at_us)));
        let tick = Tick { venue, listing: *listing, kind: TickKind::Trade, at_us, quote };
        self.next += 1;
        if self.next == self.records.len() * VENUES.len() {
            (self.next, self.rounds) = (0, self.rounds + 1);
        }
        Some(tick)
    }
}

#[derive(Deserialize)]
struct Kind {
    channel: Option<String>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    data: Vec<Record<'a>>,
}

/// A ticker record; numbers stay text until they are decimals.
#[derive(Deserialize)]
struct Record<'a> {
    symbol: String,
    #[serde(borrow)]
    bid: &'a RawValue,
    #[serde(borrow)]
    bid_qty: &'a RawValue,
    #[serde(borrow)]
    ask: &'a RawValue,
    #[serde(borrow)]
    ask_qty: &'a RawValue,
    #[serde(borrow)]
    last: &'a RawValue,
    #[serde(borrow)]
    volume: &'a RawValue,
    #[serde(borrow)]
    vwap: &'a RawValue,
    #[serde(borrow)]
    low: &'a RawValue,
    #[serde(borrow)]
    high: &'a RawValue,
    #[serde(borrow)]
    change: &'a RawValue,
    trades: Option<u64>,
    timestamp: Option<String>,
}

impl Record<'_> {
    fn read(&self) -> Result<(String, Quote), String> {
        let number = |raw: &RawValue| raw.get().parse::<Decimal>().map_err(|e| e.to_string());
        let last = number(self.last)?;
        let symbol = self.symbol.split('/').next().unwrap_or(&self.symbol).to_owned();
        let quote = Quote {
            last,
            bid: number(self.bid)?,
            bid_qty: number(self.bid_qty)?,
            ask: number(self.ask)?,
            ask_qty: number(self.ask_qty)?,
            volume: number(self.volume)?,
            vwap: number(self.vwap)?,
            low: number(self.low)?,
            high: number(self.high)?,
            base: last.minus(number(self.change)?),
            trades: self.trades,
            at_us: self.timestamp.as_deref().and_then(parse_rfc3339_us),
        };
        Ok((symbol, quote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: &str = concat!(
        r#"{"channel":"heartbeat"}"#,
        "\n",
        r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":83744.2,"bid_qty":0.56251979,"ask":83744.3,"ask_qty":0.00044780,"last":83744.3,"volume":3156.84782110,"vwap":84174.6,"low":83163.6,"high":85247.4,"change":-429.3,"change_pct":-0.51,"trades":135262,"timestamp":"2026-09-25T17:48:26.844359Z"}]}"#,
        "\n",
        r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":83744.2,"bid_qty":1e-8,"ask":83744.3,"ask_qty":0.1,"last":83745.0,"volume":3156.84782111,"vwap":84174.6,"low":83163.6,"high":85247.4,"change":-428.6,"change_pct":-0.51,"trades":135263,"timestamp":"2026-09-25T17:48:28.344359Z"}]}"#,
        "\n",
    );

    #[test]
    fn records_keep_their_digits_and_distances_and_start_again() {
        let recording = Recording::parse(Path::new("x.ndjson"), FRAMES).unwrap();
        let epoch_us = 1_700_000_000_000_000;
        let mut market = recording.market(1, epoch_us);
        let ticks = market.advance(4_000_000);
        let seen: Vec<(i64, String)> =
            ticks.iter().map(|tick| (tick.at_us, tick.quote.last.to_string())).collect();
        let (a, b) = (("83744.3".to_owned()), ("83745.0".to_owned()));
        let expected = [
            (0, &a),
            (0, &a),
            (1_500_000, &b),
            (1_500_000, &b),
            (2_500_000, &a),
            (2_500_000, &a),
            (4_000_000, &b),
            (4_000_000, &b),
        ];
        assert_eq!(seen, expected.map(|(at, price)| (at, price.clone())));
        assert_eq!(ticks[2].quote.at_us, Some(epoch_us + 1_500_000));
        assert_eq!(ticks[0].quote.change().to_string(), "-429.3");
        assert_eq!(ticks[0].quote.change_pct(2).to_string(), "-0.51");
    }

    #[test]
    fn what_is_no_frame_is_named_by_line() {
        let error = Recording::parse(Path::new("x.ndjson"), "{}\nCloudFlare\n").unwrap_err();
        assert!(error.to_string().starts_with("x.ndjson, line 2: "), "{error}");
        let error = Recording::parse(Path::new("x.ndjson"), "{}\n").unwrap_err();
        assert!(error.to_string().contains("no ticker frame"), "{error}");
    }
}
