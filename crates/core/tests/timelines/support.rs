//! A feed in virtual time: two scripted venues, the aggregator and the publisher.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use pricecast_core::{
    ASSESS_EVERY_MS, Action, Aggregator, CoinbaseEvent, FeedConfig, KrakenEvent, Mode, PricePoint,
    Publisher, RawQuote, Snapshot, Source, SourceEvent, Symbol, SystemStatus, Trading, Transition,
    UnixMillis,
};

pub(crate) const T0_MS: u64 = 1_706_900_000_000;
const STEP_MS: u64 = 10;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub(crate) const FIVE: [(&str, &str); 5] = [
    ("BTC", "67432.1"),
    ("ETH", "3512.44"),
    ("SOL", "141.20"),
    ("XRP", "0.52310"),
    ("DOGE", "0.1234567"),
];

/// Five symbols, both venues live.
pub(crate) fn both() -> Feed {
    Feed::live(&FIVE)
}

pub(crate) fn all_from(feed: &Feed, source: Source) -> bool {
    feed.latest.as_ref().is_some_and(|s| s.prices.iter().all(|p| p.source == source))
}

/// What a venue would say of a symbol by now.
#[derive(Clone, Debug)]
pub(crate) struct Venue {
    pub(crate) prices: BTreeMap<Symbol, String>,
    /// Heartbeats (Kraken) or answers (Coinbase) flow.
    pub(crate) is_up: bool,
    /// Grows with every poll, so that an answer is not a repetition.
    pub(crate) volume: u64,
}

/// The harness. Time moves only by [`Feed::run_ms`].
pub(crate) struct Feed {
    pub(crate) now_ms: u64,
    pub(crate) aggregator: Aggregator,
    pub(crate) publisher: Publisher,
    pub(crate) kraken: Venue,
    pub(crate) coinbase: Venue,
    /// How late Kraken's frames arrive; `None`: it answers no pings.
    pub(crate) kraken_lag_ms: Option<u64>,
    pub(crate) latest: Option<Snapshot>,
    pub(crate) publications: Vec<(u64, Snapshot)>,
    pub(crate) transitions: Vec<(u64, Transition)>,
    pub(crate) actions: Vec<(u64, Action)>,
}

impl Feed {
    /// Both venues at the same prices, nothing connected yet.
    pub(crate) fn new(prices: &[(&str, &str)]) -> Self {
        let prices: Vec<_> = prices.iter().map(|&(s, p)| (symbol(s), p.to_owned())).collect();
        let symbols = prices.iter().map(|(s, _)| *s).collect();
        let venue =
            |volume| Venue { prices: prices.iter().cloned().collect(), is_up: false, volume };
        let config = FeedConfig { symbols, coinbase_interval_ms: 1_000, poll_after_ms: 2_500 };
        Self {
            now_ms: 0,
            aggregator: Aggregator::new(config),
            publisher: Publisher::new(1),
            kraken: venue(0),
            coinbase: venue(1),
            kraken_lag_ms: Some(0),
            latest: None,
            publications: vec![],
            transitions: vec![],
            actions: vec![],
        }
    }

    /// Both venues up and live for a second and a half.
    pub(crate) fn live(prices: &[(&str, &str)]) -> Self {
        let mut feed = Self::new(prices);
        feed.coinbase.is_up = true;
        feed.connect();
        feed.run_ms(1_500);
        feed
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis::from_ms(T0_MS + self.now_ms)
    }

    /// One event of Kraken's connection, right after the answer to a ping.
    pub(crate) fn kraken(&mut self, event: KrakenEvent) {
        let now = self.now();
        if let Some(lag_ms) = self.kraken_lag_ms.filter(|_| event != KrakenEvent::Connected) {
            let pong = KrakenEvent::Pong { sent_at: now.minus_ms(lag_ms) };
            self.aggregator.handle(now, &SourceEvent::Kraken(pong));
        }
        self.aggregator.handle(now, &SourceEvent::Kraken(event));
    }

    pub(crate) fn coinbase(&mut self, event: CoinbaseEvent) {
        let now = self.now();
        self.aggregator.handle(now, &SourceEvent::Coinbase(event));
    }

