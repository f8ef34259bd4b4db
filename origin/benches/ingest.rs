//! How many Kraken frames per second one core takes in: decoded, normalised, aggregated, with
//! conclusions and publication as in the running origin. Prints medians of interleaved rounds, and
//! one line `figures: {…}` for `make bench`.
//!
//! Conclusions are drawn every 100 ms whatever arrives, so the market's pace says how many frames
//! share the cost of one: on a core that has nothing else to do, a hundred thousand; at a thousand
//! frames a second, a busy day of five symbols, a hundred.
//!
//! `cargo bench -p pricecast-origin --bench ingest`

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a measurement, run by hand"
)]

use std::hint::black_box;

use jiff::{SignedDuration, Timestamp};
use pricecast_core::{
    Aggregator, FeedConfig, KrakenEvent, Publisher, SourceEvent, Symbol, UnixMillis,
};
use pricecast_origin::exchange::kraken::messages;
use pricecast_origin::exchange::kraken::session::Session;
use pricecast_origin::snapshot::Publication;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::time::{ClockId, clock_gettime};

/// Symbol, first price in its smallest steps, decimals.
const SYMBOLS: [(&str, i64, u32); 5] = [
    ("BTC", 837_443, 1),
    ("ETH", 263_752, 2),
    ("SOL", 11_110, 2),
    ("XRP", 213_780, 5),
    ("DOGE", 1_654_759, 7),
];
/// Different frames.
const FRAMES: u32 = 20_000;
/// How often they are gone through in a round.
const PASSES: u32 = 10;
const ROUNDS: usize = 15;
/// Frames per second of market time: of a core that does nothing else, and of a busy market.
const SATURATED_HZ: u64 = 1_000_000;
const MARKET_HZ: u64 = 1_000;
const START_MS: u64 = 1_790_358_507_000;
const FLOOR_FRAMES_PER_S: f64 = 500_000.0;

/// Frames in the documented shape. Every price moves a few steps with every frame, up or down, and
/// everything else with it; the symbols take their turns by chance.
fn frames() -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(4);
    let mut lasts = SYMBOLS.map(|(_, first, _)| first);
    let start = Timestamp::from_millisecond(START_MS.cast_signed()).unwrap();
    let mut frame = |n: u32| {
        let index = rng.random_range(0..SYMBOLS.len());
        let (symbol, first, decimals) = SYMBOLS[index];
        lasts[index] += [-3, -2, -1, 1, 2, 3][rng.random_range(0..6)];
        let last = lasts[index];
        let price = |steps| decimal(steps, decimals);
        let mut quantity = || decimal(rng.random_range(10_000..5_000_000_000), 8);
        let (bid_qty, ask_qty, volume) = (quantity(), quantity(), quantity());
        let (bid, ask) = (price(last - 1), price(last + 1));
        let (low, high) = (price(first - first / 50), price(first + first / 40));
        let (change, vwap) = (price(last - first - 429), price(first));
        let change_pct = decimal((last - first - 429) * 10_000 / first, 2);
        let last = price(last);
        let trades = 135_262 + n;
        let timestamp = start + SignedDuration::from_micros(n.into());
        format!(
            r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"{symbol}/USD","bid":{bid},"bid_qty":{bid_qty},"ask":{ask},"ask_qty":{ask_qty},"last":{last},"volume":{volume},"vwap":{vwap},"low":{low},"high":{high},"change":{change},"change_pct":{change_pct},"trades":{trades},"timestamp":"{timestamp:.6}"}}]}}"#
        )
    };
    (0..FRAMES).map(&mut frame).collect()
}

fn decimal(steps: i64, decimals: u32) -> String {
    let (sign, unit) = (if steps < 0 { "-" } else { "" }, 10_u64.pow(decimals));
    let (whole, rest) = (steps.unsigned_abs() / unit, steps.unsigned_abs() % unit);
    format!("{sign}{whole}.{rest:0width$}", width = decimals as usize)
}

/// What a client without our wishes would write: every field, numbers as floats.
#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "read for comparison only")]
struct PlainFrame {
    channel: String,
    r#type: String,
    data: Vec<PlainItem>,
}

#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "read for comparison only")]
struct PlainItem {
    symbol: String,
    bid: f64,
    bid_qty: f64,
    ask: f64,
    ask_qty: f64,
    last: f64,
    volume: f64,
    vwap: f64,
    low: f64,
    high: f64,
    change: f64,
    change_pct: f64,
    trades: u64,
    timestamp: String,
}

fn symbols() -> Vec<Symbol> {
    SYMBOLS.iter().map(|(text, ..)| Symbol::parse(text).unwrap()).collect()
}

fn plain_serde(frames: &[String]) {
    for text in frames {
        let frame: PlainFrame = serde_json::from_str(text).unwrap();
        black_box(frame);
    }
}

fn decode(frames: &[String]) {
    for text in frames {
        let _ = black_box(messages::decode(text));
    }
}

/// The whole way of a frame, or half of it.
struct Way<const HZ: u64> {
    taken: u64,
    session: Session,
    aggregator: Aggregator,
    publisher: Publisher,
    assessed_at: UnixMillis,
    published: u64,
}

