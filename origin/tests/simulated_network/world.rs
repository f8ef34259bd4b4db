//! One origin, two addresses of Kraken, and what was seen of the feed.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pricecast_core::{
    Aggregator, CoinbaseEvent, FeedConfig, KrakenEvent, Publisher, RawQuote, Snapshot, Source,
    SourceEvent, Trading, UnixMillis,
};
use pricecast_origin::clock::{Clock, Readings};
use pricecast_origin::exchange::kraken::KrakenStream;
use pricecast_origin::exchange::kraken::dial::Dial;
use pricecast_origin::exchange::{QUEUE_LEN, Received, tls};
use pricecast_origin::ingest::{Ingest, Mandate};
use pricecast_origin::metrics::Metrics;
use pricecast_origin::record::Recorder;
use pricecast_origin::snapshot::Store;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use turmoil::Sim;
use turmoil::net::TcpStream;

use crate::market::{left_since_ms, price, symbols};
use crate::venue::{self, Conduct, PORT, Shared, now_ms};

/// The world's zero, as epoch time.
const T0_MS: u64 = 1_706_900_000_000;
/// A price is fresh for so long after its exchange has left it …
const FRESH_FOR_MS: u64 = 5_000;
/// … and so long may an answer sit in a cache.
const HOLD_MS: u64 = 1_000;

/// How the network is at first.
pub(crate) struct Setting {
    pub(crate) latency_ms: (u64, u64),
    pub(crate) tick_ms: u64,
    /// How many packets of a connection may be on their way unread.
    pub(crate) packets_max: usize,
    /// How often what is served is looked at.
    pub(crate) probe_ms: u64,
    pub(crate) url: &'static str,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            latency_ms: (1, 20),
            tick_ms: 5,
            packets_max: 256,
            probe_ms: 50,
            url: "ws://kraken.test:8080/v2",
        }
    }
}

/// What the name of the exchange leads to.
pub(crate) type Names = Arc<Mutex<BTreeMap<&'static str, &'static str>>>;

pub(crate) struct World {
    pub(crate) sim: Sim<'static>,
    pub(crate) kraken: Shared,
    pub(crate) names: Names,
    pub(crate) coinbase_is_up: Arc<AtomicBool>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// What was seen, with virtual times.
#[derive(Default)]
pub(crate) struct Seen {
    /// Attempts to connect, and the host each led to.
    pub(crate) dials: Vec<(u64, Option<&'static str>)>,
    /// What the stream loop told the aggregator.
    pub(crate) events: Vec<(u64, KrakenEvent)>,
    /// Each change of how the prices are served.
    pub(crate) served: Vec<(u64, Served)>,
    pub(crate) probed: u64,
    /// Prices served as fresh that were not true for too long.
    pub(crate) lies: Vec<String>,
    /// Longest time a price was served unflagged after its exchange had left it.
    pub(crate) longest_unflagged_ms: u64,
}

/// What one test has seen, in all its worlds.
#[derive(Default)]
pub(crate) struct Figures {
    probed: u64,
    longest_unflagged_ms: u64,
}

impl Figures {
    /// Prints them, and more of them.
    pub(crate) fn print(&self, more: &[(&str, u64)]) {
        let Self { probed, longest_unflagged_ms } = self;
        let more: String = more.iter().map(|(name, n)| format!(r#","{name}":{n}"#)).collect();
        println!(
            r#"figures: {{"probed":{probed},"lies":0,"longest_unflagged_ms":{longest_unflagged_ms}{more}}}"#
        );
    }
}

/// How all prices are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Fresh(Source),
    Mixed,
    SomeStale,
}

impl World {
    /// A world in which everything works. `seed` is for the network's latencies and the jitter of
    /// reconnects; what tokio does by lot is not replayed.
    pub(crate) fn new(seed: u64, setting: Setting) -> Self {
        println!(
            "seed {seed} of latencies and jitter; which ready task comes first is tokio's lot"
        );
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(Duration::from_millis(setting.tick_ms))
            .min_message_latency(Duration::from_millis(setting.latency_ms.0))
            .max_message_latency(Duration::from_millis(setting.latency_ms.1))
            .tcp_capacity(setting.packets_max)
            .build();
        let kraken = Shared::default();
        for host in ["kraken-1", "kraken-2"] {
            let kraken = Arc::clone(&kraken);
            sim.host(host, move || venue::serve(Arc::clone(&kraken)));
        }
        let names = Names::new(Mutex::new([("kraken.test:8080", "kraken-1")].into()));
        let coinbase_is_up = Arc::new(AtomicBool::new(true));
        let (metrics, seen) = (Arc::<Metrics>::default(), Arc::<Mutex<Seen>>::default());
        let dial = SimTcp { names: Arc::clone(&names), seen: Arc::clone(&seen) };
        let origin = (dial, Arc::clone(&coinbase_is_up), Arc::clone(&metrics), Arc::clone(&seen));
        sim.host("origin", move || {
            let (dial, coinbase_is_up, metrics, seen) = origin.clone();
            let probe_every = Duration::from_millis(setting.probe_ms);
            origin_host((setting.url, seed), probe_every, dial, coinbase_is_up, metrics, seen)
        });
        Self { sim, kraken, names, coinbase_is_up, metrics, seen }
    }

