//! The record written and run again, in virtual time, on random markets.

use std::fs;

use pricecast_core::{
    ASSESS_EVERY_MS, Action, CoinbaseEvent, FeedConfig, KrakenEvent, SourceEvent, SourceReason,
    SystemStatus, Trading,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::line::Event;
use super::replay::{Replay, Report, WARM_UP_MS};
use super::ring::{Ring, segments};
use super::*;
use crate::exchange::coinbase::schedule::{Product, read_answer};
use crate::exchange::kraken::session::Session;
use crate::ingest;
use crate::test_support::at;

const INTERVAL_MS: u64 = 1_000;
const MIB: u64 = 1 << 20;
/// Random markets run by each of the two long tests.
const SEEDS: u64 = 12;

fn symbols() -> Vec<Symbol> {
    ["BTC", "ETH", "SOL"].map(|text| Symbol::parse(text).unwrap()).to_vec()
}

fn feed() -> FeedConfig {
    FeedConfig { symbols: symbols(), coinbase_interval_ms: INTERVAL_MS, poll_after_ms: 2_500 }
}

/// Two exchanges that move, fall silent, break off, halt and say nonsense, and a feed on them.
struct Run {
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
    fn new(seed: u64) -> Self {
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

    fn run(mut self, for_ms: u64) -> Vec<Entry> {
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

fn write_down(entries: &[Entry], bytes_max: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::new(folder.path().to_owned(), bytes_max);
    entries.iter().for_each(|entry| assert!(ring.write(entry)));
    ring.flush();
    folder
}

fn text_of(folder: &tempfile::TempDir) -> String {
    let segments = segments(folder.path()).unwrap();
    segments.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn replay(text: &str) -> Report {
    let mut replay = Replay::default();
    text.lines().for_each(|line| drop(replay.take(line).unwrap()));
    replay.report().clone()
}

#[test]
fn a_run_replayed_from_its_beginning_publishes_the_same_to_the_byte() {
    for seed in 0..SEEDS {
        let folder = write_down(&Run::new(seed).run(300_000), 64 * MIB);
        let report = replay(&text_of(&folder));
        assert!(report.is_identical(), "seed {seed}: {report:?}");
        assert!(report.publications > 500, "seed {seed}: {report:?}");
        assert_eq!(report.identical, report.publications, "seed {seed}");
        assert_eq!(report.warming_up, 0, "seed {seed}");
        assert!(report.quotes > 3_000, "seed {seed}: {report:?}");
        assert_eq!(report.read_alike, report.quotes, "seed {seed}");
    }
}

#[test]
fn a_record_whose_beginning_is_gone_is_the_same_once_warm() {
    for seed in 0..SEEDS {
        let folder = write_down(&Run::new(seed).run(600_000), 2 * MIB);
        let report = replay(&text_of(&folder));
        assert!(report.warming_up > 50, "seed {seed}: {report:?}");
        assert!(report.publications > 100, "seed {seed}: {report:?}");
        assert!(report.is_identical(), "seed {seed}: {report:?}");
    }
}

#[test]
fn the_record_takes_no_more_room_than_it_may_and_keeps_the_latest() {
    let entries = Run::new(1).run(600_000);
    let folder = write_down(&entries, MIB);
    let found = segments(folder.path()).unwrap();
    let bytes: u64 = found.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!((MIB / 2..=MIB + 4_096).contains(&bytes), "{bytes} bytes");
    let report = replay(&text_of(&folder));
    assert_eq!(report.span.unwrap().1, entries.last().unwrap().at);
}

#[test]
fn however_often_it_is_started_there_are_not_more_than_so_many_segments() {
    let folder = tempfile::tempdir().unwrap();
    for nth in 0..80 {
        let mut ring = Ring::new(folder.path().to_owned(), MIB);
        let begins = What::Begins { feed: Box::new(feed()), epoch: nth, last: None };
        assert!(ring.write(&Entry { at: at(nth), what: begins }));
        ring.flush();
    }
    assert_eq!(segments(folder.path()).unwrap().len(), 64);
}

#[test]
fn one_digit_of_an_event_changed_is_seen_in_what_is_published_and_in_what_was_read() {
    let entries = Run::new(3).run(20_000);
    let text = text_of(&write_down(&entries, 64 * MIB));
    let place = text.rfind(r#""kraken_update":{"symbol":"BTC","price":"6"#).unwrap();
    let mut changed = text.clone();
    changed.replace_range(place..place + 43, r#""kraken_update":{"symbol":"BTC","price":"7"#);
    assert_ne!(text, changed);
    let report = replay(&changed);
    assert!(report.misread.is_some(), "{report:?}");
    let difference = report.difference.unwrap();
    assert!(difference.recorded.is_some() || difference.replayed.is_some());
}

#[test]
fn a_hole_is_told_and_what_comes_after_it_is_compared_once_warm() {
    let entries = Run::new(5).run(200_000);
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::new(folder.path().to_owned(), 64 * MIB);
    let (before, after) = entries.split_at(entries.len() / 3);
    before.iter().for_each(|entry| assert!(ring.write(entry)));
    ring.note_lost(9);
    after.iter().skip(9).for_each(|entry| assert!(ring.write(entry)));
    ring.flush();
    let report = replay(&text_of(&folder));
    assert_eq!(report.lost, 9);
    assert!(report.is_identical(), "{report:?}");
    let warm = WARM_UP_MS / ASSESS_EVERY_MS;
    assert!((1..=warm).contains(&report.warming_up), "{report:?}");
    assert!(report.identical > 400, "{report:?}");
}

#[test]
fn a_disk_that_fails_costs_lines_and_nothing_else_and_is_tried_again() {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("record");
    fs::write(&place, "in the way").unwrap();
    let entries = Run::new(6).run(200_000);
    let mut ring = Ring::new(place.clone(), 64 * MIB);
    let (before, after) = entries.split_at(entries.len() / 4);
    assert!(before.iter().all(|entry| !ring.write(entry)));
    fs::remove_file(&place).unwrap();
    let written = after.iter().filter(|entry| ring.write(entry)).count();
    ring.flush();
    assert!(written > after.len() / 2 && written < after.len(), "{written} of {}", after.len());
    let text: String =
        segments(&place).unwrap().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let report = replay(&text);
    assert_eq!(report.lost, u64::try_from(entries.len() - written).unwrap());
    assert!(report.is_identical() && report.identical > 100, "{report:?}");
}

#[test]
fn what_no_version_of_ours_has_written_is_refused_with_the_line_it_stands_on() {
    let text = text_of(&write_down(&Run::new(1).run(2_000), MIB));
    let first = text.lines().next().unwrap();
    for (line, told) in [
        ("{", "EOF"),
        (r#"{"at":1}"#, "no variant"),
        (r#"{"at":1,"event":{"kraken_unsupported":"btc!"}}"#, r#""btc!" is no symbol"#),
        (r#"{"at":1,"event":{"kraken_disconnected":"bored"}}"#, r#""bored" is no reason"#),
    ] {
        let mut replay = Replay::default();
        replay.take(first).unwrap();
        let error = replay.take(line).unwrap_err().to_string();
        assert!(error.starts_with("line 2: ") && error.contains(told), "{line}: {error}");
    }
}

fn any_symbol() -> impl Strategy<Value = Symbol> {
    "[A-Z]{2,5}".prop_filter_map("a symbol", |text| Symbol::parse(&text).ok())
}

fn any_product(source: pricecast_core::Source) -> impl Strategy<Value = Product> {
    let quote = ("[1-9][0-9]{0,9}(\\.[0-9]{1,8})?", "-?[0-9]{1,3}(\\.[0-9]{1,14})?", any::<bool>());
    (any_symbol(), quote, any::<u32>()).prop_map(move |(symbol, (price, change, has_time), ms)| {
        let raw = pricecast_core::RawQuote {
            source,
            symbol,
            price: Some(&price),
            change_24h: Some(&change),
            volume_24h: has_time.then_some(price.as_str()),
            event_time: has_time.then_some(at(0)),
            trading: if ms % 7 == 0 { Trading::Halted } else { Trading::Open },
        };
        raw.normalise(at(ms.into())).map_err(|reason| (symbol, reason))
    })
}

fn any_event() -> impl Strategy<Value = SourceEvent> {
    use pricecast_core::Source;
    let reason = proptest::sample::select(SourceReason::ALL.to_vec());
    let kraken = prop_oneof![
        Just(KrakenEvent::Connected),
        Just(KrakenEvent::Heartbeat),
        Just(KrakenEvent::Undecodable),
        Just(KrakenEvent::System(SystemStatus::Online)),
        reason.clone().prop_map(|reason| KrakenEvent::System(SystemStatus::NotTrading(reason))),
        reason.clone().prop_map(KrakenEvent::Disconnected),
        any_symbol().prop_map(KrakenEvent::Unsupported),
        any::<u32>().prop_map(|ms| KrakenEvent::Pong { sent_at: at(ms.into()) }),
        (any_product(Source::Kraken), any::<bool>()).prop_map(|(product, is_snapshot)| {
            match product {
                Ok(quote) => KrakenEvent::Tick { quote, is_snapshot },
                Err((symbol, reason)) => KrakenEvent::TickRefused { symbol, reason },
            }
        }),
    ];
    let coinbase = prop_oneof![
        any::<bool>().prop_map(CoinbaseEvent::BreakerOpen),
        reason.prop_map(CoinbaseEvent::Failed),
        any_symbol().prop_map(CoinbaseEvent::Unsupported),
        proptest::collection::vec(any_product(Source::Coinbase), 0..4)
            .prop_map(|products| CoinbaseEvent::Answered { sent_at: at(5), products }),
    ];
    prop_oneof![kraken.prop_map(SourceEvent::Kraken), coinbase.prop_map(SourceEvent::Coinbase)]
}

proptest! {
    #[test]
    fn every_event_comes_back_from_its_line_as_it_was(event in any_event()) {
        let text = serde_json::to_string(&Event::from(&event)).unwrap();
        let line: Event = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(SourceEvent::try_from(&line).unwrap(), event, "{}", text);
    }
}

#[test]
fn what_is_noted_is_on_the_disk_when_the_writer_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ring = Ring::new(folder.path().to_owned(), MIB);
    let metrics = Arc::<Metrics>::default();
    let (recorder, writer) = Writer::start(ring, metrics).unwrap();
    let entries = Run::new(2).run(10_000);
    for entry in &entries {
        recorder.note(entry.at, || entry.what.clone());
    }
    drop(recorder);
    writer.end();
    let report = replay(&text_of(&folder));
    assert_eq!(report.lost, 0);
    assert_eq!(report.span.unwrap().1, entries.last().unwrap().at);
    assert!(report.is_identical() && report.identical > 10, "{report:?}");
}
