//! Every change of state is told, once, in order.

use pricecast_core::{CoinbaseEvent, KrakenEvent, SourceReason, SystemStatus};

use crate::support::{FIVE, Feed, both, symbol};

/// What was told of one symbol since the last look, without its name.
fn told(feed: &mut Feed, name: &str) -> Vec<&'static str> {
    let mut names = vec![];
    feed.transitions.retain(|(_, t)| {
        let is_wanted = t.symbol() == Some(symbol(name));
        names.extend(is_wanted.then(|| t.as_str()));
        !is_wanted
    });
    names
}

/// What was told of the sources and of the feed as a whole, as it is logged.
fn lines(feed: &mut Feed) -> Vec<String> {
    let whole = feed.transitions.extract_if(.., |(_, t)| t.symbol().is_none());
    whole.map(|(_, t)| t.to_string()).collect()
}

#[test]
fn a_start_is_told_source_by_source() {
    let mut feed = both();
    assert_eq!(
        lines(&mut feed),
        ["kraken: down -> connected", "mode: live", "coinbase: stale -> connected"]
    );
    assert!(feed.transitions.is_empty(), "{:?}", feed.transitions);
}

#[test]
fn a_failover_and_its_failback_are_told_once_each() {
    let mut feed = both();
    feed.transitions.clear();
    feed.kraken.is_up = false;
    feed.run_ms(8_000);
    assert_eq!(told(&mut feed, "BTC"), ["failover"]);
    assert_eq!(lines(&mut feed), ["kraken: connected -> stale (silent)", "mode: live -> fallback"]);
    feed.connect();
    feed.run_ms(20_000);
    assert_eq!(told(&mut feed, "BTC"), ["failback"]);
    assert_eq!(lines(&mut feed), ["kraken: stale -> connected", "mode: fallback -> live"]);
}

#[test]
fn a_second_outage_is_told_like_the_first() {
    let mut feed = both();
    for _ in 0..2 {
        feed.transitions.clear();
        feed.kraken.is_up = false;
        feed.run_ms(5_000);
        feed.connect();
        feed.run_ms(20_000);
        assert_eq!(told(&mut feed, "ETH"), ["failover", "failback"]);
    }
}

#[test]
fn what_an_earlier_run_left_behind_has_not_failed_in_this_one() {
    let mut before = both();
    before.run_ms(1_000);
    let points = before.latest.as_ref().unwrap().prices.clone();
    let mut feed = Feed::new(&FIVE);
    feed.now_ms = before.now_ms + 1_000;
    feed.aggregator.restore(&points);
    feed.coinbase.is_up = true;
    feed.run_ms(2_000);
    feed.connect();
    feed.run_ms(12_000);
    assert_eq!(told(&mut feed, "BTC"), [""; 0]);
}

#[test]
fn a_divergence_is_told_when_it_begins_and_when_it_ends() {
    let mut feed = Feed::live(&[("BTC", "100.0")]);
    feed.transitions.clear();
    feed.coinbase.prices.insert(symbol("BTC"), "95.00".to_owned());
    feed.run_ms(5_000);
    assert_eq!(told(&mut feed, "BTC"), ["diverged"]);
    feed.coinbase.prices.insert(symbol("BTC"), "99.90".to_owned());
    feed.tick("BTC", "100.1");
    feed.run_ms(5_000);
    assert_eq!(told(&mut feed, "BTC"), ["converged"]);
}

#[test]
fn a_refused_symbol_is_told_once_by_each_source_and_once_when_no_price_is_left() {
    let mut feed = both();
    feed.kraken.prices.remove(&symbol("XRP"));
    feed.coinbase.prices.remove(&symbol("XRP"));
    feed.transitions.clear();
    for _ in 0..3 {
        feed.kraken(KrakenEvent::Unsupported(symbol("XRP")));
        feed.coinbase(CoinbaseEvent::Unsupported(symbol("XRP")));
    }
    feed.run_ms(120_000);
    assert_eq!(told(&mut feed, "XRP"), ["unlisted", "unlisted", "failover", "unavailable"]);
}

#[test]
fn a_candidate_is_told_when_it_begins_to_wait_and_when_it_passes() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    feed.run_ms(12_000);
    feed.transitions.clear();
    feed.tick("BTC", "26972.8");
    feed.run_ms(500);
    feed.tick("BTC", "26972.9");
    feed.run_ms(6_000);
    assert_eq!(told(&mut feed, "BTC"), ["quarantined", "released"]);
}

#[test]
fn a_candidate_of_coinbase_is_told_like_one_of_kraken() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.run_ms(12_000);
    feed.transitions.clear();
    feed.coinbase.prices.insert(symbol("BTC"), "26972.80".to_owned());
    feed.run_ms(6_000);
    assert_eq!(told(&mut feed, "BTC"), ["quarantined", "released"]);
    assert_eq!(feed.price("BTC"), "26972.80");
}

#[test]
fn a_candidate_does_not_outlive_the_trading_it_stood_on() {
    let mut feed = both();
    feed.tick("BTC", "26972.8");
    feed.run_ms(200);
    feed.kraken(KrakenEvent::System(SystemStatus::NotTrading(SourceReason::Maintenance)));
    feed.transitions.clear();
    feed.coinbase.prices.insert(symbol("BTC"), "26980.00".to_owned());
    feed.run_ms(2_000);
    assert_eq!(told(&mut feed, "BTC"), [""; 0], "Kraken says nothing any more");
    assert_eq!(feed.price("BTC"), "26980.00", "it has heard of it before");
}
