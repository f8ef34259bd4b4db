//! What confirms a price, and what ends it: frames, polls, silence, frozen feeds.

use pricecast_core::{
    Action, CoinbaseEvent, KrakenEvent, Mode, RejectReason, Source, SourceReason, SourceStatus,
    SystemStatus,
};

use crate::support::{self, FIVE, Feed, all_from, both, symbol};

#[test]
fn after_a_reconnect_nothing_is_confirmed_before_its_own_snapshot() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    feed.kraken(KrakenEvent::Disconnected(SourceReason::Disconnected));
    let before = feed.point("ETH").confirmed_at;
    feed.kraken(KrakenEvent::Connected);
    feed.kraken(KrakenEvent::System(SystemStatus::Online));
    feed.say(symbol("BTC"), "67433.0", true);
    feed.run_ms(4_000);
    assert_eq!(feed.source("BTC"), Source::Kraken);
    assert!(!feed.is_stale("BTC"));
    assert!(feed.point("ETH").confirmed_at <= before.plus_ms(1_000), "ETH rides on nothing");
}

#[test]
fn before_its_first_status_a_connection_proves_nothing() {
    let mut feed = Feed::new(&FIVE);
    feed.kraken(KrakenEvent::Connected);
    feed.say(symbol("BTC"), "67432.1", true);
    feed.kraken(KrakenEvent::Heartbeat);
    feed.run_ms(1_000);
    assert!(feed.latest.is_none() && !feed.aggregator.any_source_live(feed.now()));
    feed.kraken(KrakenEvent::System(SystemStatus::Online));
    feed.say(symbol("BTC"), "67432.1", true);
    feed.run_ms(200);
    assert_eq!(feed.source("BTC"), Source::Kraken);
}

#[test]
fn heartbeats_outside_online_confirm_nothing() {
    for reason in [SourceReason::Maintenance, SourceReason::UnknownState] {
        let mut feed = both();
        feed.kraken(KrakenEvent::System(SystemStatus::NotTrading(reason)));
        feed.run_until(4_000, |f| all_from(f, Source::Coinbase));
        let report = feed.latest.as_ref().unwrap().sources.kraken;
        assert_eq!((report.status, report.reason), (SourceStatus::Stale, Some(reason)));
    }
}

#[test]
fn back_online_on_the_same_connection_every_symbol_is_subscribed_anew() {
    let mut feed = both();
    feed.kraken(KrakenEvent::System(SystemStatus::NotTrading(SourceReason::PostOnly)));
    feed.run_ms(1_000);
    feed.kraken(KrakenEvent::System(SystemStatus::Online));
    feed.run_ms(200);
    let Some((_, Action::ResubscribeKraken(symbols))) = feed.actions.last() else {
        panic!("{:?}", feed.actions)
    };
    assert_eq!(symbols.len(), 5);
}

#[test]
fn a_refused_tick_ends_confirmation_of_its_symbol_alone() {
    let mut feed = both();
    feed.kraken(KrakenEvent::TickRefused {
        symbol: symbol("SOL"),
        reason: RejectReason::PriceMissing,
    });
    feed.run_ms(4_000);
    assert_eq!(feed.source("SOL"), Source::Coinbase);
    assert_eq!(feed.source("BTC"), Source::Kraken);
    feed.tick("SOL", "141.25");
    feed.run_ms(9_900);
    assert_eq!(feed.source("SOL"), Source::Coinbase, "the hold-down is its own too");
    feed.run_ms(200);
    assert_eq!(feed.source("SOL"), Source::Kraken);
}

#[test]
fn an_unreadable_frame_ends_confirmation_of_every_symbol() {
    let mut feed = both();
    feed.kraken(KrakenEvent::Undecodable);
    feed.run_ms(3_600);
    assert!(all_from(&feed, Source::Coinbase));
}

