//! What is told of the sources beside the prices: for bodies, logs and metrics.

use pricecast_core::{
    CoinbaseEvent, KrakenEvent, Source, SourceReason, SourceStatus, SystemStatus, UnixMillis,
};

use crate::confirmation::frozen_while_coinbase_moves;
use crate::support::{FIVE, Feed, both, symbol};

fn told(feed: &Feed, source: Source) -> (SourceStatus, Option<SourceReason>) {
    let report = feed.aggregator.report(source, feed.now());
    (report.status, report.reason)
}

#[test]
fn kraken_is_starting_until_its_first_price_and_connected_from_it_on() {
    let mut feed = Feed::new(&FIVE);
    assert_eq!(told(&feed, Source::Kraken).0, SourceStatus::Down);
    feed.kraken(KrakenEvent::Connected);
    feed.kraken(KrakenEvent::System(SystemStatus::Online));
    let starting = (SourceStatus::Stale, Some(SourceReason::Starting));
    assert_eq!(told(&feed, Source::Kraken), starting);
    assert_eq!(feed.aggregator.report(Source::Kraken, feed.now()).last_update, None);
    feed.tick("BTC", "67432.1");
    assert_eq!(told(&feed, Source::Kraken), (SourceStatus::Connected, None));
    let report = feed.aggregator.report(Source::Kraken, feed.now());
    assert_eq!(report.last_update, Some(feed.now()));
}

#[test]
fn a_coinbase_with_an_open_breaker_is_down_until_it_closes() {
    let mut feed = both();
    assert_eq!(told(&feed, Source::Coinbase), (SourceStatus::Connected, None));
    feed.coinbase(CoinbaseEvent::BreakerOpen(true));
    let down = (SourceStatus::Down, Some(SourceReason::BreakerOpen));
    assert_eq!(told(&feed, Source::Coinbase), down);
    feed.coinbase(CoinbaseEvent::BreakerOpen(false));
    assert_eq!(told(&feed, Source::Coinbase), (SourceStatus::Connected, None));
}

#[test]
fn a_coinbase_that_says_the_same_of_every_product_is_frozen_from_thirty_seconds_on() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    feed.poll();
    let changed_at = feed.now();
    feed.now_ms += 29_000;
    feed.coinbase.volume -= 1;
    feed.poll();
    let reason = |ms| feed.aggregator.report(Source::Coinbase, changed_at.plus_ms(ms)).reason;
    assert_eq!(reason(29_999), None);
    assert_eq!(reason(30_000), Some(SourceReason::Frozen));
}

#[test]
fn a_failure_before_the_last_answer_is_no_reason_for_a_silence_after_it() {
    let mut feed = both();
    feed.coinbase(CoinbaseEvent::Failed(SourceReason::RateLimited));
    feed.poll();
    feed.coinbase.is_up = false;
    feed.run_ms(3_000);
    let silent = (SourceStatus::Stale, Some(SourceReason::Silent));
    assert_eq!(told(&feed, Source::Coinbase), silent);
}

#[test]
fn how_far_the_sources_are_apart_is_told_of_symbols_that_both_have_live() {
    let mut feed = Feed::live(&[("BTC", "10000"), ("ETH", "2000")]);
    feed.coinbase.prices.insert(symbol("BTC"), "10050".to_owned());
    feed.poll();
    let divergences: Vec<_> = feed.aggregator.divergences(feed.now()).collect();
    // |10000 − 10050| / 10050 = 49.75 bp, rounded down.
    assert_eq!(divergences, [(symbol("BTC"), 49), (symbol("ETH"), 0)]);
    feed.kraken.is_up = false;
    feed.run_ms(3_500);
    assert_eq!(feed.aggregator.divergences(feed.now()).count(), 0, "Kraken is not live");
}

#[test]
fn each_source_tells_when_it_last_confirmed_each_price_whichever_is_served() {
    let feed = Feed::live(&[("BTC", "10000"), ("ETH", "2000")]);
    for (source, ago_ms) in [(Source::Kraken, 500), (Source::Coinbase, 100)] {
        let told: Vec<_> = feed.aggregator.confirmations(source).collect();
        let at = UnixMillis::from_ms(feed.now().as_ms() - ago_ms);
        assert_eq!(told, [(symbol("BTC"), at), (symbol("ETH"), at)], "{source:?}");
    }
}

#[test]
fn data_last_arrived_when_the_one_of_the_sources_that_was_heard_last_was_heard() {
    let mut feed = Feed::new(&FIVE);
    assert_eq!(feed.aggregator.data_at(), None);
    feed.connect();
    assert_eq!(feed.aggregator.data_at(), Some(feed.now()), "Kraken alone");
    feed.now_ms += 200;
    feed.poll();
    assert_eq!(feed.aggregator.data_at(), Some(feed.now()), "Coinbase after it");
    feed.now_ms += 200;
    feed.kraken(KrakenEvent::Heartbeat);
    assert_eq!(feed.aggregator.data_at(), Some(feed.now()), "Kraken after that");
}

#[test]
fn the_symbols_suspected_frozen_are_told_until_they_are_cleared() {
    let mut feed = frozen_while_coinbase_moves("10030.00");
    let suspected = |f: &Feed| f.aggregator.suspected().collect::<Vec<_>>();
    assert_eq!(suspected(&feed), [symbol("BTC")], "and not ETH");
    feed.tick("BTC", "10029.5");
    assert_eq!(suspected(&feed), []);
}

#[test]
fn a_coinbase_price_is_live_for_its_interval_and_two_seconds() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.kraken(KrakenEvent::Disconnected(SourceReason::Disconnected));
    feed.poll();
    feed.coinbase.is_up = false;
    // Asked for 100 ms ago.
    feed.run_ms(2_800);
    assert!(feed.aggregator.any_source_live(feed.now()), "2.9 s old");
    feed.run_ms(100);
    assert!(!feed.aggregator.any_source_live(feed.now()), "3.0 s old");
}

#[test]
fn a_kraken_price_is_live_for_three_seconds() {
    let mut feed = Feed::new(&FIVE);
    feed.connect();
    feed.kraken.is_up = false;
    feed.run_ms(2_990);
    assert!(feed.aggregator.any_source_live(feed.now()), "2.99 s old");
    feed.run_ms(10);
    assert!(!feed.aggregator.any_source_live(feed.now()), "3 s old");
}

#[test]
fn of_two_sources_that_confirmed_last_at_the_same_moment_kraken_is_served() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.coinbase.is_up = false;
    // A poll that was sent when Kraken's last heartbeat came.
    feed.run_until(2_000, |f| f.now_ms % 1_000 == 0);
    feed.kraken(KrakenEvent::Heartbeat);
    feed.now_ms += 100;
    feed.poll();
    feed.run_ms(6_000);
    for (name, _) in FIVE {
        assert_eq!(feed.source(name), Source::Kraken, "{name}");
    }
}
