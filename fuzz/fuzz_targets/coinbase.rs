//! The poller of Coinbase: answers parted by a zero byte, each begun by a byte that tells what kind
//! it is and one that tells how long it took.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pricecast_core::{CoinbaseEvent, SourceEvent};
use pricecast_fuzz::{Feed, T0, check_quote, symbols};
use pricecast_origin::exchange::coinbase::Fetched;
use pricecast_origin::exchange::coinbase::schedule::{Next, Schedule};

const TAKES_MS: [u64; 4] = [1, 100, 900, 3_100];
/// An answer can at most tell of each symbol twice, and of the breaker.
const EVENTS_MAX: usize = 16;

fn fetched(kind: u8, body: &[u8]) -> Fetched {
    match kind % 8 {
        0 => Fetched::Refused { status: 404 },
        1 => Fetched::RateLimited { retry_after_ms: Some(u64::from(kind) * 1_000) },
        2 => Fetched::Refused { status: 503 },
        _ => Fetched::Body(body.to_vec().into()),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut feed = Feed::default();
    let mut now = T0;
    let mut schedule = Schedule::new(&symbols(), 1_000, now);
    for part in data.split(|&byte| byte == 0).take(32) {
        let [kind, takes, body @ ..] = part else { continue };
        let ask = loop {
            match schedule.next(now, true) {
                Next::Ask(ask) => break ask,
                Next::Wait(until) => {
                    assert!(until > now, "waits for a time that has passed");
                    now = until;
                }
            }
        };
        assert!(ask.symbols.iter().all(|symbol| symbols().contains(symbol)));
        let sent_at = now;
        now = now.plus_ms(TAKES_MS[usize::from(*takes) % TAKES_MS.len()]);
        let events = schedule.handle(now, sent_at, &ask, &fetched(*kind, body));
        assert!(events.len() <= EVENTS_MAX, "{} events of one answer", events.len());
        for event in events {
            if let CoinbaseEvent::Answered { products, .. } = &event {
                assert!(products.len() <= ask.symbols.len(), "a product nobody asked for");
                products.iter().flatten().for_each(check_quote);
            }
            feed.handle(now, &SourceEvent::Coinbase(event));
        }
        feed.actions(now);
    }
});