#[test]
fn a_poll_confirms_for_the_moment_its_request_was_sent() {
    let mut feed = Feed::new(&FIVE);
    feed.coinbase.is_up = true;
    feed.run_ms(500);
    assert_eq!(feed.point("BTC").confirmed_at, feed.now().minus_ms(100));
}

#[test]
fn a_halted_product_is_not_confirmed_by_its_polls() {
    let mut feed = Feed::new(&FIVE);
    feed.coinbase.is_up = true;
    feed.run_ms(1_000);
    feed.coinbase.is_up = false;
    let before = feed.point("BTC").confirmed_at;
    for _ in 0..5 {
        let (sent_at, halted) = (feed.now(), Err((symbol("BTC"), RejectReason::Halted)));
        feed.coinbase(CoinbaseEvent::Answered { sent_at, products: vec![halted] });
        feed.run_ms(1_000);
    }
    assert_eq!(feed.point("BTC").confirmed_at, before);
}

#[test]
fn an_older_snapshot_after_a_reconnect_neither_replaces_nor_confirms() {
    let mut feed = both();
    feed.coinbase.is_up = false;
    let tick = |feed: &mut Feed, price: &str, event_ms_ago: u64, is_snapshot: bool| {
        let mut quote = support::raw(Source::Kraken, symbol("BTC"), price, None);
        quote.event_time = Some(feed.now().minus_ms(event_ms_ago));
        let quote = quote.normalise(feed.now()).unwrap();
        feed.kraken(KrakenEvent::Tick { quote, is_snapshot });
    };
    tick(&mut feed, "67500.0", 0, false);
    let confirmed_at = feed.now();
    feed.kraken(KrakenEvent::Connected);
    feed.kraken(KrakenEvent::System(SystemStatus::Online));
    tick(&mut feed, "67400.0", 60_000, true);
    feed.run_ms(2_000);
    assert_eq!(feed.price("BTC"), "67500.0");
    assert_eq!(feed.point("BTC").confirmed_at, confirmed_at);
    tick(&mut feed, "67400.0", 60_000, false);
    feed.run_ms(200);
    assert_eq!(feed.price("BTC"), "67400.0", "on one connection order is arrival order");
}

/// BTC silent on Kraken for ten seconds while Coinbase moves by `bp` basis points.
pub(crate) fn frozen_while_coinbase_moves(coinbase_price: &str) -> Feed {
    let mut feed = Feed::live(&[("BTC", "10000.0"), ("ETH", "100.00")]);
    feed.coinbase.prices.insert(symbol("BTC"), coinbase_price.to_owned());
    feed.run_ms(8_000);
    assert_eq!(feed.source("BTC"), Source::Kraken, "not before ten seconds");
    feed.run_ms(2_000);
    feed
}

#[test]
fn silent_for_ten_seconds_while_the_other_moves_more_than_25_bp_is_suspected_frozen() {
    assert_eq!(frozen_while_coinbase_moves("10025.00").source("BTC"), Source::Kraken);
    let feed = frozen_while_coinbase_moves("10025.01");
    assert_eq!(feed.source("BTC"), Source::Coinbase);
    assert_eq!(feed.source("ETH"), Source::Kraken, "the others are left alone");
    assert_eq!(feed.saw("suspected_frozen"), 1);
    let resubscribed = Action::ResubscribeKraken(vec![symbol("BTC")]);
    assert!(feed.actions.iter().any(|(_, action)| *action == resubscribed));
}