    /// A new connection, online, with a snapshot of every symbol.
    pub(crate) fn connect(&mut self) {
        self.kraken.is_up = true;
        self.kraken(KrakenEvent::Connected);
        self.kraken(KrakenEvent::System(SystemStatus::Online));
        for (symbol, price) in self.kraken.prices.clone() {
            self.say(symbol, &price, true);
        }
    }

    /// Kraken ticks.
    pub(crate) fn tick(&mut self, name: &str, price: &str) {
        self.kraken.prices.insert(symbol(name), price.to_owned());
        self.say(symbol(name), price, false);
    }

    pub(crate) fn say(&mut self, symbol: Symbol, price: &str, is_snapshot: bool) {
        let quote = raw(Source::Kraken, symbol, price, None).normalise(self.now());
        self.kraken(match quote {
            Ok(quote) => KrakenEvent::Tick { quote, is_snapshot },
            Err(reason) => KrakenEvent::TickRefused { symbol, reason },
        });
    }

    /// Coinbase answers a request sent 100 ms ago.
    pub(crate) fn poll(&mut self) {
        self.coinbase.volume += 1;
        let volume = self.coinbase.volume.to_string();
        let now = self.now();
        let products = self.coinbase.prices.iter().map(|(&symbol, price)| {
            raw(Source::Coinbase, symbol, price, Some(&volume))
                .normalise(now)
                .map_err(|reason| (symbol, reason))
        });
        let products = products.collect();
        self.coinbase(CoinbaseEvent::Answered { sent_at: now.minus_ms(100), products });
    }

    /// Lets time pass: heartbeats and polls each second from venues that are up, assessment and
    /// publication on their own beat.
    pub(crate) fn run_ms(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms += STEP_MS;
            if self.kraken.is_up && self.now_ms.is_multiple_of(1_000) {
                self.kraken(KrakenEvent::Heartbeat);
            }
            if self.coinbase.is_up && self.now_ms % 1_000 == 500 {
                self.poll();
            }
            if self.now_ms.is_multiple_of(ASSESS_EVERY_MS) {
                self.assess();
            }
        }
    }

    /// Runs until `condition` holds; returns how long that took. Fails after `limit_ms`.
    pub(crate) fn run_until(&mut self, limit_ms: u64, condition: impl Fn(&Self) -> bool) -> u64 {
        let start = self.now_ms;
        while !condition(self) {
            assert!(self.now_ms - start < limit_ms, "not within {limit_ms} ms: {:?}", self.latest);
            self.run_ms(STEP_MS);
        }
        self.now_ms - start
    }

    pub(crate) fn assess(&mut self) {
        let now = self.now();
        let assessment = self.aggregator.assess(now);
        self.actions.extend(assessment.actions.into_iter().map(|a| (self.now_ms, a)));
        self.transitions.extend(assessment.transitions.into_iter().map(|t| (self.now_ms, t)));
        if let Some((snapshot, transition)) = self.publisher.publish(now, &self.aggregator) {
            self.transitions.extend(transition.map(|t| (self.now_ms, t)));
            self.publications.push((self.now_ms, snapshot.clone()));
            self.latest = Some(snapshot);
        }
    }

    pub(crate) fn point(&self, name: &str) -> PricePoint {
        let latest = self.latest.as_ref().unwrap();
        *latest.prices.iter().find(|p| p.symbol == symbol(name)).unwrap()
    }

    pub(crate) fn source(&self, name: &str) -> Source {
        self.point(name).source
    }

    pub(crate) fn price(&self, name: &str) -> String {
        self.point(name).price.to_string()
    }

    pub(crate) fn is_stale(&self, name: &str) -> bool {
        self.point(name).is_stale(self.now())
    }

    pub(crate) fn mode(&self) -> Mode {
        self.latest.as_ref().unwrap().mode(self.now())
    }

    pub(crate) fn saw(&self, name: &str) -> usize {
        self.transitions.iter().filter(|(_, t)| t.as_str() == name).count()
    }
}

pub(crate) fn raw<'a>(
    source: Source,
    symbol: Symbol,
    price: &'a str,
    volume: Option<&'a str>,
) -> RawQuote<'a> {
    RawQuote {
        source,
        symbol,
        price: Some(price),
        change_24h: Some("1.25"),
        volume_24h: volume,
        event_time: None,
        trading: Trading::Open,
    }
}
