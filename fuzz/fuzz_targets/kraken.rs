//! A connection to Kraken: each line is a frame, its first byte tells how long after the one
//! before it comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pricecast_core::{Action, KrakenEvent, SourceEvent, UnixMillis};
use pricecast_fuzz::{Feed, T0, check_quote, symbols};
use pricecast_origin::exchange::kraken::session::Session;

const PAUSES_MS: [u64; 8] = [0, 10, 100, 400, 1_100, 1_600, 3_100, 10_100];
/// What a few frames may make us send: more would be a storm.
const OUTGOING_MAX: usize = 4;

fn drain(session: &mut Session, feed: &mut Feed, now: UnixMillis, items_max: usize) {
    let mut events = 0;
    while let Some(event) = session.poll_event() {
        events += 1;
        if let KrakenEvent::Tick { quote, .. } = &event {
            check_quote(quote);
        }
        feed.handle(now, &SourceEvent::Kraken(event));
    }
    assert!(events <= items_max, "{events} events of one frame");
    let mut outgoing = 0;
    while let Some(text) = session.poll_outgoing() {
        outgoing += 1;
        let request: serde_json::Value = serde_json::from_str(&text).expect("we send JSON");
        assert!(request["method"].is_string());
    }
    assert!(outgoing <= OUTGOING_MAX, "{outgoing} requests at once");
}

fuzz_target!(|data: &[u8]| {
    let mut feed = Feed::default();
    let mut now = T0;
    let mut session = Session::new(&symbols(), now, now);
    for line in data.split(|&byte| byte == b'\n').take(64) {
        let Some((pause, frame)) = line.split_first() else { continue };
        let until = now.plus_ms(PAUSES_MS[usize::from(*pause) % PAUSES_MS.len()]);
        while session.poll_timeout() < until && session.poll_close().is_none() {
            now = session.poll_timeout().max(now.plus_ms(1));
            session.handle_timeout(now);
            drain(&mut session, &mut feed, now, 16);
        }
        if session.poll_close().is_some() {
            return;
        }
        now = until.max(now);
        match std::str::from_utf8(frame) {
            Ok(text) => {
                session.handle_frame(now, text);
            }
            Err(_) => session.handle_undecodable(now),
        }
        drain(&mut session, &mut feed, now, frame.len() + 16);
        for action in feed.actions(now) {
            if let Action::ResubscribeKraken(symbols) = action {
                session.resubscribe(now, &symbols);
            }
        }
        drain(&mut session, &mut feed, now, 16);
    }
});
