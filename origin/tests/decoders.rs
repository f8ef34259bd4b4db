//! The exchanges' messages through the decoders, each with its expected outcome: our own fixtures
//! in the documented shapes, and every recorded frame and answer. The recordings lie outside the
//! repository; without them their tests are skipped, and say so.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::path::{Path, PathBuf};

use pricecast_core::UnixMillis;
use pricecast_origin::exchange::coinbase::messages as coinbase;
use pricecast_origin::exchange::kraken::messages::{self as kraken, Frame};

/// The recordings of one exchange, or `None` with a word about it.
fn recordings(exchange: &str) -> Option<PathBuf> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/market-data").join(exchange);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: no recorded data at {}", path.display());
    None
}

/// The files with data, by name; `.source.txt` files tell where they come from.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".source.txt"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn kraken_outcome(text: &str) -> String {
    match kraken::decode(text) {
        Ok(Frame::Ticker(ticker)) => {
            let [item] = &ticker.items[..] else { panic!("{} items", ticker.items.len()) };
            let time = item.event_time().map_or(0, UnixMillis::as_ms);
            format!(
                "ticker {} {} {} {time}",
                item.pair(),
                item.last().unwrap_or("-"),
                item.change_pct().unwrap_or("-")
            )
        }
        Ok(Frame::Heartbeat) => "heartbeat".to_owned(),
        Ok(Frame::Status(system)) => {
            format!("status {}", system.as_ref().map_or("-", |s| s.as_str()))
        }
        Ok(Frame::Subscribed { pair }) => {
            format!("ack {}", pair.as_ref().map_or("-", |p| p.as_str()))
        }
        Ok(Frame::Unsubscribed) => "unsubscribed".to_owned(),
        Ok(Frame::Refused { pair, .. }) => {
            format!("rejection {}", pair.as_ref().map_or("-", |p| p.as_str()))
        }
        Ok(Frame::Pong { .. }) => "pong".to_owned(),
        Ok(Frame::Noise(noise)) => format!("noise {noise:?}"),
        Err(_) => "undecodable".to_owned(),
    }
}

#[test]
fn every_kraken_fixture_has_the_right_outcome() {
    let outcomes = |text: &str| text.lines().map(kraken_outcome).collect::<Vec<_>>();
    assert_eq!(
        outcomes(include_str!("../fixtures/kraken_v2.ndjson")),
        [
            "status online",
            "status post_only",
            "ack ETH/USD",
            "rejection ABC/USD",
            "rejection -",
            "rejection -",
            "unsubscribed",
            "ticker ETH/USD 3000.00 -1.90 1767323045678",
            "ticker DOGE/USD 0.1000002 1.21 0",
            "ticker ABC/USD 1e-8 0.00 0",
            "ticker ABC/USD - 0.0 0",
            "heartbeat",
            "pong",
            "noise Channel",
            "undecodable",
        ]
    );
    assert_eq!(outcomes(include_str!("../fixtures/kraken_v1.ndjson")), ["noise V1"; 4]);
}

#[test]
fn the_coinbase_fixture_has_the_right_outcome() {
    assert_eq!(
        coinbase_outcome(include_str!("../fixtures/coinbase_products.json")),
        "not ours, SOL 150 9.43, ETH 3000.25 -1.90123456789012, XRP halted, ABC price_missing, OLD delisted"
    );
}

#[test]
fn every_recorded_kraken_frame_has_the_right_outcome() {
    let Some(folder) = recordings("kraken") else { return };
    let mut frames = 0;
    for (name, text) in files(&folder) {
        let expected: &[&str] = match name.as_str() {
            "ws_v2_frames_2024.ndjson" => &[
                "status online",
                "ack BTC/USD",
                "heartbeat",
                "ticker BTC/USD 65972.9 7.17 0",
                "ticker BTC/USD 65843.7 6.84 0",
                "pong",
            ],
            "ws_v2_frames_2026-09-25.ndjson" => &[
                "status online",
                "ack BTC/USD",
                "ticker BTC/USD 83744.3 -0.51 1790358506844",
                "noise Channel",
                "noise Channel",
            ],
            "ws_v2_subscribe_rejected.ndjson" => {
                &["rejection XBT/USD", "rejection XBT/USD", "rejection -", "rejection -"]
            }
            "ws_v2_error_frames_2024.ndjson" => &["rejection -", "rejection -"],
            "ws_v2_ticker_docs_example.json" => &["ticker ALGO/USD 0.10035 -0.17 1695632671742"],
            "ws_non_json_cloudflare_restart.txt" => &["undecodable"],
            // Protocol v1, whose prices mean something else: each of them is refused.
            "ws_v1_examples_gocryptotrader.ndjson" => &["noise V1"],
            // Never on this socket; were one to come, nothing of it would be taken for a price.
            "rest_520_cloudflare.html" => &["undecodable"],
            "rest_error_unknown_pair.json" => &["undecodable"],
            "rest_ohlc_btcusd_1m_2026-10-06_12rows.json" | "rest_ticker_multi_2026-09-19.json" => {
                &["undecodable"]
            }
            other => panic!("a recording without an expectation: {other}"),
        };
        let whole = name.ends_with(".html") || name.ends_with(".txt");
        let lines: Vec<_> = if whole { vec![text.as_str()] } else { text.lines().collect() };
        let outcomes: Vec<_> =
            lines.iter().filter(|line| !line.is_empty()).map(|line| kraken_outcome(line)).collect();
        frames += outcomes.len();
        match expected {
            [one] => assert!(outcomes.iter().all(|o| o == one), "{name}: {outcomes:?}"),
            many => assert_eq!(outcomes, *many, "{name}"),
        }
    }
    assert!(frames >= 30, "only {frames} frames");
}

fn coinbase_outcome(text: &str) -> String {
    let Ok(products) = coinbase::decode(text.as_bytes()) else { return "no products".to_owned() };
    let outcome = |product: &coinbase::Product<'_>| {
        let Some(symbol) = product.symbol() else { return "not ours".to_owned() };
        match product.raw_quote(symbol).normalise(UnixMillis::from_ms(1)) {
            Ok(quote) => format!("{symbol} {} {}", quote.price, quote.change_24h),
            Err(reason) => format!("{symbol} {reason}"),
        }
    };
    products.iter().map(outcome).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_recorded_coinbase_answer_has_the_right_outcome() {
    let Some(folder) = recordings("coinbase") else { return };
    for (name, text) in files(&folder) {
        let expected = match name.as_str() {
            "adv_products_nautilus.json" => "BTC 68925.98 -0.28225832119521, not ours",
            "adv_products_multi_ccxt_pr21022_excerpt.json" => "not ours",
            "adv_product_nautilus.json"
            | "adv_candles_nautilus.json"
            | "adv_error_404_not_found.json"
            | "adv_ticker_nautilus.json"
            | "exchange_404_notfound.json"
            | "exchange_429.json"
            | "exchange_502_cloudflare.html"
            | "exchange_candles_2018_xchange.json"
            | "exchange_ticker_stale_backend_2018-01-01.ndjson" => "no products",
            other => panic!("a recording without an expectation: {other}"),
        };
        assert_eq!(coinbase_outcome(&text), expected, "{name}");
    }
}
