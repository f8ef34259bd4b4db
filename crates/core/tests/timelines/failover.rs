//! Which source is served, and when the choice changes; restart and publication.

use pricecast_core::{
    Aggregator, CoinbaseEvent, KrakenEvent, Mode, PricePoint, Publisher, Snapshot, Source,
    SourceReason, SystemStatus, Transition, UnixMillis,
};

use crate::support::{self, FIVE, Feed, all_from, both, symbol};

#[test]
fn with_both_live_every_price_is_krakens_digit_for_digit() {
    let feed = both();
    assert!(all_from(&feed, Source::Kraken));
    assert_eq!(feed.mode(), Mode::Live);
    for (name, text) in FIVE {
        assert_eq!(feed.price(name), text);
    }
}

#[test]
fn a_quiet_coin_is_not_a_stale_coin_while_heartbeats_flow() {
    let mut feed = both();
    feed.run_ms(25_000);
    assert_eq!(feed.mode(), Mode::Live);
    assert!(feed.now().ms_since(feed.point("BTC").confirmed_at) <= 1_000);
}

#[test]
fn silent_primary_fails_over_at_its_deadline_without_a_stale_moment() {
    let mut feed = both();
    feed.run_until(1_000, |f| f.now_ms % 1_000 == 0);
    feed.kraken.is_up = false;
    let took_ms = feed.run_until(10_000, |f| all_from(f, Source::Coinbase));
    assert!((2_900..=3_200).contains(&took_ms), "{took_ms} ms");
    assert_eq!(feed.mode(), Mode::Fallback);
    assert!(
        feed.publications
            .iter()
            .all(|(ms, s)| !s.any_stale(UnixMillis::from_ms(support::T0_MS + ms)))
    );
}

#[test]
fn failback_waits_until_kraken_has_been_live_ten_seconds_unbroken() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.run_ms(5_000);
    feed.connect();
    feed.run_ms(9_900);
    assert!(all_from(&feed, Source::Coinbase), "live for 9.9 s");
    feed.run_ms(100);
    assert!(all_from(&feed, Source::Kraken), "live for 10 s");
}

#[test]
fn a_break_in_the_hold_down_starts_it_anew() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.run_ms(5_000);
    feed.connect();
    feed.run_ms(6_000);
    feed.kraken.is_up = false;
    feed.run_ms(4_000);
    feed.kraken.is_up = true;
    let took_ms = feed.run_until(20_000, |f| all_from(f, Source::Kraken));
    // The first heartbeat after the gap may be its backlog: the second one counts.
    assert!((10_000..=12_200).contains(&took_ms), "{took_ms} ms");
}

#[test]
fn failback_is_at_once_when_coinbase_is_not_live() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.run_ms(5_000);
    feed.coinbase.is_up = false;
    feed.run_ms(3_500);
    feed.connect();
    let took_ms = feed.run_until(1_000, |f| all_from(f, Source::Kraken));
    assert!(took_ms <= 110, "{took_ms} ms");
}

#[test]
fn there_is_no_hold_down_before_the_first_failover() {
    let mut feed = Feed::new(&FIVE);
    feed.coinbase.is_up = true;
    feed.run_ms(700);
    assert!(all_from(&feed, Source::Coinbase));
    feed.connect();
    feed.run_ms(200);
    assert!(all_from(&feed, Source::Kraken));
    assert_eq!(feed.saw("failover"), 0);
}

#[test]
fn with_both_silent_the_last_prices_stay_and_are_flagged_in_time() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.coinbase.is_up = false;
    // The last proof of all: the poll answered at 1,500 had been sent at 1,400.
    let last_proof_ms = 1_400;
    feed.run_until(10_000, |f| FIVE.iter().all(|(name, _)| f.is_stale(name)));
    let age_ms = feed.now_ms - last_proof_ms;
    assert!((4_900..=5_000).contains(&age_ms), "{age_ms} ms");
    feed.run_ms(3_600_000);
    assert_eq!(feed.latest.as_ref().unwrap().prices.len(), 5, "never lost");
    assert_eq!(feed.mode(), Mode::Frozen);
}

