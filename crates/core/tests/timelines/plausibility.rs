//! Which prices are believed, and which symbols have one.

use pricecast_core::{CoinbaseEvent, KrakenEvent, Mode, RejectReason, Source, SourceReason};

use crate::support::{FIVE, Feed, both, symbol};

#[test]
fn a_spike_on_one_venue_is_never_published_and_the_other_serves_meanwhile() {
    let mut feed = both();
    feed.tick("BTC", "8200.0");
    feed.run_ms(5_000);
    assert_eq!((feed.price("BTC").as_str(), feed.source("BTC")), ("67432.1", Source::Coinbase));
    feed.tick("BTC", "67430.0");
    feed.run_ms(11_000);
    assert_eq!(feed.price("BTC"), "67430.0");
    assert!(
        feed.publications
            .iter()
            .all(|(_, s)| s.prices.iter().all(|p| p.price.to_string() != "8200.0"))
    );
}

#[test]
fn a_crash_seen_on_both_is_published_within_a_second_of_the_second_source() {
    let mut feed = both();
    feed.tick("BTC", "26972.8");
    feed.coinbase.prices.insert(symbol("BTC"), "26980.00".to_owned());
    let took_ms = feed.run_until(3_000, |f| f.price("BTC").starts_with("269"));
    assert!(took_ms <= 1_000 + 200, "{took_ms} ms, of which up to 1,000 until the poll");
}

#[test]
fn a_price_that_kraken_proves_no_more_does_not_stand_against_a_jump_on_coinbase() {
    let mut feed = both();
    let reason = RejectReason::PriceMissing;
    feed.kraken(KrakenEvent::TickRefused { symbol: symbol("ETH"), reason });
    feed.run_ms(4_000);
    assert_eq!(feed.source("ETH"), Source::Coinbase);
    feed.coinbase.prices.insert(symbol("ETH"), "4200.00".to_owned());
    let took_ms = feed.run_until(10_000, |f| f.price("ETH") == "4200.00");
    assert!((3_000..=5_100).contains(&took_ms), "unopposed for 3 s: {took_ms} ms");
}

#[test]
fn a_crash_seen_by_the_only_live_source_is_published_after_three_seconds_of_standing() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    feed.run_ms(12_000);
    feed.tick("BTC", "26972.8");
    feed.run_ms(2_900);
    assert_eq!(feed.price("BTC"), "67432.1");
    feed.run_ms(1_300);
    assert_eq!(feed.price("BTC"), "26972.8");
}

#[test]
fn a_candidate_does_not_outlive_the_connection_it_stood_on() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    feed.run_ms(12_000);
    feed.tick("BTC", "26972.8");
    feed.kraken(KrakenEvent::Disconnected(SourceReason::Disconnected));
    feed.kraken.is_up = false;
    feed.run_ms(60_000);
    assert_eq!(feed.price("BTC"), "67432.1");
}

#[test]
fn sources_more_than_two_per_cent_apart_are_flagged_uncertain() {
    let mut feed = Feed::live(&[("BTC", "100.0")]);
    feed.coinbase.prices.insert(symbol("BTC"), "98.04".to_owned());
    feed.run_ms(1_200);
    assert!(!feed.point("BTC").uncertain, "2.00 % and no more");
    feed.coinbase.prices.insert(symbol("BTC"), "98.00".to_owned());
    feed.run_ms(1_200);
    assert!(feed.point("BTC").uncertain);
    assert_eq!(feed.price("BTC"), "100.0", "flagged, never averaged");
}

#[test]
fn a_symbol_unknown_to_kraken_comes_from_coinbase_and_the_others_are_unharmed() {
    let mut feed = Feed::new(&FIVE);
    feed.kraken.prices.remove(&symbol("SOL"));
    feed.coinbase.is_up = true;
    feed.connect();
    feed.kraken(KrakenEvent::Unsupported(symbol("SOL")));
    feed.run_ms(2_000);
    assert_eq!(feed.source("SOL"), Source::Coinbase);
    assert_eq!(feed.source("BTC"), Source::Kraken);
    assert_eq!(feed.mode(), Mode::Fallback);
}

#[test]
fn a_symbol_both_refuse_becomes_unavailable_after_a_minute_and_comes_back_when_listed() {
    let mut feed = both();
    feed.kraken.prices.remove(&symbol("XRP"));
    feed.coinbase.prices.remove(&symbol("XRP"));
    feed.kraken(KrakenEvent::Unsupported(symbol("XRP")));
    feed.coinbase(CoinbaseEvent::Unsupported(symbol("XRP")));
    feed.run_ms(59_900);
    assert!(feed.latest.as_ref().unwrap().unavailable.is_empty());
    assert!(feed.is_stale("XRP"));
    feed.run_ms(100);
    assert_eq!(feed.latest.as_ref().unwrap().unavailable, [symbol("XRP")]);
    assert_eq!(feed.mode(), Mode::Degraded);
    feed.coinbase.prices.insert(symbol("XRP"), "0.52400".to_owned());
    feed.run_ms(1_200);
    assert_eq!(feed.price("XRP"), "0.52400");
}

#[test]
fn a_name_that_comes_back_for_another_coin_has_that_coins_price_at_once() {
    for kraken_is_first in [true, false] {
        let mut feed = both();
        feed.kraken.prices.remove(&symbol("XRP"));
        feed.coinbase.prices.remove(&symbol("XRP"));
        feed.kraken(KrakenEvent::Unsupported(symbol("XRP")));
        feed.coinbase(CoinbaseEvent::Unsupported(symbol("XRP")));
        feed.run_ms(61_000);
        feed.publications.clear();
        if kraken_is_first {
            feed.say(symbol("XRP"), "0.00261", true);
        } else {
            feed.coinbase.prices.insert(symbol("XRP"), "0.00261".to_owned());
        }
        feed.run_ms(1_200);
        assert_eq!(feed.price("XRP"), "0.00261");
        let told = feed.publications.iter().flat_map(|(_, s)| &s.prices);
        let told = told.filter(|p| p.symbol == symbol("XRP")).map(|p| p.price.to_string());
        assert!(told.into_iter().all(|price| price == "0.00261"), "never the old coin's");
    }
}

#[test]
fn an_outage_never_makes_a_symbol_unavailable() {
    let mut feed = both();
    feed.kraken(KrakenEvent::Unsupported(symbol("XRP")));
    feed.kraken.is_up = false;
    feed.coinbase.is_up = false;
    feed.run_ms(8 * 3_600_000);
    assert!(feed.latest.as_ref().unwrap().unavailable.is_empty());
}
