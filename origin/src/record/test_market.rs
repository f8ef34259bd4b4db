//! Random markets in virtual time, and a feed on them.

use std::sync::Arc;

use pricecast_core::{
    ASSESS_EVERY_MS, Action, CoinbaseEvent, FeedConfig, KrakenEvent, SourceEvent, SourceReason,
    Symbol,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Entry, What};
use crate::exchange::coinbase::schedule::read_answer;
use crate::exchange::kraken::session::Session;
use crate::ingest;
use crate::test_support::at;

const INTERVAL_MS: u64 = 1_000;
fn symbols() -> Vec<Symbol> {
    ["BTC", "ETH", "SOL"].map(|text| Symbol::parse(text).unwrap()).to_vec()
}

pub(super) fn feed() -> FeedConfig {
    FeedConfig { symbols: symbols(), coinbase_interval_ms: INTERVAL_MS, poll_after_ms: 2_500 }
}

/// Two exchanges that move, fall silent, break off, halt and say nonsense, and a feed on them.
pub(super) struct Run {
    rng: StdRng,
    prices: [f64; 3],
    session: Option<Session>,
    kraken_until: u64,
    coinbase_until: u64,
    aggregator: pricecast_core::Aggregator,
    publisher: pricecast_core::Publisher,
    recorded: Vec<Entry>,
}

impl Run {
    pub(super) fn new(seed: u64) -> Self {
        let (aggregator, publisher) = ingest::begin(feed(), 7, None, at(0));
        let begins = What::Begins { feed: Box::new(feed()), epoch: 7, last: None };
        Self {
            rng: StdRng::seed_from_u64(seed),
            prices: [65_000.0, 3_000.0, 150.0],
            session: None,
            kraken_until: 0,
            coinbase_until: 0,
            aggregator,
            publisher,
            recorded: vec![Entry { at: at(0), what: begins }],
        }
    }

    fn note(&mut self, ms: u64, what: What) {
        self.recorded.push(Entry { at: at(ms), what });
    }

    fn tell(&mut self, ms: u64, event: SourceEvent) {
        self.aggregator.handle(at(ms), &event);
        self.note(ms, What::Event(event));
    }

    fn frame(&mut self, ms: u64, text: &str) {
        let Some(mut session) = self.session.take() else { return };
        self.note(ms, What::Frame(text.into()));
        session.handle_frame(at(ms), text);
        self.drain(ms, session);
    }

    fn drain(&mut self, ms: u64, mut session: Session) {
        while let Some(event) = session.poll_event() {
            self.tell(ms, SourceEvent::Kraken(event));
        }
        let asked: Vec<_> = std::iter::from_fn(|| session.poll_outgoing()).collect();
        self.session = Some(session);
        for text in asked {
            if text.contains(r#""subscribe""#) {
                (0..3).for_each(|nth| self.ticker(ms, "snapshot", nth));
            } else if text.contains("ping") {
                self.frame(ms, &text.replace("ping", "pong"));
            }
        }
    }

    fn ticker(&mut self, ms: u64, kind: &str, nth: usize) {
        let (symbol, price) = (symbols()[nth], self.prices[nth]);
        let time = jiff::Timestamp::from_millisecond(at(ms).as_ms().try_into().unwrap()).unwrap();
        let text = format!(
            r#"{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{symbol}/USD","last":{price:.2},"change_pct":0.5,"timestamp":"{time:.3}"}}]}}"#
        );
        self.frame(ms, &text);
    }

    fn connect(&mut self, ms: u64) {
        self.session = Some(Session::new(&symbols(), at(ms), at(ms)));
        self.frame(ms, r#"{"channel":"status","type":"update","data":[{"system":"online"}]}"#);
    }

    fn kraken(&mut self, ms: u64) {
        match (&self.session, self.rng.random_range(0..4_000)) {
            _ if ms < self.kraken_until => return,
            (None, _) => self.connect(ms),
            (_, 0) => self.kraken_until = ms + self.rng.random_range(500..20_000),
            (_, 1) => {
                self.kraken_until = ms + self.rng.random_range(500..20_000);
                self.disconnect(ms);
            }
            (_, 2) => self.frame(ms, "{"),
            (_, 3) => self.frame(
                ms,
                r#"{"channel":"status","type":"update","data":[{"system":"post_only"}]}"#,
            ),
            (_, 4..10) => self
                .frame(ms, r#"{"channel":"status","type":"update","data":[{"system":"online"}]}"#),
            (_, 10..400) => self.frame(ms, r#"{"channel":"heartbeat"}"#),
            (_, 400..2_000) => {
                let nth = self.rng.random_range(0..3);
                let by = self.rng.random_range(-0.001..0.001);
                self.prices[nth] *= 1.0 + by;
                self.ticker(ms, "update", nth);
            }
            _ => {}
        }
        if let Some(mut session) = self.session.take() {
            session.handle_timeout(at(ms));
            self.drain(ms, session);
        }
    }

    fn disconnect(&mut self, ms: u64) {
        self.session = None;
        let gone = KrakenEvent::Disconnected(SourceReason::Disconnected);
        self.tell(ms, SourceEvent::Kraken(gone));
    }

    fn coinbase(&mut self, ms: u64) {
        if ms < self.coinbase_until || !ms.is_multiple_of(INTERVAL_MS) {
            return;
        }
        if self.rng.random_range(0..60) == 0 {
            self.coinbase_until = ms + self.rng.random_range(1_000..20_000);
            let failed = CoinbaseEvent::Failed(SourceReason::Failing);
            self.tell(ms, SourceEvent::Coinbase(failed));
            return;
        }
        let product = |(symbol, price): (Symbol, f64)| {
            format!(
                r#"{{"product_id":"{symbol}-USD","price":"{price:.2}","price_percentage_change_24h":"0.5","volume_24h":"{ms}"}}"#
            )
        };
        let products: Vec<_> = symbols().into_iter().zip(self.prices).map(product).collect();
        let body = format!(r#"{{"products":[{}]}}"#, products.join(","));
        let sent_at = at(ms.saturating_sub(80));
        let products = read_answer(body.as_bytes(), &symbols(), at(ms)).unwrap();
        self.note(ms, What::Answer { sent_at, symbols: symbols(), body: body.into() });
        self.tell(ms, SourceEvent::Coinbase(CoinbaseEvent::Answered { sent_at, products }));
    }

    fn beat(&mut self, ms: u64) {
        let assessment = self.aggregator.assess(at(ms));
        let published = self.publisher.publish(at(ms), &self.aggregator);
        let published = published.map(|(snapshot, _)| Arc::new(snapshot));
        self.note(ms, What::Beat { epoch: Some(7), published });
        for action in assessment.actions {
            match (action, self.session.take()) {
                (Action::ResubscribeKraken(symbols), Some(mut session)) => {
                    session.resubscribe(at(ms), &symbols);
                    self.drain(ms, session);
                }
                (Action::ReconnectKraken, Some(_)) => self.disconnect(ms),
                (_, None) => {}
            }
        }
    }

    pub(super) fn run(mut self, for_ms: u64) -> Vec<Entry> {
        for ms in (0..for_ms).step_by(20) {
            self.kraken(ms);
            self.coinbase(ms);
            if ms.is_multiple_of(ASSESS_EVERY_MS) {
                self.beat(ms);
            }
        }
        self.recorded
    }
}