    /// The same, with every price live from Kraken.
    pub(crate) fn live(seed: u64, setting: Setting) -> Self {
        let mut world = Self::new(seed, setting);
        world.run_until(5_000, |seen| seen.is(Served::Fresh(Source::Kraken)));
        world
    }

    pub(crate) fn now_ms(&self) -> u64 {
        pricecast_core::duration_ms(self.sim.elapsed())
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        let end = self.now_ms() + ms;
        while self.now_ms() < end {
            self.sim.step().unwrap();
        }
    }

    /// Runs until `condition` holds; returns how long that took. Fails after `limit_ms`.
    pub(crate) fn run_until(&mut self, limit_ms: u64, condition: impl Fn(&Seen) -> bool) -> u64 {
        let start = self.now_ms();
        while !condition(&self.seen.lock().unwrap()) {
            let took_ms = self.now_ms() - start;
            assert!(took_ms < limit_ms, "not within {limit_ms} ms; {}", self.story(start));
            self.sim.step().unwrap();
        }
        self.now_ms() - start
    }

    pub(crate) fn conduct(&self, change: impl FnOnce(&mut Conduct)) {
        change(&mut self.kraken.lock().unwrap());
    }

    pub(crate) fn coinbase(&self, is_up: bool) {
        self.coinbase_is_up.store(is_up, Ordering::Relaxed);
    }

    /// The value of a metric; 0 if it is not there.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode(None, UnixMillis::default());
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Checks what holds in every world, and counts.
    pub(crate) fn conclude(&self, figures: &mut Figures) {
        let seen = self.seen.lock().unwrap();
        assert!(seen.lies.is_empty(), "{:?}", seen.lies);
        let dials: Vec<_> = seen.dials.iter().map(|(ms, _)| *ms).collect();
        for window in dials.windows(61) {
            assert!(window[60] - window[0] >= 600_000, "more than 60 attempts in ten minutes");
        }
        figures.probed += seen.probed;
        figures.longest_unflagged_ms = figures.longest_unflagged_ms.max(seen.longest_unflagged_ms);
    }

    fn story(&self, from_ms: u64) -> String {
        let seen = self.seen.lock().unwrap();
        let served: Vec<_> = seen.served.iter().filter(|(ms, _)| *ms >= from_ms).collect();
        let events: Vec<_> = seen
            .events
            .iter()
            .filter(|(ms, event)| {
                *ms >= from_ms
                    && !matches!(event, KrakenEvent::Tick { .. } | KrakenEvent::Pong { .. })
            })
            .collect();
        format!("served {served:?}, events {events:?}, dials {:?}", seen.dials)
    }
}

impl Seen {
    pub(crate) fn is(&self, served: Served) -> bool {
        self.served.last().is_some_and(|(_, last)| *last == served)
    }

    /// When prices were first served like that after `from_ms`, as time from there.
    pub(crate) fn first(&self, served: Served, from_ms: u64) -> Option<u64> {
        let later = |(ms, s): &&(u64, Served)| *ms >= from_ms && *s == served;
        self.served.iter().find(later).map(|(ms, _)| ms - from_ms)
    }

    /// The disconnections after `from_ms`: time from there, and reason.
    pub(crate) fn disconnections(&self, from_ms: u64) -> Vec<(u64, &'static str)> {
        let of = |(ms, event): &(u64, KrakenEvent)| match event {
            KrakenEvent::Disconnected(reason) if *ms >= from_ms => {
                Some((ms - from_ms, reason.as_str()))
            }
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }

    pub(crate) fn saw(&self, wanted: &KrakenEvent, from_ms: u64) -> bool {
        self.events.iter().any(|(ms, event)| *ms >= from_ms && event == wanted)
    }

    fn note(&mut self, snapshot: &Snapshot) {
        let now_ms = now_ms();
        let shown_at = UnixMillis::from_ms(T0_MS + now_ms + HOLD_MS);
        self.probed += 1;
        for point in snapshot.prices.iter().filter(|point| !point.is_stale(shown_at)) {
            let text = point.price.to_string();
            // When a cache downstream lets go of it.
            let held_ms = now_ms + HOLD_MS;
            let left_ms = left_since_ms(point.source, point.symbol, &text, held_ms);
            if left_ms.is_none_or(|ms| ms > FRESH_FOR_MS) {
                let (symbol, source) = (point.symbol, point.source);
                self.lies.push(format!("{held_ms} ms: {symbol} {text} of {source}: {left_ms:?}"));
            }
            let left_ms = left_ms.unwrap_or(held_ms).saturating_sub(HOLD_MS);
            self.longest_unflagged_ms = self.longest_unflagged_ms.max(left_ms);
        }
        let source = |s: Source| snapshot.prices.iter().all(|point| point.source == s);
        let served = if snapshot.any_stale(shown_at) {
            Served::SomeStale
        } else if let Some(source) = Source::ALL.into_iter().find(|s| source(*s)) {
            Served::Fresh(source)
        } else {
            Served::Mixed
        };
        if !self.is(served) {
            self.served.push((now_ms, served));
        }
    }
}

/// The machine's clocks, in virtual time.
#[derive(Debug)]
struct SimClocks;

impl Readings for SimClocks {
    fn monotonic_us(&self) -> i64 {
        turmoil::sim_elapsed().map_or(0, |elapsed| elapsed.as_micros().try_into().unwrap())
    }