#[test]
fn what_is_suspected_or_in_doubt_is_asked_for_at_once_and_not_only_after_a_frame() {
    let asked_at = |feed: &Feed| {
        let asks = |(_, a): &&(u64, Action)| matches!(a, Action::ResubscribeKraken(_));
        feed.actions.iter().rev().find(asks).map(|(ms, _)| *ms)
    };
    let told_at = |feed: &Feed, name| {
        feed.transitions.iter().find(|(_, t)| t.as_str() == name).map(|(ms, _)| *ms)
    };
    let is_between_heartbeats = |at: Option<u64>| at.is_some_and(|ms| ms % 1_000 >= 500);
    let mut feed = Feed::live(&[("BTC", "10000.0")]);
    feed.run_ms(10_000);
    feed.coinbase.prices.insert(symbol("BTC"), "10030.00".to_owned());
    feed.run_ms(1_000);
    let suspected_at = told_at(&feed, "suspected_frozen");
    assert!(is_between_heartbeats(suspected_at));
    assert_eq!(asked_at(&feed), suspected_at);
    feed.coinbase.prices.insert(symbol("BTC"), "10001.00".to_owned());
    feed.run_ms(1_000);
    let cleared_at = told_at(&feed, "suspicion_cleared");
    assert!(is_between_heartbeats(cleared_at));
    assert_eq!(asked_at(&feed), cleared_at);
}

#[test]
fn coinbase_following_a_move_that_kraken_made_first_raises_no_suspicion() {
    // It comes as near as 10050, and 25 bp of that are 25.125.
    for (coinbase, is_suspected) in [("10075.12", false), ("10075.13", true)] {
        let mut feed = Feed::live(&[("BTC", "10000.0"), ("ETH", "100.00")]);
        feed.tick("BTC", "10050.0");
        feed.run_ms(1_000);
        for (price, ms) in [("10030.00", 15_000), ("10050.00", 1_000), (coinbase, 1_000)] {
            assert_eq!(feed.saw("suspected_frozen"), 0, "before {price}");
            feed.coinbase.prices.insert(symbol("BTC"), price.to_owned());
            feed.run_ms(ms);
        }
        assert_eq!(feed.saw("suspected_frozen") > 0, is_suspected, "to {coinbase}");
    }
}

#[test]
fn a_real_crash_behind_a_frozen_kraken_symbol_is_published_from_coinbase() {
    let mut feed = both();
    feed.coinbase.prices.insert(symbol("SOL"), "56.48".to_owned());
    let took_ms = feed.run_until(20_000, |f| f.price("SOL") == "56.48");
    assert!(took_ms <= 15_000, "{took_ms} ms");
}

#[test]
fn a_suspicion_that_a_resubscription_does_not_answer_costs_one_reconnect() {
    let mut feed = frozen_while_coinbase_moves("10030.00");
    feed.run_ms(120_000);
    let reconnects = feed.actions.iter().filter(|(_, a)| *a == Action::ReconnectKraken).count();
    assert_eq!(reconnects, 1);
    let resubscribed: Vec<_> = feed
        .actions
        .iter()
        .filter(|(_, a)| matches!(a, Action::ResubscribeKraken(s) if s.contains(&symbol("BTC"))))
        .map(|(ms, _)| *ms)
        .collect();
    assert!(resubscribed.windows(2).all(|w| w[1] - w[0] >= 60_000), "{resubscribed:?}");
}

#[test]
fn suspicions_of_two_symbols_cost_a_reconnect_a_minute() {
    let mut feed = frozen_while_coinbase_moves("10030.00");
    feed.run_ms(10_000);
    feed.coinbase.prices.insert(symbol("ETH"), "101.00".to_owned());
    feed.run_ms(120_000);
    let reconnects = feed.actions.iter().filter(|(_, a)| *a == Action::ReconnectKraken);
    let times_ms: Vec<_> = reconnects.map(|(ms, _)| *ms).collect();
    assert_eq!(times_ms.len(), 2, "{times_ms:?}");
    assert_eq!(times_ms[1] - times_ms[0], 60_000);
}

