//! Where the exchange's name leads, and who answers there.

use pricecast_core::{KrakenEvent, Source};

use crate::world::{Figures, Served, Setting, World};

const KRAKEN: Served = Served::Fresh(Source::Kraken);
const COINBASE: Served = Served::Fresh(Source::Coinbase);

#[test]
fn a_name_that_leads_nowhere_is_asked_again_and_a_new_address_is_used() {
    let mut figures = Figures::default();
    let mut world = World::live(1, Setting::default());
    world.names.lock().unwrap().clear();
    world.sim.crash("kraken-1");
    let takeover_ms = world.run_until(5_000, |seen| seen.is(COINBASE));
    world.run_ms(20_000);
    let moved_at = world.now_ms();
    world.names.lock().unwrap().insert("kraken.test:8080", "kraken-2");
    world.run_until(31_000, |seen| seen.saw(&KrakenEvent::Connected, moved_at));
    world.run_until(15_000, |seen| seen.is(KRAKEN));
    {
        let seen = world.seen.lock().unwrap();
        let led_to: Vec<_> = seen.dials.iter().map(|(_, host)| *host).collect();
        assert_eq!(led_to.first(), Some(&Some("kraken-1")));
        assert_eq!(led_to.last(), Some(&Some("kraken-2")));
        assert!(led_to.iter().filter(|host| host.is_none()).count() >= 3, "{led_to:?}");
    }
    world.conclude(&mut figures);
    figures.print(&[("takeover_ms", takeover_ms)]);
}

#[test]
fn a_handshake_that_stalls_is_given_up_after_five_seconds_with_or_without_tls() {
    let mut figures = Figures::default();
    for url in ["ws://kraken.test:8080/v2", "wss://kraken.test:8080/v2"] {
        let mut world = World::new(2, Setting { url, ..Setting::default() });
        world.conduct(|kraken| kraken.stalls_handshakes = true);
        world.run_until(2_000, |seen| seen.is(COINBASE));
        world.run_until(6_000, |seen| !seen.disconnections(0).is_empty());
        let (given_up_ms, reason) = world.seen.lock().unwrap().disconnections(0)[0];
        assert_eq!(reason, "disconnected");
        assert!((5_000..=5_100).contains(&given_up_ms), "{given_up_ms} ms");
        assert_eq!(world.metric(r#"pricecast_reconnects_total{reason="connect_timeout"}"#), 1);
        assert!(world.seen.lock().unwrap().first(Served::SomeStale, 0).is_none());
        world.conclude(&mut figures);
    }
    figures.print(&[]);
}