    fn wall_us(&self) -> i64 {
        i64::try_from(T0_MS * 1_000).unwrap() + self.monotonic_us()
    }
}

/// TCP of the simulated network, and its resolver.
#[derive(Clone)]
struct SimTcp {
    names: Names,
    seen: Arc<Mutex<Seen>>,
}

impl Dial for SimTcp {
    type Stream = TcpStream;

    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        let host = self.names.lock().unwrap().get(address).copied();
        self.seen.lock().unwrap().dials.push((now_ms(), host));
        match host {
            Some(host) => TcpStream::connect((host, PORT)).await,
            None => Err(io::Error::other("Name or service not known")),
        }
    }
}

async fn origin_host(
    (url, seed): (&'static str, u64),
    probe_every: Duration,
    dial: SimTcp,
    coinbase_is_up: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    seen: Arc<Mutex<Seen>>,
) -> turmoil::Result {
    let clock = Clock::start_on(SimClocks);
    let store = Arc::new(Store::new(HOLD_MS));
    let (events, received) = mpsc::channel(QUEUE_LEN);
    let (told, mut heard) = mpsc::channel::<Received>(QUEUE_LEN);
    let (actions, wanted) = mpsc::channel(16);
    let (any_source_live, _) = watch::channel(false);
    let aggregator = Aggregator::new(FeedConfig {
        symbols: symbols(),
        coinbase_interval_ms: 1_000,
        poll_after_ms: 2_500,
    });
    let mut kraken = KrakenStream {
        url: url.to_owned(),
        symbols: symbols(),
        clock: clock.clone(),
        events: told,
        actions: wanted,
        metrics: Arc::clone(&metrics),
        tls: Arc::new(tls::client_config(None).unwrap()),
        reconnect: Arc::default(),
        dial,
        rng: StdRng::seed_from_u64(seed),
        recorder: Recorder::default(),
    };
    let mut ingest = Ingest {
        events: received,
        actions,
        any_source_live,
        clock: clock.clone(),
        aggregator,
        publisher: Publisher::new(1),
        mandate: watch::Sender::new(Mandate::for_ever(1)).subscribe(),
        store: Arc::clone(&store),
        metrics,
        recorder: Recorder::default(),
    };
    tokio::task::spawn_local(async move { kraken.run().await });
    tokio::task::spawn_local(async move { ingest.run().await });
    tokio::task::spawn_local(coinbase(clock, events.clone(), coinbase_is_up));
    let watched = Arc::clone(&seen);
    tokio::task::spawn_local(async move {
        loop {
            sleep(probe_every).await;
            if let Some(snapshot) = store.snapshot() {
                watched.lock().unwrap().note(&snapshot);
            }
        }
    });
    while let Some(received) = heard.recv().await {
        if let SourceEvent::Kraken(event) = &received.event {
            seen.lock().unwrap().events.push((now_ms(), event.clone()));
        }
        events.send(received).await?;
    }
    Ok(())
}

/// Answers each second, at once.
async fn coinbase(clock: Clock, events: mpsc::Sender<Received>, is_up: Arc<AtomicBool>) {
    let mut polls: u64 = 0;
    loop {
        sleep(Duration::from_secs(1)).await;
        if !is_up.load(Ordering::Relaxed) {
            continue;
        }
        polls += 1;
        let (at, volume) = (clock.now(), polls.to_string());
        let quote = |symbol| {
            let price = price(Source::Coinbase, symbol, now_ms());
            let raw = RawQuote {
                source: Source::Coinbase,
                symbol,
                price: Some(&price),
                change_24h: Some("0.5"),
                volume_24h: Some(&volume),
                event_time: None,
                trading: Trading::Open,
            };
            raw.normalise(at).map_err(|reason| (symbol, reason))
        };
        let products = symbols().into_iter().map(quote).collect();
        let event = SourceEvent::Coinbase(CoinbaseEvent::Answered { sent_at: at, products });
        if events.send(Received { at, event }).await.is_err() {
            return;
        }
    }
}