#[test]
fn both_silent_serves_the_one_confirmed_last() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.run_ms(2_000);
    feed.coinbase.is_up = false;
    feed.run_ms(6_000);
    assert!(all_from(&feed, Source::Coinbase));
}

#[test]
fn a_restored_price_keeps_its_age_is_never_live_and_gives_way_to_the_first_live_one() {
    let mut before = both();
    before.run_ms(1_000);
    let points = before.latest.as_ref().unwrap().prices.clone();
    let mut feed = Feed::new(&FIVE);
    feed.now_ms = before.now_ms + 1_000;
    feed.aggregator.restore(&points);
    feed.run_ms(200);
    assert_eq!(feed.point("BTC").confirmed_at, points[0].confirmed_at);
    assert!(!feed.aggregator.any_source_live(feed.now()));
    feed.coinbase.is_up = true;
    feed.run_ms(1_000);
    assert!(all_from(&feed, Source::Coinbase));
}

#[test]
fn some_source_is_live_while_one_symbol_of_one_source_is() {
    let mut feed = both();
    let is_any_live = |f: &Feed| f.aggregator.any_source_live(f.now());
    assert!(is_any_live(&feed));
    feed.kraken.is_up = false;
    feed.run_ms(5_000);
    assert!(is_any_live(&feed), "Coinbase");
    feed.coinbase.is_up = false;
    feed.run_ms(5_000);
    assert!(!is_any_live(&feed));
    feed.kraken(KrakenEvent::Connected);
    feed.kraken(KrakenEvent::System(SystemStatus::Online));
    feed.say(symbol("ETH"), "3512.44", true);
    assert!(is_any_live(&feed), "ETH on Kraken");
}

#[test]
fn changes_are_published_at_most_every_100_ms_and_mere_confirmations_every_500() {
    let mut feed = both();
    feed.publications.clear();
    for step in 0..1_000_u64 {
        feed.tick("BTC", &format!("{}.{}", 67_400 + step % 50, step % 10));
        feed.run_ms(10);
    }
    let gaps = |feed: &Feed| -> Vec<u64> {
        feed.publications.windows(2).map(|w| w[1].0 - w[0].0).collect()
    };
    assert!(gaps(&feed).iter().all(|&gap| gap == 100), "{:?}", gaps(&feed));
    feed.run_ms(1_000);
    feed.publications.clear();
    feed.run_ms(10_000);
    assert!(gaps(&feed).iter().all(|&gap| gap == 500), "{:?}", gaps(&feed));
}

#[test]
fn a_change_may_be_published_ninety_ms_after_the_last_publication_and_not_before() {
    let mut feed = both();
    feed.run_until(1_000, |f| f.publications.last().is_some_and(|(ms, _)| *ms == f.now_ms));
    feed.tick("BTC", "67433.0");
    let last = feed.now();
    feed.aggregator.assess(last);
    let mut publish = |ms| feed.publisher.publish(last.plus_ms(ms), &feed.aggregator);
    assert!(publish(89).is_none());
    assert!(publish(90).is_some(), "a beat that came a little early");
}

#[test]
fn confirmations_that_come_ten_times_a_second_are_published_every_500_ms() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    feed.run_ms(6_000);
    feed.publications.clear();
    for _ in 0..100 {
        feed.kraken(KrakenEvent::Heartbeat);
        feed.run_ms(100);
    }
    let gaps: Vec<_> = feed.publications.windows(2).map(|w| w[1].0 - w[0].0).collect();
    assert!(gaps.len() > 15 && gaps.iter().all(|&gap| gap == 500), "{gaps:?}");
}

#[test]
fn while_nothing_moves_nothing_is_published() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.coinbase.is_up = false;
    feed.run_ms(20_000);
    feed.publications.clear();
    feed.run_ms(60_000);
    assert!(feed.publications.is_empty(), "{} publications", feed.publications.len());
}

