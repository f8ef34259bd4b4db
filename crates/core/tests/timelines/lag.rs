//! How late a frame may be: what it proves is dated by the pings answered before it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;

use pricecast_core::{KrakenEvent, Source, SourceReason, UnixMillis};

use crate::support::{self, FIVE, Feed, all_from, both, symbol};

/// The moment for which a price is confirmed now, published or not.
fn confirmed_at(feed: &mut Feed, name: &str) -> UnixMillis {
    feed.assess();
    let (prices, _) = feed.aggregator.prices();
    prices.iter().find(|price| price.symbol == symbol(name)).unwrap().confirmed_at
}

#[test]
fn a_frame_proves_what_was_so_when_the_ping_answered_before_it_had_left() {
    for lag_ms in [0, 700, 1_300] {
        let mut feed = both();
        feed.kraken.is_up = false;
        feed.run_ms(900);
        feed.kraken_lag_ms = Some(lag_ms);
        feed.tick("ETH", "3512.00");
        let sent_at = feed.now().minus_ms(lag_ms);
        for name in ["BTC", "ETH"] {
            assert_eq!(confirmed_at(&mut feed, name), sent_at, "{name}, {lag_ms} ms late");
        }
    }
}

#[test]
fn before_any_ping_is_answered_a_frame_proves_what_was_so_at_the_subscription() {
    let mut feed = Feed::new(&FIVE);
    feed.kraken_lag_ms = None;
    feed.connect();
    let subscribed_at = feed.now();
    feed.run_ms(1_500);
    feed.tick("BTC", "67433.0");
    assert_eq!(confirmed_at(&mut feed, "BTC"), subscribed_at);
    assert_eq!(feed.price("BTC"), "67433.0");
}

#[test]
fn the_answer_of_an_older_ping_takes_nothing_back_and_a_pong_alone_proves_nothing() {
    let mut feed = both();
    let proved_at = confirmed_at(&mut feed, "BTC");
    feed.kraken.is_up = false;
    for lag_ms in [0, 1_000] {
        feed.kraken_lag_ms = None;
        feed.kraken(KrakenEvent::Pong { sent_at: feed.now().minus_ms(lag_ms) });
        assert_eq!(confirmed_at(&mut feed, "BTC"), proved_at);
    }
    feed.kraken(KrakenEvent::Heartbeat);
    assert_eq!(confirmed_at(&mut feed, "BTC"), feed.now());
}

#[test]
fn on_a_new_connection_the_pongs_of_the_one_before_date_nothing() {
    let mut feed = both();
    feed.kraken_lag_ms = None;
    feed.connect();
    let subscribed_at = feed.now();
    feed.run_ms(2_000);
    assert_eq!(confirmed_at(&mut feed, "BTC"), subscribed_at);
}

#[test]
fn frames_that_arrive_three_seconds_late_lose_to_the_fallback_and_say_why() {
    for (lag_ms, source, reason) in [
        // Heartbeats come every second: just before the next one the last is as much older.
        (1_900, Source::Kraken, None),
        (3_000, Source::Coinbase, Some(SourceReason::Lagging)),
        (60_000, Source::Coinbase, Some(SourceReason::Lagging)),
    ] {
        let mut feed = both();
        feed.kraken_lag_ms = Some(lag_ms);
        feed.run_ms(20_000);
        assert!(all_from(&feed, source), "{lag_ms} ms late");
        let report = feed.latest.as_ref().unwrap().sources.kraken;
        assert_eq!(report.reason, reason, "{lag_ms} ms late");
        feed.kraken_lag_ms = Some(0);
        let took_ms = feed.run_until(12_000, |f| all_from(f, Source::Kraken));
        let hold_down = if source == Source::Kraken { 0..=0 } else { 9_500..=11_200 };
        assert!(hold_down.contains(&took_ms), "back after {took_ms} ms");
    }
}

#[test]
fn a_kraken_that_answers_no_pings_is_used_while_its_connection_is_young_and_then_left() {
    let mut feed = both();
    feed.kraken_lag_ms = None;
    feed.connect();
    let took_ms = feed.run_until(5_000, |f| all_from(f, Source::Coinbase));
    assert!((3_000..=3_100).contains(&took_ms), "{took_ms} ms");
    assert_eq!(feed.latest.as_ref().unwrap().sources.kraken.reason, Some(SourceReason::Lagging));
    feed.run_ms(60_000);
    assert!(all_from(&feed, Source::Coinbase));
    assert!(
        feed.publications.iter().all(|(ms, snapshot)| {
            !snapshot.any_stale(UnixMillis::from_ms(support::T0_MS + ms))
        })
    );
}