#[test]
fn a_suspected_price_never_comes_back_as_fresh_when_coinbase_dies_too() {
    let mut feed = frozen_while_coinbase_moves("10500.00");
    assert_eq!(feed.price("BTC"), "10500.00");
    feed.coinbase.is_up = false;
    let said_last_ms = feed.now_ms;
    for _ in 0..60 {
        feed.run_ms(100);
        let is_frozen_price = feed.price("BTC") == "10000.0";
        assert!(!is_frozen_price || feed.is_stale("BTC"), "{} ms on", feed.now_ms - said_last_ms);
    }
    assert_eq!(feed.price("BTC"), "10500.00", "the last known one");
}

#[test]
fn a_suspicion_whose_grounds_are_gone_is_settled_by_a_new_snapshot_at_once() {
    let mut feed = frozen_while_coinbase_moves("10030.00");
    feed.run_ms(1_000);
    feed.coinbase.prices.insert(symbol("BTC"), "10001.00".to_owned());
    feed.actions.clear();
    let asks = |f: &Feed| {
        f.actions
            .iter()
            .any(|(_, a)| matches!(a, Action::ResubscribeKraken(s) if s.contains(&symbol("BTC"))))
    };
    let took_ms = feed.run_until(5_000, asks);
    assert!(took_ms <= 3_300, "{took_ms} ms");
    feed.say(symbol("BTC"), "10000.0", true);
    feed.run_ms(300);
    assert_eq!(feed.source("BTC"), Source::Coinbase, "there is the hold-down");
    feed.run_ms(10_500);
    assert_eq!((feed.source("BTC"), feed.is_stale("BTC")), (Source::Kraken, false));
}

#[test]
fn a_suspicion_outlives_the_source_it_came_from_until_kraken_has_news() {
    let mut feed = frozen_while_coinbase_moves("10030.00");
    feed.coinbase.is_up = false;
    for _ in 0..60 {
        feed.run_ms(1_000);
        // Whatever is asked for is answered with the old record.
        feed.say(symbol("BTC"), "10000.0", true);
        assert!(feed.price("BTC") != "10000.0" || feed.is_stale("BTC"), "{} ms on", feed.now_ms);
    }
    feed.tick("BTC", "10031.0");
    feed.run_ms(300);
    assert_eq!((feed.price("BTC"), feed.is_stale("BTC")), ("10031.0".to_owned(), false));
}

#[test]
fn a_snapshot_that_repeats_the_suspected_price_does_not_clear_it_and_a_tick_does() {
    let mut feed = frozen_while_coinbase_moves("10030.00");
    feed.say(symbol("BTC"), "10000.0", true);
    feed.run_ms(1_000);
    assert_eq!(feed.saw("suspicion_cleared"), 0);
    feed.tick("BTC", "10029.5");
    feed.run_ms(200);
    assert_eq!(feed.saw("suspicion_cleared"), 1);
    feed.run_ms(10_000);
    assert_eq!(feed.source("BTC"), Source::Kraken);
}

#[test]
fn a_symbol_quiet_for_thirty_seconds_is_resubscribed_and_must_answer_in_three() {
    let mut feed = both();
    feed.run_ms(28_000);
    for name in ["ETH", "SOL", "XRP", "DOGE"] {
        feed.tick(name, FIVE.iter().find(|(n, _)| *n == name).unwrap().1);
    }
    assert!(feed.actions.is_empty());
    feed.run_ms(1_000);
    assert_eq!(feed.actions, [(30_000, Action::ResubscribeKraken(vec![symbol("BTC")]))]);
    feed.run_ms(2_400);
    assert_eq!(feed.source("BTC"), Source::Kraken, "still within its three seconds");
    feed.run_ms(3_800);
    assert_eq!(feed.source("BTC"), Source::Coinbase, "no snapshot came");
    feed.say(symbol("BTC"), "67432.1", true);
    feed.run_ms(10_300);
    assert_eq!(feed.source("BTC"), Source::Kraken);
}