impl<const HZ: u64> Way<HZ> {
    fn new() -> Self {
        let start = UnixMillis::from_ms(START_MS);
        let symbols = symbols();
        let mut session = Session::new(&symbols, start, start);
        session.handle_frame(start, r#"{"channel":"status","data":[{"system":"online"}]}"#);
        let config = FeedConfig { symbols, coinbase_interval_ms: 1_000, poll_after_ms: 2_500 };
        Self {
            taken: 0,
            session,
            aggregator: Aggregator::new(config),
            publisher: Publisher::new(1),
            assessed_at: start,
            published: 0,
        }
    }

    fn next_moment(&mut self) -> UnixMillis {
        self.taken += 1;
        UnixMillis::from_ms(START_MS).plus_ms(self.taken * 1_000 / HZ)
    }

    /// Frame → session → events; decoded and normalised, nothing concluded.
    fn normalise(&mut self, frames: &[String]) {
        for text in frames {
            let now = self.next_moment();
            self.session.handle_frame(now, text);
            while let Some(event) = self.session.poll_event() {
                black_box(event);
            }
        }
    }

    /// All of it, publication included.
    fn ingest(&mut self, frames: &[String]) {
        for text in frames {
            let now = self.next_moment();
            self.session.handle_frame(now, text);
            while let Some(event) = self.session.poll_event() {
                if let KrakenEvent::TickRefused { symbol, reason } = event {
                    panic!("{symbol} {reason}");
                }
                self.aggregator.handle(now, &SourceEvent::Kraken(event));
            }
            if now.ms_since(self.assessed_at) >= pricecast_core::ASSESS_EVERY_MS {
                self.assessed_at = now;
                self.conclude(now);
            }
        }
    }

    fn conclude(&mut self, now: UnixMillis) {
        black_box(self.aggregator.assess(now));
        if let Some((snapshot, _)) = self.publisher.publish(now, &self.aggregator) {
            black_box(Publication::new(snapshot.into(), now, 1_000));
            self.published += 1;
        }
    }
}

fn ingest<const HZ: u64>(frames: &[String]) -> u64 {
    let mut way = Way::<HZ>::new();
    (0..PASSES).for_each(|_| way.ingest(frames));
    way.published
}

/// What is measured: its name, and how many seconds a round of it takes.
type Case = (&'static str, fn(&[String]) -> f64);

const SERDE: Case = ("serde_json into a struct of floats", |frames| {
    seconds(|| (0..PASSES).for_each(|_| plain_serde(frames)))
});
const INGEST: Case = ("decode + normalise + aggregate + publish", |frames| {
    seconds(|| assert!(ingest::<SATURATED_HZ>(frames) >= 1))
});
const CASES: [Case; 5] = [
    SERDE,
    ("decode", |frames| seconds(|| (0..PASSES).for_each(|_| decode(frames)))),
    ("decode + normalise", |frames| {
        let mut way = Way::<SATURATED_HZ>::new();
        seconds(|| (0..PASSES).for_each(|_| way.normalise(frames)))
    }),
    INGEST,
    ("the same, publishing every 100 frames", |frames| {
        seconds(|| assert!(ingest::<MARKET_HZ>(frames) > 100 * u64::from(PASSES)))
    }),
];

/// Of the processor, not of the clock on the wall: others may want the core too.
fn seconds(run: impl FnOnce()) -> f64 {
    let spent = || clock_gettime(ClockId::ThreadCPUTime);
    let began = spent();
    run();
    let took = spent() - began;
    took.tv_sec as f64 + took.tv_nsec as f64 / 1e9
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let frames = frames();
    let round = |_| CASES.map(|(_, run)| run(&frames));
    let rounds: Vec<[f64; CASES.len()]> = (0..ROUNDS).map(round).collect();
    let place = |case: Case| CASES.iter().position(|(name, _)| *name == case.0).unwrap();
    let (serde, ingest) = (place(SERDE), place(INGEST));
    let ratio = |case: usize| median(rounds.iter().map(|times| times[case] / times[serde]));
    let rate =
        |case: usize| median(rounds.iter().map(|times| f64::from(FRAMES * PASSES) / times[case]));

    println!("Kraken frames on one core, medians of {ROUNDS} interleaved rounds, CPU time");
    println!("  frames/s  × serde_json");
    for (case, (name, _)) in CASES.iter().enumerate() {
        println!("{:>10.0}  {:>12.2}  {name}", rate(case), ratio(case));
    }
    let rates = CASES.iter().enumerate();
    let rates: serde_json::Map<_, _> =
        rates.map(|(case, (name, _))| ((*name).to_owned(), rate(case).round().into())).collect();
    let figures = serde_json::json!({
        "ingest_frames_per_s": rate(ingest).round(),
        "ingest_vs_serde_json": ratio(ingest),
        "frames_per_s": rates,
    });
    println!("figures: {figures}");
    if rate(ingest) < FLOOR_FRAMES_PER_S {
        eprintln!("slower than {FLOOR_FRAMES_PER_S:.0} frames per second");
        std::process::exit(1);
    }
}