#[test]
fn a_price_that_passes_five_seconds_is_a_publication() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.coinbase.is_up = false;
    feed.run_ms(20_000);
    let stale_at = |ms: u64, s: &Snapshot| s.any_stale(UnixMillis::from_ms(support::T0_MS + ms));
    let first = feed.publications.iter().find(|(ms, s)| stale_at(*ms, s)).unwrap();
    let confirmed_at = first.1.prices.iter().map(|p| p.confirmed_at).min().unwrap();
    let age_ms = support::T0_MS + first.0 - confirmed_at.as_ms();
    assert!((4_900..=5_000).contains(&age_ms), "{age_ms} ms");
}

#[test]
fn a_symbol_that_is_configured_no_more_is_a_change() {
    let mut feed = both();
    feed.run_until(1_000, |f| f.publications.last().is_some_and(|(ms, _)| *ms == f.now_ms));
    let last = feed.latest.clone().unwrap();
    let mut longer = last.clone();
    longer.prices.push(PricePoint { symbol: symbol("ADA"), ..feed.point("BTC") });
    for (last, is_change) in [(last, false), (longer, true)] {
        let mut publisher = Publisher::resume(feed.now(), last);
        let next = publisher.publish(feed.now().plus_ms(100), &feed.aggregator);
        assert_eq!(next.is_some(), is_change);
    }
}

#[test]
fn every_publication_has_the_next_seq_of_its_epoch() {
    let mut feed = both();
    feed.run_ms(5_000);
    let versions: Vec<_> = feed.publications.iter().map(|(_, s)| s.version).collect();
    assert!(versions.len() > 5);
    assert_eq!(versions[0].seq, 1);
    assert!(versions.windows(2).all(|w| w[1].seq == w[0].seq + 1 && w[1].epoch == 1));
}

#[test]
fn a_writer_made_anew_numbers_on_and_says_nothing_twice() {
    let mut feed = both();
    let last = feed.latest.clone().unwrap();
    let told = feed.transitions.len();
    feed.aggregator = Aggregator::new(feed.aggregator.config().clone());
    feed.aggregator.restore(&last.prices);
    feed.publisher = Publisher::resume(feed.now(), last.clone());
    feed.connect();
    feed.run_ms(1_500);
    let after = feed.publications.iter().map(|(_, snapshot)| snapshot.version);
    assert!(after.is_sorted() && feed.latest.as_ref().unwrap().version > last.version);
    let versions: std::collections::BTreeSet<_> =
        feed.publications.iter().map(|(_, snapshot)| snapshot.version).collect();
    assert_eq!(versions.len(), feed.publications.len(), "no version twice");
    let is_of_mode = |(_, t): &(u64, Transition)| matches!(t, Transition::Mode { .. });
    assert!(!feed.transitions.iter().skip(told).any(is_of_mode), "it was live all the time");
}

#[test]
fn a_coinbase_that_fails_is_stale_for_the_reason_of_its_last_failure_until_it_answers() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    for (reason, told) in [
        (SourceReason::Failing, None),
        (SourceReason::RateLimited, Some(SourceReason::RateLimited)),
    ] {
        feed.coinbase(CoinbaseEvent::Failed(reason));
        feed.run_ms(1_500);
        assert_eq!(feed.latest.as_ref().unwrap().sources.coinbase.reason, told);
    }
    feed.coinbase.is_up = true;
    feed.run_ms(1_500);
    assert_eq!(feed.latest.as_ref().unwrap().sources.coinbase.reason, None);
}

#[test]
fn a_writer_knows_the_epoch_it_publishes_under() {
    let feed = both();
    assert_eq!(Publisher::new(7).epoch(), 7);
    let last = feed.latest.clone().unwrap();
    assert_eq!(Publisher::resume(feed.now(), last.clone()).epoch(), last.version.epoch);
}
