//! What a frame said, in short: enough to know an update that says again, to the letter, what the
//! one before said. In a real one something has always changed, at least its time: a backend that
//! repeats itself has stopped, and its frames are no more than heartbeats.

use xxhash_rust::xxh3::xxh3_64;

/// A hash of a frame's data, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said(u64);

impl Said {
    pub(super) fn of(text: &str) -> Self {
        Self(xxh3_64(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use pricecast_core::{KrakenEvent, Symbol, UnixMillis};

    use super::super::session::Session;

    fn frame(kind: &str, pair: &str, time: &str) -> String {
        format!(
            r#"{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{pair}/USD","last":1.5,"change_pct":0.5,"timestamp":"2026-11-21T10:00:{time}Z"}}]}}"#
        )
    }

    #[test]
    fn an_update_said_again_to_the_letter_is_no_more_than_a_heartbeat() {
        let symbols = ["BTC", "ETH"].map(|text| Symbol::parse(text).unwrap());
        let now = UnixMillis::from_ms(1_706_900_000_000);
        let mut session = Session::new(&symbols, now, now);
        while session.poll_event().is_some() {}
        let mut ticks = |kind, pair, time| {
            session.handle_frame(now, &frame(kind, pair, time));
            let event = session.poll_event();
            assert!(session.poll_event().is_none());
            match event {
                Some(KrakenEvent::Tick { .. }) => true,
                Some(KrakenEvent::Heartbeat) => false,
                other => panic!("{other:?}"),
            }
        };
        assert!(ticks("snapshot", "BTC", "01"));
        assert!(!ticks("update", "BTC", "01"), "what the snapshot said");
        assert!(ticks("update", "BTC", "02"));
        assert!(!ticks("update", "BTC", "02"));
        assert!(ticks("update", "ETH", "01"), "each symbol for itself");
        assert!(!ticks("update", "BTC", "02"));
        assert!(ticks("snapshot", "BTC", "02"), "a snapshot is an answer");
        assert!(ticks("update", "BTC", "03"));
        assert!(ticks("update", "BTC", "02"), "not the last one");
    }
}
