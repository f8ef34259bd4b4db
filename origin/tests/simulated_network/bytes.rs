//! What arrives is not what was sent, or not as it was sent.

use pricecast_core::{KrakenEvent, Source};

use crate::wire::Mischief;
use crate::world::{Figures, Seen, Served, Setting, World};

const KRAKEN: Served = Served::Fresh(Source::Kraken);

/// The prices of each symbol in the order in which they were read.
fn read(seen: &Seen) -> Vec<String> {
    let told = |(_, event): &(u64, KrakenEvent)| match event {
        KrakenEvent::Tick { quote, .. } => Some(format!("{} {}", quote.symbol, quote.price)),
        _ => None,
    };
    let mut all: Vec<_> = seen.events.iter().filter_map(told).collect();
    all.sort();
    all
}

#[test]
fn bytes_that_come_one_by_one_are_read_as_if_they_came_at_once() {
    let mut figures = Figures::default();
    let mut run = |mischief| {
        // The library refuses a handshake in crumbs, so it comes whole.
        let mut world = World::live(1, Setting { latency_ms: (1, 1), ..Setting::default() });
        world.conduct(|kraken| *kraken.mischief.lock().unwrap() = mischief);
        world.run_ms(10_000);
        assert_eq!(world.seen.lock().unwrap().dials.len(), 1);
        world.conclude(&mut figures);
        let seen = world.seen.lock().unwrap();
        read(&seen)
    };
    let whole = run(Mischief::None);
    let sliced = run(Mischief::Slice);
    assert!(whole.len() > 25, "{} ticks", whole.len());
    // The last of them may still be on its way.
    let common = whole.iter().filter(|tick| sliced.contains(tick)).count();
    assert!(common + 3 >= whole.len().max(sliced.len()), "{whole:?} {sliced:?}");
    figures.print(&[]);
}

#[test]
fn a_corrupt_byte_costs_a_frame_or_a_connection_is_counted_and_mended() {
    let mut figures = Figures::default();
    const REFUSED: &str =
        r#"pricecast_quotes_refused_total{source="kraken",reason="price_missing"}"#;
    const UNDECODABLE: &str = r#"pricecast_kraken_frames_total{kind="undecodable"}"#;
    const LOST: &str = r#"pricecast_reconnects_total{reason="read_failed"}"#;
    const TICKER: &str = r#"{"channel":"ticker""#;
    // A digit that becomes another cannot be told; TLS does that.
    for (pattern, offset, byte, counted) in [
        // A name, then the shape of the text: the symbol, then everything is subscribed anew.
        (r#""last":"#, 1, b'L', REFUSED),
        (r#""last":"#, 0, b'}', UNDECODABLE),
        (r#""data":["#, 7, b'(', UNDECODABLE),
        (TICKER, 0, 0x01, UNDECODABLE),
        // No text any more; then the kind and the length in the header of the frame.
        (r#""last":"#, 2, 0xff, LOST),
        (TICKER, -2, 0x8f, LOST),
        (TICKER, -1, 0x7d, LOST),
    ] {
        let mut world = World::live(2, Setting::default());
        let corrupt_at = world.now_ms();
        let corrupt = Mischief::Corrupt { pattern, offset, byte };
        world.conduct(|kraken| *kraken.mischief.lock().unwrap() = corrupt);
        world.run_ms(20_000);
        let what = format!("{byte:#x} at {offset} of {pattern}");
        assert_eq!(world.metric(counted), 1, "{what}");
        let seen = world.seen.lock().unwrap();
        assert_eq!(seen.dials.len(), 1 + usize::from(counted == LOST), "{what}");
        let stale = seen.first(Served::SomeStale, corrupt_at);
        assert!(seen.is(KRAKEN) && stale.is_none(), "{what}: {:?}", seen.served);
        drop(seen);
        world.conclude(&mut figures);
    }
    figures.print(&[]);
}

#[test]
fn frames_that_come_twice_change_nothing() {
    let mut figures = Figures::default();
    let mut world = World::new(3, Setting::default());
    world.conduct(|kraken| kraken.repeats = true);
    world.run_until(5_000, |seen| seen.is(KRAKEN));
    world.run_ms(40_000);
    let seen = world.seen.lock().unwrap();
    assert_eq!(seen.dials.len(), 1);
    assert_eq!(seen.served.last(), seen.served.first(), "{:?}", seen.served);
    drop(seen);
    world.conclude(&mut figures);
    figures.print(&[]);
}

#[test]
fn fields_channels_and_answers_nobody_knows_are_passed_over_and_counted() {
    let mut figures = Figures::default();
    let mut world = World::new(4, Setting::default());
    world.conduct(|kraken| kraken.babbles = true);
    world.run_until(5_000, |seen| seen.is(KRAKEN));
    world.run_ms(20_000);
    let count =
        |kind: &str| world.metric(&format!(r#"pricecast_kraken_frames_total{{kind="{kind}"}}"#));
    let tickers = count("ticker");
    assert!(tickers > 50, "{tickers} tickers");
    assert_eq!((count("unknown"), count("v1")), (2 * tickers, 2 * tickers));
    assert_eq!(count("undecodable"), 0);
    let seen = world.seen.lock().unwrap();
    assert_eq!(seen.dials.len(), 1);
    assert!(seen.is(KRAKEN));
    drop(seen);
    world.conclude(&mut figures);
    figures.print(&[]);
}
