//! What feeds in steps of 100 ms cannot tell: the very bounds of suspicion.

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

/// BTC at 100 on both at 0; then only heartbeats, the last at `until_ms`.
fn quiet(until_ms: u64) -> Kraken {
    let mut kraken = Kraken::new(1);
    kraken.on_connected(at(0));
    kraken.on_system(SystemStatus::Online);
    prove(&mut kraken, 0);
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