#[test]
fn a_quiet_symbol_is_asked_for_within_200_ms_of_a_frame_or_else_after_the_next_one() {
    for (ticked_ms, asked_ms) in [(2_200, 32_200), (2_210, 33_000)] {
        let mut feed = Feed::live(&[("BTC", "10000.0")]);
        feed.run_ms(ticked_ms - feed.now_ms);
        feed.tick("BTC", "10000.0");
        feed.run_ms(32_000);
        assert_eq!(feed.actions.first().map(|(ms, _)| *ms), Some(asked_ms), "after {ticked_ms}");
    }
}

#[test]
fn a_late_tick_of_a_subscription_being_renewed_proves_only_its_own_moment() {
    let mut feed = both();
    let is_asked = |f: &Feed| !f.actions.is_empty();
    feed.run_until(40_000, is_asked);
    feed.tick("BTC", "67433.0");
    let ticked_at = feed.now();
    feed.run_ms(2_500);
    assert_eq!(feed.point("BTC").confirmed_at, ticked_at);
    feed.say(symbol("BTC"), "67433.0", true);
    feed.run_ms(2_000);
    assert!(feed.point("BTC").confirmed_at > ticked_at.plus_ms(2_500), "the snapshot is the proof");
}

#[test]
fn while_its_snapshot_is_overdue_a_symbol_never_rides_and_is_asked_for_again() {
    let mut feed = both();
    feed.run_until(40_000, |f| !f.actions.is_empty());
    feed.actions.clear();
    feed.coinbase.is_up = false;
    feed.run_ms(3_500);
    let mut asked_after_s = None;
    for second in 4..40 {
        feed.tick("BTC", "67433.0");
        let ticked_at = feed.now();
        feed.run_ms(900);
        assert_eq!(feed.point("BTC").confirmed_at, ticked_at, "{second} s");
        feed.run_ms(100);
        let asks = |(_, a): &(u64, Action)| matches!(a, Action::ResubscribeKraken(s) if s.contains(&symbol("BTC")));
        asked_after_s = asked_after_s.or(feed.actions.iter().any(asks).then_some(second));
    }
    assert_eq!(asked_after_s, Some(30));
}

#[test]
fn a_candidate_that_a_frozen_coinbase_repeats_is_never_released() {
    let mut feed = Feed::live(&[("BTC", "10000.0")]);
    feed.coinbase.prices.insert(symbol("BTC"), "6000.00".to_owned());
    feed.run_ms(1_000);
    feed.coinbase.is_up = false;
    for second in 0..60 {
        feed.kraken.is_up = second < 45;
        if feed.kraken.is_up {
            feed.tick("BTC", "10000.0");
        }
        feed.coinbase.volume -= 1;
        feed.poll();
        feed.run_ms(1_000);
    }
    assert_eq!(feed.price("BTC"), "10000.0");
    assert!(feed.is_stale("BTC"));
}

#[test]
fn coinbase_unchanged_in_every_product_for_thirty_seconds_confirms_nothing() {
    let mut feed = Feed::new(&FIVE);
    feed.coinbase.is_up = true;
    feed.run_ms(600);
    let last_change_ms = feed.now_ms;
    feed.coinbase.is_up = false;
    let repeat = |feed: &mut Feed| {
        feed.coinbase.volume -= 1;
        feed.poll();
        feed.run_ms(1_000);
    };
    while feed.now_ms < last_change_ms + 29_000 {
        repeat(&mut feed);
    }
    assert_eq!(feed.mode(), Mode::Fallback);
    let confirmed_at = feed.point("BTC").confirmed_at;
    for _ in 0..8 {
        repeat(&mut feed);
    }
    assert!(feed.point("BTC").confirmed_at <= confirmed_at.plus_ms(1_000));
    assert_eq!(feed.mode(), Mode::Frozen);
    assert_eq!(feed.latest.as_ref().unwrap().sources.coinbase.reason, Some(SourceReason::Frozen));
    feed.poll();
    feed.run_ms(200);
    assert_eq!(feed.mode(), Mode::Fallback, "one product changed");
}