#[test]
fn a_backlog_that_arrives_at_once_proves_no_more_than_its_last_answer() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    feed.run_until(1_000, |f| f.now_ms % 1_000 == 0);
    let said_at = feed.now();
    feed.kraken.is_up = false;
    feed.run_ms(4_000);
    feed.kraken_lag_ms = Some(4_000);
    for _ in 0..40 {
        feed.tick("ETH", "3512.50");
    }
    assert_eq!(confirmed_at(&mut feed, "BTC"), said_at, "its own news may be behind them");
    feed.run_ms(1_000);
    assert!(feed.is_stale("BTC") && feed.is_stale("ETH"));
}

#[test]
fn after_a_gap_of_more_than_a_second_and_a_half_only_what_was_said_after_it_proves() {
    // The round trip of 100 ms is the way's.
    for (gap_ms, is_stall) in [(1_600, false), (1_610, true)] {
        let mut feed = both();
        feed.kraken.is_up = false;
        feed.tick("ETH", "3512.00");
        let heard_at = feed.now();
        feed.run_ms(gap_ms);
        let over_at = feed.now();
        feed.kraken_lag_ms = Some(100);
        feed.tick("ETH", "3512.50");
        let proves = if is_stall { heard_at } else { over_at.minus_ms(100) };
        for name in ["BTC", "ETH"] {
            assert_eq!(confirmed_at(&mut feed, name), proves, "{name} after {gap_ms} ms");
        }
        feed.run_ms(90);
        feed.kraken(KrakenEvent::Heartbeat);
        assert_eq!(confirmed_at(&mut feed, "BTC") > proves, !is_stall, "still of the backlog");
        feed.run_ms(10);
        feed.kraken(KrakenEvent::Heartbeat);
        assert_eq!(confirmed_at(&mut feed, "BTC"), over_at);
    }
}

#[test]
fn a_gap_that_the_way_made_as_a_late_pong_shows_is_no_stall_of_the_exchange() {
    for (round_trip_ms, is_stall) in [(200, false), (190, true)] {
        for pong_is_first in [true, false] {
            let mut feed = both();
            feed.kraken.is_up = false;
            feed.kraken(KrakenEvent::Heartbeat);
            let heard_at = feed.now();
            feed.run_ms(1_700);
            let pong = KrakenEvent::Pong { sent_at: feed.now().minus_ms(round_trip_ms) };
            let mut frames = [pong, KrakenEvent::Heartbeat];
            frames.sort_by_key(|frame| (*frame == KrakenEvent::Heartbeat) == pong_is_first);
            feed.kraken_lag_ms = None;
            for frame in frames {
                feed.kraken(frame);
            }
            feed.run_ms(50);
            feed.kraken(KrakenEvent::Heartbeat);
            let is_believed = confirmed_at(&mut feed, "BTC") > heard_at;
            assert_eq!(is_believed, !is_stall, "{round_trip_ms} ms, first: {pong_is_first}");
        }
    }
}

#[test]
fn a_delay_that_sets_in_and_stays_costs_no_failover_though_only_heartbeats_come() {
    for delay_ms in [600, 800] {
        for sets_in_ms in (5_000..6_000).step_by(20) {
            let mut feed = both();
            feed.kraken.is_up = false;
            feed.kraken_lag_ms = None;
            let began_ms = feed.now_ms;
            let mut under_way = VecDeque::new();
            for ms in (0..15_000).step_by(10) {
                let delay_ms = if ms < sets_in_ms { 50 } else { delay_ms };
                let pong = KrakenEvent::Pong { sent_at: feed.now() };
                let heartbeat = KrakenEvent::Heartbeat;
                let sent = [(ms % 500 == 0, pong), (ms % 1_000 == 250, heartbeat)];
                let sent = sent.into_iter().filter_map(|(is_due, frame)| is_due.then_some(frame));
                under_way.extend(sent.map(|frame| (began_ms + ms + delay_ms, frame)));
                while under_way.front().is_some_and(|&(at_ms, _)| at_ms <= feed.now_ms) {
                    feed.kraken(under_way.pop_front().unwrap().1);
                }
                feed.run_ms(10);
            }
            assert_eq!(feed.saw("failover"), 0, "{delay_ms} ms from {sets_in_ms} ms on");
        }
    }
}

#[test]
fn a_symbol_suspected_frozen_falls_back_to_the_moment_its_own_tick_proved() {
    let mut feed = both();
    feed.kraken_lag_ms = Some(400);
    feed.run_ms(500);
    feed.tick("SOL", "141.20");
    let proved_at = feed.now().minus_ms(400);
    // So far that it waits to be confirmed: Kraken's is still the last known price.
    feed.coinbase.prices.insert(symbol("SOL"), "56.48".to_owned());
    feed.run_until(12_000, |f| f.saw("suspected_frozen") > 0);
    assert_eq!(confirmed_at(&mut feed, "SOL"), proved_at);
}
