//! Independent tick streams of both venues over each symbol's price path.

use super::calibration::{Calibration, calibration};
use super::rolling::{Minute, RollingDay};
use super::walk::Walk;
use super::{Listing, Market, Quote, Tick, TickKind, TickSource, VENUES, Venue};
use crate::decimal::{Decimal, div_round};
use crate::replay::CandlePath;
use crate::rng::Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Trades per candle of a replay: enough that each leg of its path is seen, and that no step
/// between two trades is large.
const TICKS_PER_CANDLE: f64 = 12.0;
/// Bound for a replay played very fast.
const MOST_TICKS_PER_S: f64 = 100.0;
/// Decimals of a volume on both exchanges.
const QTY_DECIMALS: u32 = 8;

/// How the generator runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) seed: u64,
    /// Market seconds per second.
    pub(crate) speed: u32,
    /// Kraken updates per second over all symbols together, instead of the calibrated rates; 0 is
    /// a market in which nothing ticks.
    pub(crate) update_hz: Option<f64>,
    /// Epoch µs at the start.
    pub(crate) epoch_us: i64,
}

/// All streams of all symbols, merged in the order of time.
pub(crate) struct Generator {
    pace: Pace,
    books: Vec<Book>,
    streams: Vec<Stream>,
    due: BinaryHeap<Reverse<(i64, usize)>>,
}

struct Stream {
    listing: usize,
    venue: Venue,
    kind: TickKind,
    mean_gap_us: f64,
    rng: Rng,
}

/// One symbol: its path and what each venue has made of it.
struct Book {
    path: PricePath,
    calibration: Calibration,
    decimals: [u32; 2],
    sides: [Side; 2],
}

/// Where a symbol's prices come from.
enum PricePath {
    Walk(Walk),
    Candles(CandlePath),
}

struct Side {
    day: RollingDay,
    last: Decimal,
}

impl Generator {
    /// A market over seeded random walks.
    pub(crate) fn market(symbols: &[String], pace: Pace) -> Market {
        Self::over(pace, symbols.iter().map(|symbol| Book::of_walk(symbol, pace.seed)))
    }

    /// A market over recorded candles: both venues tick on the same path, each at its own moments.
    pub(crate) fn replay(paths: Vec<(String, CandlePath)>, pace: Pace) -> Market {
        Self::over(pace, paths.into_iter().map(|(symbol, path)| Book::of_candles(&symbol, path)))
    }

    fn over(pace: Pace, books: impl Iterator<Item = (Listing, Book)>) -> Market {
        let (listings, books): (Vec<_>, Vec<_>) = books.unzip();
        let mut generator = Self { pace, books, streams: Vec::new(), due: BinaryHeap::new() };
        generator.schedule(&listings);
        let quotes = generator.opening_quotes();
        Market::new(listings, quotes, Box::new(generator))
    }

    fn schedule(&mut self, listings: &[Listing]) {
        for (index, (listing, book)) in listings.iter().zip(&self.books).enumerate() {
            for venue in VENUES {
                for kind in [TickKind::Trade, TickKind::Book] {
                    let rate = book.rate(venue, kind, &self.pace, listings.len());
                    if rate <= 0.0 {
                        continue;
                    }
                    let label = if kind == TickKind::Trade { "trade" } else { "book" };
                    let labels = [label, venue.as_str(), listing.symbol.as_str()];
                    self.streams.push(Stream {
                        listing: index,
                        venue,
                        kind,
                        mean_gap_us: 1e6 / rate,
                        rng: Rng::new(self.pace.seed, &labels),
                    });
                }
            }
        }
        for (index, stream) in self.streams.iter_mut().enumerate() {
            self.due.push(Reverse((stream.gap_us(), index)));
        }
    }

    fn opening_quotes(&mut self) -> Vec<[Arc<Quote>; 2]> {
        let epoch_us = self.pace.epoch_us;
        let seed = self.pace.seed;
        let mut rng = Rng::new(seed, &["opening"]);
        self.books
            .iter_mut()
            .map(|book| {
                VENUES.map(|venue| {
                    let price = book.price(venue, 0);
                    venue.of_mut(&mut book.sides).last = price;
                    Arc::new(book.quote(venue, 0, epoch_us, &mut rng))
                })
            })
            .collect()
    }
}

impl TickSource for Generator {
    fn next_at(&self) -> Option<i64> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn next_tick(&mut self) -> Option<Tick> {
        let Reverse((at_us, index)) = self.due.pop()?;
        let stream = self.streams.get_mut(index)?;
        self.due.push(Reverse((at_us.saturating_add(stream.gap_us()), index)));
        let (venue, listing, kind) = (stream.venue, stream.listing, stream.kind);
        let book = self.books.get_mut(listing)?;
        let market_us = at_us.saturating_mul(i64::from(self.pace.speed));
        if kind == TickKind::Trade {
            book.trade(venue, market_us, stream, self.pace.speed);
        }
        let epoch_us = self.pace.epoch_us.saturating_add(at_us);
        let quote = Arc::new(book.quote(venue, market_us, epoch_us, &mut stream.rng));
        Some(Tick { venue, listing, kind, at_us, quote })
    }
}

impl Stream {
    fn gap_us(&mut self) -> i64 {
        let gap = Decimal::from_f64(self.mean_gap_us * self.rng.exponential(), 0);
        i64::try_from(gap.units()).unwrap_or(i64::MAX).max(1)
    }
}

