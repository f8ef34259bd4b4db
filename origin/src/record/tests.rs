//! The record run again.

use std::fs;

use pricecast_core::{
    ASSESS_EVERY_MS, CoinbaseEvent, KrakenEvent, SourceEvent, SourceReason, SystemStatus, Trading,
};
use proptest::prelude::*;

use super::line::Event;
use super::replay::{Replay, Report, WARM_UP_MS};
use super::ring::{Ring, segments};
use super::test_market::Run;
use super::*;
use crate::exchange::coinbase::schedule::Product;
use crate::test_support::at;

pub(super) const MIB: u64 = 1 << 20;
/// Random markets run by each of the two long tests.
const SEEDS: u64 = 12;

pub(super) fn write_down(entries: &[Entry], bytes_max: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::new(folder.path().to_owned(), bytes_max);
    entries.iter().for_each(|entry| ring.write(entry));
    ring.flush();
    folder
}

pub(super) fn text_of(folder: &tempfile::TempDir) -> String {
    let segments = segments(folder.path()).unwrap();
    segments.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

pub(super) fn replay(text: &str) -> Report {
    let mut replay = Replay::default();
    text.lines().for_each(|line| drop(replay.take(line).unwrap()));
    replay.report().clone()
}

#[test]
fn a_run_replayed_from_its_beginning_publishes_the_same_to_the_byte() {
    for seed in 0..SEEDS {
        let folder = write_down(&Run::new(seed).run(300_000), 64 * MIB);
        let report = replay(&text_of(&folder));
        assert!(report.is_identical(), "seed {seed}: {report:?}");
        assert!(report.publications > 500, "seed {seed}: {report:?}");
        assert_eq!(report.identical, report.publications, "seed {seed}");
        assert_eq!(report.warming_up, 0, "seed {seed}");
        assert!(report.quotes > 3_000, "seed {seed}: {report:?}");
        assert_eq!(report.read_alike, report.quotes, "seed {seed}");
    }
}

#[test]
fn a_record_whose_beginning_is_gone_is_the_same_once_warm() {
    for seed in 0..SEEDS {
        let folder = write_down(&Run::new(seed).run(600_000), 2 * MIB);
        let report = replay(&text_of(&folder));
        assert!(report.warming_up > 50, "seed {seed}: {report:?}");
        assert!(report.publications > 100, "seed {seed}: {report:?}");
        assert!(report.is_identical(), "seed {seed}: {report:?}");
    }
}

#[test]
fn one_digit_of_an_event_changed_is_seen_in_what_is_published_and_in_what_was_read() {
    let entries = Run::new(3).run(20_000);
    let text = text_of(&write_down(&entries, 64 * MIB));
    let place = text.rfind(r#""kraken_update":{"symbol":"BTC","price":"6"#).unwrap();
    let mut changed = text.clone();
    changed.replace_range(place..place + 43, r#""kraken_update":{"symbol":"BTC","price":"7"#);
    assert_ne!(text, changed);
    let report = replay(&changed);
    assert!(report.misread.is_some(), "{report:?}");
    let difference = report.difference.unwrap();
    assert!(difference.recorded.is_some() || difference.replayed.is_some());
}

#[test]
fn a_hole_is_told_and_what_comes_after_it_is_compared_once_warm() {
    let entries = Run::new(5).run(200_000);
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::new(folder.path().to_owned(), 64 * MIB);
    let (before, after) = entries.split_at(entries.len() / 3);
    before.iter().for_each(|entry| ring.write(entry));
    ring.note_lost(9);
    after.iter().skip(9).for_each(|entry| ring.write(entry));
    ring.flush();
    let report = replay(&text_of(&folder));
    assert_eq!(report.lost, 9);
    assert!(report.is_identical(), "{report:?}");
    let warm = WARM_UP_MS / ASSESS_EVERY_MS;
    assert!((1..=warm).contains(&report.warming_up), "{report:?}");
    assert!(report.identical > 400, "{report:?}");
}

#[test]
fn what_no_version_of_ours_has_written_is_refused_with_the_line_it_stands_on() {
    let text = text_of(&write_down(&Run::new(1).run(2_000), MIB));
    let first = text.lines().next().unwrap();
    for (line, told) in [
        ("{", "EOF"),
        (r#"{"at":1}"#, "no variant"),
        (r#"{"at":1,"event":{"kraken_unsupported":"btc!"}}"#, r#""btc!" is no symbol"#),
        (r#"{"at":1,"event":{"kraken_disconnected":"bored"}}"#, r#""bored" is no reason"#),
    ] {
        let mut replay = Replay::default();
        replay.take(first).unwrap();
        let error = replay.take(line).unwrap_err().to_string();
        assert!(error.starts_with("line 2: ") && error.contains(told), "{line}: {error}");
    }
}

fn any_symbol() -> impl Strategy<Value = Symbol> {
    "[A-Z]{2,5}".prop_filter_map("a symbol", |text| Symbol::parse(&text).ok())
}

fn any_product(source: pricecast_core::Source) -> impl Strategy<Value = Product> {
    let quote = ("[1-9][0-9]{0,9}(\\.[0-9]{1,8})?", "-?[0-9]{1,3}(\\.[0-9]{1,14})?", any::<bool>());
    (any_symbol(), quote, any::<u32>()).prop_map(move |(symbol, (price, change, has_time), ms)| {
        let raw = pricecast_core::RawQuote {
            source,
            symbol,
            price: Some(&price),
            change_24h: Some(&change),
            volume_24h: has_time.then_some(price.as_str()),
            event_time: has_time.then_some(at(0)),
            trading: if ms % 7 == 0 { Trading::Halted } else { Trading::Open },
        };
        raw.normalise(at(ms.into())).map_err(|reason| (symbol, reason))
    })
}

fn any_event() -> impl Strategy<Value = SourceEvent> {
    use pricecast_core::Source;
    let reason = proptest::sample::select(SourceReason::ALL.to_vec());
    let kraken = prop_oneof![
        Just(KrakenEvent::Connected),
        Just(KrakenEvent::Heartbeat),
        Just(KrakenEvent::Undecodable),
        Just(KrakenEvent::System(SystemStatus::Online)),
        reason.clone().prop_map(|reason| KrakenEvent::System(SystemStatus::NotTrading(reason))),
        reason.clone().prop_map(KrakenEvent::Disconnected),
        any_symbol().prop_map(KrakenEvent::Unsupported),
        any::<u32>().prop_map(|ms| KrakenEvent::Pong { sent_at: at(ms.into()) }),
        (any_product(Source::Kraken), any::<bool>()).prop_map(|(product, is_snapshot)| {
            match product {
                Ok(quote) => KrakenEvent::Tick { quote, is_snapshot },
                Err((symbol, reason)) => KrakenEvent::TickRefused { symbol, reason },
            }
        }),
    ];
    let coinbase = prop_oneof![
        any::<bool>().prop_map(CoinbaseEvent::BreakerOpen),
        reason.prop_map(CoinbaseEvent::Failed),
        any_symbol().prop_map(CoinbaseEvent::Unsupported),
        proptest::collection::vec(any_product(Source::Coinbase), 0..4)
            .prop_map(|products| CoinbaseEvent::Answered { sent_at: at(5), products }),
    ];
    prop_oneof![kraken.prop_map(SourceEvent::Kraken), coinbase.prop_map(SourceEvent::Coinbase)]
}

proptest! {
    #[test]
    fn every_event_comes_back_from_its_line_as_it_was(event in any_event()) {
        let text = serde_json::to_string(&Event::from(&event)).unwrap();
        let line: Event = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(SourceEvent::try_from(&line).unwrap(), event, "{}", text);
    }
}
