//! What the targets share: a feed to which events are handed, and what must be true of anything
//! that was published.

use pricecast_core::{
    ASSESS_EVERY_MS, Action, Aggregator, FeedConfig, Price, Publisher, Quote, Snapshot,
    SourceEvent, Symbol, UnixMillis,
};
use pricecast_wire::{BODY_LEN_MAX, parse, render};

/// Where time starts.
pub const T0: UnixMillis = UnixMillis::from_ms(1_706_900_000_000);

/// The symbols that are configured.
#[must_use]
pub fn symbols() -> Vec<Symbol> {
    ["BTC", "ETH", "SOL", "XRP", "DOGE"].map(|text| Symbol::parse(text).expect("a symbol")).into()
}

/// An accepted price is above zero, and its text says exactly what it is.
pub fn check_price(price: Price) {
    let text = price.to_string();
    assert!(!text.starts_with('-') && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
    assert!(!text.contains(['e', 'E']), "{text} is not in plain notation");
    let read = Price::parse(&text).expect("its own text");
    assert_eq!((read, read.to_string()), (price, text));
}

/// So of a quote.
pub fn check_quote(quote: &Quote) {
    check_price(quote.price);
    assert!(symbols().contains(&quote.symbol), "{} is not ours", quote.symbol);
}

/// The aggregator and the publisher behind a decoder.
pub struct Feed {
    aggregator: Aggregator,
    publisher: Publisher,
    assessed_at: UnixMillis,
    last: Option<Snapshot>,
    actions: Vec<Action>,
}

impl Default for Feed {
    fn default() -> Self {
        let config =
            FeedConfig { symbols: symbols(), coinbase_interval_ms: 1_000, poll_after_ms: 2_500 };
        Self {
            aggregator: Aggregator::new(config),
            publisher: Publisher::new(1),
            assessed_at: T0,
            last: None,
            actions: Vec::new(),
        }
    }
}

impl Feed {
    /// Hands over one event, after the beats before it.
    pub fn handle(&mut self, now: UnixMillis, event: &SourceEvent) {
        self.run_to(now);
        self.aggregator.handle(now, event);
    }

    /// What the aggregator wants done by `now`.
    pub fn actions(&mut self, now: UnixMillis) -> Vec<Action> {
        self.run_to(now);
        std::mem::take(&mut self.actions)
    }

    /// Draws the conclusions of every beat up to `now`, and checks what is published.
    fn run_to(&mut self, now: UnixMillis) {
        while self.assessed_at.plus_ms(ASSESS_EVERY_MS) <= now {
            self.assessed_at = self.assessed_at.plus_ms(ASSESS_EVERY_MS);
            self.actions.extend(self.aggregator.assess(self.assessed_at).actions);
            let published = self.publisher.publish(self.assessed_at, &self.aggregator);
            if let Some((snapshot, _)) = published {
                self.check(&snapshot);
                self.last = Some(snapshot);
            }
        }
    }

    fn check(&self, snapshot: &Snapshot) {
        let now = self.assessed_at;
        assert!(self.last.as_ref().is_none_or(|last| last.version < snapshot.version));
        assert!(snapshot.prices.iter().all(|p| p.confirmed_at <= now), "confirmed in the future");
        let prices =
            |s: &Snapshot| s.prices.iter().map(|p| (p.symbol, p.price)).collect::<Vec<_>>();
        // Most publications only move a confirmation.
        if self.last.as_ref().is_none_or(|last| prices(last) != prices(snapshot)) {
            check_body(snapshot, now);
        }
    }
}

/// What a body says when it is rendered from `snapshot` at `now` is what is read back from it, and
/// no price in it is called fresh after its five seconds.
pub fn check_body(snapshot: &Snapshot, now: UnixMillis) {
    let body = render(snapshot, now);
    assert!(body.len() <= BODY_LEN_MAX);
    let read = parse(body.as_bytes()).expect("our own body");
    assert_eq!(read.prices, snapshot.prices);
    assert_eq!(read.version, snapshot.version);
    assert_eq!(render(&read, now), body, "not the same when written again");
    let stale = snapshot.prices.iter().filter(|p| now >= p.confirmed_at.plus_ms(5_000)).count();
    let flagged = body.matches(r#""stale":true,"uncertain""#).count();
    assert!(flagged >= stale, "{stale} of its prices are older than 5 s, {flagged} are flagged");
}