impl Book {
    fn of_walk(symbol: &str, seed: u64) -> (Listing, Self) {
        let calibration = calibration(symbol);
        let walk = Walk::new(seed, symbol, &calibration);
        let histories = walk.history(seed, symbol, &calibration);
        let decimals = calibration.price_decimals;
        Self::new(symbol, PricePath::Walk(walk), calibration, decimals, histories)
    }

    fn of_candles(symbol: &str, path: CandlePath) -> (Listing, Self) {
        let calibration = calibration(symbol);
        // Never fewer decimals than the file has: a rounded price could leave its candle.
        let decimals = calibration.price_decimals.map(|venue| venue.max(path.scale()));
        let histories = VENUES
            .map(|venue| path.history(*venue.of(&decimals), *venue.of(&calibration.trades_per_s)));
        Self::new(symbol, PricePath::Candles(path), calibration, decimals, histories)
    }

    fn new(
        symbol: &str,
        path: PricePath,
        calibration: Calibration,
        decimals: [u32; 2],
        histories: [Vec<Minute>; 2],
    ) -> (Listing, Self) {
        let [kraken, coinbase] = histories;
        let side = |history: Vec<Minute>, venue: Venue| {
            let last = history.last().map_or(0, |minute| minute.close);
            let day = RollingDay::new(history, last);
            Side { day, last: Decimal::new(last, *venue.of(&decimals)) }
        };
        let sides = [side(kraken, Venue::Kraken), side(coinbase, Venue::Coinbase)];
        let name = calibration.name.clone();
        let listing = Listing { symbol: symbol.to_owned(), name, decimals };
        (listing, Self { path, calibration, decimals, sides })
    }

    fn rate(&self, venue: Venue, kind: TickKind, pace: &Pace, listings: usize) -> f64 {
        let natural = match kind {
            TickKind::Trade => venue.of(&self.calibration.trades_per_s),
            TickKind::Book => venue.of(&self.calibration.book_changes_per_s),
        };
        match (pace.update_hz, venue, kind) {
            (None, _, TickKind::Trade) => natural.max(self.rate_along_path(pace)),
            (None, _, TickKind::Book) => *natural,
            (Some(hz), _, _) if hz <= 0.0 => 0.0,
            (Some(hz), Venue::Kraken, TickKind::Trade) => hz / (listings.max(1) as f64),
            (Some(_), Venue::Kraken, TickKind::Book) => 0.0,
            (Some(_), Venue::Coinbase, _) => *natural,
        }
    }

    /// Trades per second that follow a recorded path, however fast it is played.
    fn rate_along_path(&self, pace: &Pace) -> f64 {
        match &self.path {
            PricePath::Walk(_) => 0.0,
            PricePath::Candles(path) => {
                let candles_per_s = f64::from(pace.speed) / path.interval_s();
                (candles_per_s * TICKS_PER_CANDLE).min(MOST_TICKS_PER_S)
            }
        }
    }

    fn price(&mut self, venue: Venue, market_us: i64) -> Decimal {
        let decimals = *venue.of(&self.decimals);
        match &mut self.path {
            PricePath::Walk(walk) => walk.price(venue, market_us, decimals),
            PricePath::Candles(path) => path.price(market_us, decimals),
        }
    }

    /// Coins traded per second of market time.
    fn volume_per_s(&self, venue: Venue, market_us: i64) -> f64 {
        match &self.path {
            PricePath::Walk(_) => venue.of(&self.calibration.daily_volume) / 86_400.0,
            PricePath::Candles(path) => path.volume_per_s(market_us),
        }
    }

    fn trade(&mut self, venue: Venue, market_us: i64, stream: &mut Stream, speed: u32) {
        let price = self.price(venue, market_us);
        let mean_qty =
            self.volume_per_s(venue, market_us) * f64::from(speed) * stream.mean_gap_us / 1e6;
        let qty = Decimal::from_f64(mean_qty * stream.rng.exponential(), QTY_DECIMALS);
        let side = venue.of_mut(&mut self.sides);
        side.last = price;
        side.day.trade(market_us, price.units(), qty.units().max(1));
    }

    fn quote(&mut self, venue: Venue, market_us: i64, epoch_us: i64, rng: &mut Rng) -> Quote {
        let decimals = *venue.of(&self.decimals);
        let daily_volume = *venue.of(&self.calibration.daily_volume);
        let side = venue.of_mut(&mut self.sides);
        side.day.roll_to(market_us);
        let totals = side.day.totals();
        let price = |units: i128| Decimal::new(units, decimals);
        let last = side.last.units();
        // A spread of about 1 bp, at least one tick, with the last trade somewhere in it.
        let spread = (last / 10_000).max(1);
        let below = i128::from(rng.below(u64::try_from(spread + 1).unwrap_or(1)));
        let bid = (last - below).max(1);
        let qty = |rng: &mut Rng| {
            Decimal::from_f64(daily_volume / 40_000.0 * rng.exponential(), QTY_DECIMALS)
        };
        let vwap = div_round(totals.turnover, totals.volume);
        Quote {
            last: side.last,
            bid: price(bid),
            bid_qty: qty(rng),
            ask: price(bid + spread),
            ask_qty: qty(rng),
            volume: Decimal::new(totals.volume, QTY_DECIMALS),
            vwap: price(if totals.volume == 0 { last } else { vwap }),
            low: price(totals.low.min(last)),
            high: price(totals.high.max(last)),
            base: price(side.day.base(market_us)),
            trades: Some(totals.trades),
            at_us: Some(epoch_us),
        }
    }
}
