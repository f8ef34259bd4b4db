//! Connections that break, fall silent, are slow, or carry only one way.

use std::time::Duration;

use pricecast_core::{KrakenEvent, Source};

use crate::world::{Figures, Served, Setting, World};

const KRAKEN: Served = Served::Fresh(Source::Kraken);
const COINBASE: Served = Served::Fresh(Source::Coinbase);
/// Backoff (30 s at most), a handshake and the hold-down.
const BACK_MS: u64 = 45_000;

#[test]
fn a_reset_connection_is_made_anew_at_once_and_nothing_shows() {
    let mut figures = Figures::default();
    let mut world = World::live(1, Setting::default());
    let reset_at = world.now_ms();
    // Its farewell is lost, and it knows nothing of the connection any more.
    world.sim.partition("origin", "kraken-1");
    world.sim.crash("kraken-1");
    world.sim.bounce("kraken-1");
    world.sim.repair("origin", "kraken-1");
    // The next ping is answered by a reset.
    let took_ms = world.run_until(800, |seen| seen.saw(&KrakenEvent::Connected, reset_at));
    world.run_ms(5_000);
    assert_eq!(world.metric(r#"pricecast_reconnects_total{reason="read_failed"}"#), 1);
    let seen = world.seen.lock().unwrap();
    assert!(seen.served.iter().all(|(ms, served)| *ms < reset_at || *served == KRAKEN));
    drop(seen);
    world.conclude(&mut figures);
    figures.print(&[("reconnect_ms", took_ms)]);
}

#[test]
fn an_exchange_that_stays_away_is_left_for_coinbase_and_asked_ever_more_rarely() {
    let mut figures = Figures::default();
    let mut world = World::live(2, Setting::default());
    let reset_at = world.now_ms();
    world.sim.crash("kraken-1");
    let takeover_ms = world.run_until(5_000, |seen| seen.is(COINBASE));
    world.run_ms(180_000);
    let tried_ms: Vec<_> = {
        let seen = world.seen.lock().unwrap();
        seen.dials.iter().map(|(ms, _)| *ms).filter(|ms| *ms >= reset_at).collect()
    };
    let waits_ms: Vec<_> = tried_ms.windows(2).map(|w| w[1] - w[0]).collect();
    // The first attempt came at once. Each wait holds the deadline of the attempt before it, too.
    for (wait_ms, backoff_ms) in waits_ms.iter().zip([1, 2, 4, 8, 16].map(|s| s * 1_000)) {
        assert!(*wait_ms <= 5_000 + backoff_ms, "{waits_ms:?}");
    }
    assert!(waits_ms.iter().all(|ms| *ms <= 35_000), "{waits_ms:?}");
    assert!((8..=40).contains(&tried_ms.len()), "{} attempts in three minutes", tried_ms.len());
    let mut distinct = waits_ms.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() * 2 > waits_ms.len(), "jittered: {waits_ms:?}");
    world.sim.bounce("kraken-1");
    world.run_until(BACK_MS, |seen| seen.is(KRAKEN));
    world.conclude(&mut figures);
    figures.print(&[("takeover_ms", takeover_ms), ("attempts", tried_ms.len() as u64)]);
}

#[test]
fn a_black_hole_is_found_by_silence_within_three_seconds() {
    let mut figures = Figures::default();
    let mut longest_takeover_ms = 0;
    // Packets vanish; or they wait on the way, and so does every new connection.
    for holds in [false, true] {
        let mut world = World::live(3, Setting::default());
        let cut_at = world.now_ms();
        if holds {
            world.sim.hold("origin", "kraken-1");
        } else {
            world.sim.partition("origin", "kraken-1");
        }
        let takeover_ms = world.run_until(5_000, |seen| seen.is(COINBASE));
        assert!(takeover_ms <= 3_200, "found after {takeover_ms} ms");
        longest_takeover_ms = longest_takeover_ms.max(takeover_ms);
        world.run_ms(20_000);
        {
            let seen = world.seen.lock().unwrap();
            let (given_up_ms, reason) = seen.disconnections(cut_at)[0];
            assert_eq!(reason, "silent");
            assert!((4_000..=5_300).contains(&given_up_ms), "given up after {given_up_ms} ms");
            let stale = seen.first(Served::SomeStale, cut_at);
            assert_eq!(stale, None, "nothing is flagged on the way");
        }
        if holds {
            world.sim.release("origin", "kraken-1");
        } else {
            world.sim.repair("origin", "kraken-1");
        }
        world.run_until(BACK_MS, |seen| seen.is(KRAKEN));
        world.conclude(&mut figures);
    }
    figures.print(&[("takeover_ms", longest_takeover_ms)]);
}

#[test]
fn with_latencies_of_up_to_two_seconds_prices_are_fresh_or_flagged() {
    let mut figures = Figures::default();
    for seed in 10..16 {
        let mut world = World::live(seed, Setting::default());
        let hosts = ("origin", "kraken-1");
        world.sim.set_message_latency_curve(1.0);
        world.sim.set_link_max_message_latency(hosts.0, hosts.1, Duration::from_secs(2));
        world.coinbase(seed % 2 == 0);
        world.run_ms(60_000);
        // The last that came through was late, too.
        world.sim.partition("origin", "kraken-1");
        world.run_ms(8_000);
        world.conclude(&mut figures);
    }
    figures.print(&[]);
}

#[test]
fn a_stream_that_falls_ever_further_behind_loses_to_coinbase_or_is_flagged() {
    let mut figures = Figures::default();
    for coinbase_is_up in [true, false] {
        let mut world = World::live(7, Setting::default());
        world.coinbase(coinbase_is_up);
        world.run_ms(4_000);
        let lagging_at = world.now_ms();
        for late_s in 1..=12 {
            let late = Duration::from_secs(late_s);
            world.sim.set_link_latency("origin", "kraken-1", late);
            world.run_ms(2_000);
        }
        let seen = world.seen.lock().unwrap();
        assert_eq!(seen.first(Served::SomeStale, lagging_at).is_none(), coinbase_is_up);
        assert_eq!(seen.disconnections(lagging_at)[0].1, "lagging");
        drop(seen);
        world.conclude(&mut figures);
    }
    figures.print(&[]);
}

#[test]
fn a_backlog_that_comes_through_after_seconds_is_not_taken_for_news() {
    let mut figures = Figures::default();
    for held_ms in [700, 1_600, 2_900, 4_500] {
        let mut world = World::live(20, Setting::default());
        // Nothing else could hide it.
        world.coinbase(false);
        world.run_ms(4_000);
        for _ in 0..5 {
            world.sim.hold("origin", "kraken-1");
            world.run_ms(held_ms);
            world.sim.release("origin", "kraken-1");
            world.run_ms(3_000);
        }
        world.conclude(&mut figures);
    }
    figures.print(&[]);
}

#[test]
fn when_only_our_own_words_are_lost_prices_are_no_longer_confirmed_and_the_reason_is_told() {
    let mut figures = Figures::default();
    // What is not received soon fills the socket, too.
    let mut world = World::live(4, Setting { packets_max: 4, ..Setting::default() });
    let cut_at = world.now_ms();
    world.sim.partition_oneway("origin", "kraken-1");
    let takeover_ms = world.run_until(5_000, |seen| seen.is(COINBASE));
    assert!(takeover_ms <= 3_800, "{takeover_ms} ms");
    world.run_until(11_000, |seen| !seen.disconnections(cut_at).is_empty());
    let (given_up_ms, reason) = world.seen.lock().unwrap().disconnections(cut_at)[0];
    assert_eq!(reason, "lagging");
    assert!((9_400..=10_600).contains(&given_up_ms), "{given_up_ms} ms");
    let is_late_tick = |(ms, event): &&(u64, KrakenEvent)| {
        *ms >= cut_at + 8_400 && matches!(event, KrakenEvent::Tick { .. })
    };
    let late_ticks = world.seen.lock().unwrap().events.iter().filter(is_late_tick).count();
    assert!(late_ticks >= 2, "reading went on to the end");
    world.sim.repair_oneway("origin", "kraken-1");
    world.run_until(BACK_MS, |seen| seen.is(KRAKEN));
    assert_eq!(world.metric(r#"pricecast_reconnects_total{reason="lagging"}"#), 1);
    world.conclude(&mut figures);
    figures.print(&[("takeover_ms", takeover_ms)]);
}

#[test]
fn when_only_the_exchanges_words_are_lost_it_is_a_silence_like_any_other() {
    let mut figures = Figures::default();
    let mut world = World::live(5, Setting::default());
    let cut_at = world.now_ms();
    world.sim.partition_oneway("kraken-1", "origin");
    let takeover_ms = world.run_until(5_000, |seen| seen.is(COINBASE));
    assert!(takeover_ms <= 3_200, "{takeover_ms} ms");
    world.run_until(6_000, |seen| !seen.disconnections(cut_at).is_empty());
    assert_eq!(world.seen.lock().unwrap().disconnections(cut_at)[0].1, "silent");
    world.sim.repair_oneway("kraken-1", "origin");
    world.run_until(BACK_MS, |seen| seen.is(KRAKEN));
    world.conclude(&mut figures);
    figures.print(&[("takeover_ms", takeover_ms)]);
}

#[test]
fn eight_hours_away_cost_no_memory_and_at_most_sixty_attempts_in_ten_minutes() {
    let mut figures = Figures::default();
    const EIGHT_HOURS_MS: u64 = 8 * 3_600_000;
    let setting = Setting { tick_ms: 500, probe_ms: 1_000, ..Setting::default() };
    let mut world = World::live(6, setting);
    world.sim.partition("origin", "kraken-1");
    world.run_ms(600_000);
    let resident_before = resident_kib();
    world.run_ms(EIGHT_HOURS_MS - 600_000);
    let grown_kib = resident_kib().saturating_sub(resident_before);
    assert!(world.seen.lock().unwrap().is(COINBASE));
    world.sim.repair("origin", "kraken-1");
    let back_at = world.now_ms();
    let first_tick_ms = world.run_until(31_000, |seen| {
        seen.events.iter().any(|(ms, e)| *ms >= back_at && matches!(e, KrakenEvent::Tick { .. }))
    });
    world.run_until(15_000, |seen| seen.is(KRAKEN));
    let attempts = world.seen.lock().unwrap().dials.len() as u64;
    assert!(grown_kib < 8_192, "{grown_kib} KiB more after eight hours");
    world.conclude(&mut figures);
    figures.print(&[
        ("attempts", attempts),
        ("first_tick_ms", first_tick_ms),
        ("grown_kib", grown_kib),
    ]);
}

/// What the process holds in memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
