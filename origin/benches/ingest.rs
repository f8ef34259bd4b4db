//! How many Kraken frames per second one core takes in: decoded, normalised, aggregated, with
//! conclusions and publication as in the running origin. Prints medians of interleaved rounds.
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
use std::time::Instant;

use pricecast_core::{
    Aggregator, FeedConfig, KrakenEvent, Publisher, SourceEvent, Symbol, UnixMillis,
};
use pricecast_origin::exchange::kraken::messages;
use pricecast_origin::exchange::kraken::session::Session;
use pricecast_origin::snapshot::Publication;

const SYMBOLS: [(&str, &str); 5] = [
    ("BTC", "83744.3"),
    ("ETH", "2637.52"),
    ("SOL", "111.10"),
    ("XRP", "2.13780"),
    ("DOGE", "0.1654759"),
];
const FRAMES: usize = 20_000;
const ROUNDS: usize = 9;
/// Frames per second of market time: conclusions fall due every 100 ms of it.
const MARKET_HZ: u64 = 1_000;
const FLOOR_FRAMES_PER_S: f64 = 300_000.0;

/// Frames in the documented shape, prices moving by a cent or so.
fn frames() -> Vec<String> {
    let frame = |n: usize| {
        let (symbol, price) = SYMBOLS[n % SYMBOLS.len()];
        // 7 is prime to the 100 frames between two conclusions: most of these see another price.
        let last_digit = n / 7 % 10;
        let price = format!("{}{last_digit}", price.split_at(price.len() - 1).0);
        format!(
            r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"{symbol}/USD","bid":{price},"bid_qty":0.56251979,"ask":{price},"ask_qty":0.00044780,"last":{price},"volume":3156.84782110,"vwap":{price},"low":{price},"high":{price},"change":-429.3,"change_pct":-0.51,"trades":135262,"timestamp":"2026-09-25T17:48:26.844359Z"}}]}}"#
        )
    };
    (0..FRAMES).map(frame).collect()
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
    SYMBOLS.iter().map(|(text, _)| Symbol::parse(text).unwrap()).collect()
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

/// Frame → session → events; decoded and normalised, nothing concluded.
fn decode_and_normalise(frames: &[String]) {
    let start = UnixMillis::from_ms(1_790_358_507_000);
    let mut session = Session::new(&symbols(), start, start);
    for (n, text) in frames.iter().enumerate() {
        session.handle_frame(market_time(start, n), text);
        while let Some(event) = session.poll_event() {
            black_box(event);
        }
    }
}

/// All of it, publication included.
fn ingest(frames: &[String]) -> u64 {
    let start = UnixMillis::from_ms(1_790_358_507_000);
    let symbols = symbols();
    let mut session = Session::new(&symbols, start, start);
    let mut aggregator =
        Aggregator::new(FeedConfig { symbols, coinbase_interval_ms: 1_000, poll_after_ms: 2_500 });
    let mut publisher = Publisher::new(1);
    session.handle_frame(start, r#"{"channel":"status","data":[{"system":"online"}]}"#);
    let mut assessed_at = start;
    let mut published = 0;
    for (n, text) in frames.iter().enumerate() {
        let now = market_time(start, n);
        session.handle_frame(now, text);
        while let Some(event) = session.poll_event() {
            if let KrakenEvent::TickRefused { symbol, reason } = event {
                panic!("{symbol} {reason}");
            }
            aggregator.handle(now, &SourceEvent::Kraken(event));
        }
        if now.ms_since(assessed_at) >= pricecast_core::ASSESS_EVERY_MS {
            assessed_at = now;
            black_box(aggregator.assess(now));
            if let Some((snapshot, _)) = publisher.publish(now, &aggregator) {
                black_box(Publication::new(snapshot.into(), now, 1_000));
                published += 1;
            }
        }
    }
    published
}

fn market_time(start: UnixMillis, n: usize) -> UnixMillis {
    start.plus_ms(n as u64 * 1_000 / MARKET_HZ)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let frames = frames();
    assert!(ingest(&frames) > 100, "the measured path publishes");
    type Case = (&'static str, fn(&[String]));
    let cases: [Case; 4] = [
        ("serde_json into a struct of floats (comparison)", plain_serde),
        ("decode", decode),
        ("decode + normalise", decode_and_normalise),
        ("decode + normalise + aggregate + publish", |frames| {
            black_box(ingest(frames));
        }),
    ];
    let mut rates = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((_, run), rates) in cases.iter().zip(&mut rates) {
            let began = Instant::now();
            run(&frames);
            rates.push(FRAMES as f64 / began.elapsed().as_secs_f64());
        }
    }
    println!("Kraken frames per second on one core, median of {ROUNDS} interleaved rounds");
    let mut last = 0.0;
    for ((name, _), rates) in cases.iter().zip(rates) {
        last = median(rates);
        println!("{last:>12.0}  {name}");
    }
    let verdict = if last >= FLOOR_FRAMES_PER_S { "ok" } else { "TOO SLOW" };
    println!("floor {FLOOR_FRAMES_PER_S:.0}: {verdict}");
    if last < FLOOR_FRAMES_PER_S {
        std::process::exit(1);
    }
}
