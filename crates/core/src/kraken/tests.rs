//! Suspicion: its very bounds, which steps of 100 ms cannot tell, and what ends it.

use super::*;
use crate::test_support::{at, price, quote, symbol};

/// What Coinbase says, live.
fn coinbase(text: &str) -> OtherView {
    let said = Some(price(text));
    OtherView { live: said, latest: said, says: said, lists: true }
}

/// A frame that comes right after the answer to a ping.
fn prove(kraken: &mut Kraken, ms: u64) {
    kraken.on_pong(at(ms), at(ms));
    kraken.on_proof(at(ms));
}

fn connect(kraken: &mut Kraken, ms: u64) {
    kraken.on_connected(at(ms));
    kraken.on_system(SystemStatus::Online);
    prove(kraken, ms);
}

/// BTC at 100 on both at 0; then only heartbeats, the last at `until_ms`.
fn quiet(until_ms: u64) -> Kraken {
    let mut kraken = Kraken::new(1);
    connect(&mut kraken, 0);
    kraken.on_tick(0, at(0), &quote("100"), true, coinbase("100"));
    (1..=until_ms / 1_000).for_each(|second| prove(&mut kraken, second * 1_000));
    kraken
}

fn is_suspected_at(kraken: &mut Kraken, ms: u64) -> bool {
    kraken.suspect(0, symbol("BTC"), at(ms), coinbase("101")).is_some()
}

#[test]
fn a_symbol_is_suspected_from_ten_seconds_of_silence_on() {
    let mut kraken = quiet(9_000);
    assert!(!is_suspected_at(&mut kraken, 9_999));
    assert!(is_suspected_at(&mut kraken, 10_000));
}

#[test]
fn kraken_insists_on_what_it_said_again_for_three_seconds_after_its_last_frame() {
    let mut kraken = quiet(10_000);
    assert!(is_suspected_at(&mut kraken, 10_000));
    assert_eq!(kraken.insists(0, at(10_000)), None, "not asked yet");
    kraken.on_tick(0, at(10_100), &quote("100"), true, coinbase("101"));
    assert_eq!(kraken.insists(0, at(12_999)), Some(price("100")));
    assert_eq!(kraken.insists(0, at(13_000)), None);
}

#[test]
fn what_kraken_insists_on_it_must_say_again_on_a_new_connection() {
    let mut kraken = quiet(10_000);
    assert!(is_suspected_at(&mut kraken, 10_000));
    for (connected_ms, is_said) in [(11_000, true), (12_000, false)] {
        connect(&mut kraken, connected_ms);
        if is_said {
            kraken.on_tick(0, at(connected_ms), &quote("100"), true, coinbase("101"));
        }
        assert_eq!(kraken.insists(0, at(connected_ms)).is_some(), is_said);
    }
}

#[test]
fn a_symbol_in_doubt_is_asked_for_unless_its_snapshot_came_meanwhile() {
    for (has_come, asked) in [(true, vec![]), (false, vec![symbol("BTC")])] {
        let mut kraken = quiet(10_000);
        assert!(is_suspected_at(&mut kraken, 10_000));
        kraken.on_disconnected(SourceReason::Disconnected);
        let cleared = kraken.suspect(0, symbol("BTC"), at(10_500), coinbase("100"));
        assert_eq!(cleared, Some(Transition::SuspicionCleared { symbol: symbol("BTC") }));
        connect(&mut kraken, 11_000);
        if has_come {
            kraken.on_tick(0, at(11_000), &quote("100"), true, coinbase("100"));
        }
        assert_eq!(kraken.upkeep(at(11_100), &[symbol("BTC")], false).resubscribe, asked);
    }
}
