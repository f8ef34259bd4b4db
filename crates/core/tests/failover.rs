//! Scripted timelines, one for each documented behaviour of the feed.

mod support;

use pricecast_core::{
    Action, CoinbaseEvent, KrakenEvent, Mode, RejectReason, Source, SourceReason, SourceStatus,
    SystemStatus,
};
use support::{Feed, symbol};

const FIVE: [(&str, &str); 5] = [
    ("BTC", "67432.1"),
    ("ETH", "3512.44"),
    ("SOL", "141.20"),
    ("XRP", "0.52310"),
    ("DOGE", "0.1234567"),
];

fn both() -> Feed {
    Feed::live(&FIVE)
}

fn all_from(feed: &Feed, source: Source) -> bool {
    feed.latest.as_ref().is_some_and(|s| s.prices.iter().all(|p| p.source == source))
}

// ── Primary and fallback ───────────────────────────────────────────────────────────────────

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
            .all(|(ms, s)| !s.any_stale(pricecast_core::UnixMillis::from_ms(support::T0_MS + ms)))
    );
}

#[test]
fn failback_waits_until_kraken_has_been_live_ten_seconds_unbroken() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.run_ms(5_000);
    feed.connect();
    let took_ms = feed.run_until(20_000, |f| all_from(f, Source::Kraken));
    assert!((10_000..=10_200).contains(&took_ms), "{took_ms} ms");
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

// ── What confirms ──────────────────────────────────────────────────────────────────────────

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
fn heartbeats_outside_online_confirm_nothing() {
    for status in [
        SystemStatus::NotTrading(SourceReason::Maintenance),
        SystemStatus::NotTrading(SourceReason::UnknownState),
    ] {
        let mut feed = both();
        feed.kraken(KrakenEvent::System(status));
        feed.run_until(4_000, |f| all_from(f, Source::Coinbase));
        let report = feed.latest.as_ref().unwrap().sources.kraken;
        assert_eq!(report.status, SourceStatus::Stale);
        assert!(report.reason.is_some());
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
fn after_a_stall_a_frame_proves_only_its_own_symbol_until_the_backlog_is_in() {
    for (gap_ms, lag_ms) in [(1_500, 0), (1_510, 1_510)] {
        let mut feed = both();
        feed.kraken.is_up = false;
        feed.tick("ETH", "3512.00");
        let heard_at = feed.now();
        feed.run_ms(gap_ms);
        feed.tick("ETH", "3512.50");
        feed.assess();
        assert_eq!(feed.point("ETH").confirmed_at, feed.now());
        let expected = heard_at.plus_ms(gap_ms - lag_ms);
        assert_eq!(feed.point("BTC").confirmed_at, expected, "after {gap_ms} ms");
        feed.run_ms(300);
        feed.kraken(KrakenEvent::Heartbeat);
        feed.run_ms(600);
        assert!(feed.point("BTC").confirmed_at > heard_at.plus_ms(gap_ms));
    }
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
    feed.run_ms(10_200);
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

// ── Frozen ─────────────────────────────────────────────────────────────────────────────────

/// BTC silent on Kraken for ten seconds while Coinbase moves by `bp` basis points.
fn frozen_while_coinbase_moves(coinbase_price: &str) -> Feed {
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
fn a_real_crash_behind_a_frozen_kraken_symbol_is_published_from_coinbase() {
    let mut feed = both();
    feed.coinbase.prices.insert(symbol("SOL"), "56.48".to_owned());
    let took_ms = feed.run_until(20_000, |f| f.price("SOL") == "56.48");
    assert!(took_ms <= 15_000, "{took_ms} ms");
}

#[test]
fn a_bad_print_of_coinbase_does_not_unseat_a_kraken_symbol_that_is_merely_quiet() {
    let mut feed = both();
    feed.coinbase.prices.insert(symbol("SOL"), "56.48".to_owned());
    for _ in 0..60 {
        feed.run_ms(1_000);
        let asked = feed.actions.drain(..).any(
            |(_, action)| matches!(action, Action::ResubscribeKraken(s) if s.contains(&symbol("SOL"))),
        );
        if asked {
            feed.say(symbol("SOL"), "141.20", true);
        }
    }
    assert!(feed.publications.iter().all(|(_, s)| s.prices[2].price.to_string() == "141.20"));
    assert_eq!(feed.source("SOL"), Source::Kraken);
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

// ── Plausibility ───────────────────────────────────────────────────────────────────────────

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

// ── Listing ────────────────────────────────────────────────────────────────────────────────

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
    feed.run_ms(200);
    assert_eq!(feed.latest.as_ref().unwrap().unavailable, [symbol("XRP")]);
    assert_eq!(feed.mode(), Mode::Degraded);
    feed.coinbase.prices.insert(symbol("XRP"), "0.52400".to_owned());
    feed.run_ms(1_200);
    assert_eq!(feed.price("XRP"), "0.52400");
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

// ── Restart and publication ────────────────────────────────────────────────────────────────

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
fn a_price_that_passes_five_seconds_is_a_publication() {
    let mut feed = both();
    feed.kraken.is_up = false;
    feed.coinbase.is_up = false;
    feed.run_ms(20_000);
    let stale_at = |ms: u64, s: &pricecast_core::Snapshot| {
        s.any_stale(pricecast_core::UnixMillis::from_ms(support::T0_MS + ms))
    };
    let first = feed.publications.iter().find(|(ms, s)| stale_at(*ms, s)).unwrap();
    let confirmed_at = first.1.prices.iter().map(|p| p.confirmed_at).min().unwrap();
    let age_ms = support::T0_MS + first.0 - confirmed_at.as_ms();
    assert!((4_900..=5_000).contains(&age_ms), "{age_ms} ms");
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
