//! Every metric of the origin: name, unit, labels. Label values come from bounded enums whose
//! `as_str` also feeds the log, or from the configured symbols.

mod from_the_start;
mod labels;
mod redis;
mod status;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use pricecast_core::{
    BreakerState, CoinbaseEvent, KrakenEvent, Snapshot, Source, SourceEvent, SourceStatus, Symbol,
    Transition, UnixMillis,
};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::labels::{
    OfKind, OfOutcome, OfPrice, OfReason, OfRefusal, OfRequest, OfResource, OfSource, OfStall,
    OfSymbol, OfTask,
};
pub use self::redis::RedisMetrics;
use crate::exchange::kraken::session::FrameKind;
use crate::supervise::Task;
use crate::watchdog::Stall;

type Seconds = Gauge<f64, AtomicU64>;
type Durations = Family<OfResource, Histogram, fn() -> Histogram>;

fn http_durations() -> Histogram {
    Histogram::new([0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5])
}

/// The counters, gauges and histograms, and the registry that prints them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    source_up: Family<OfSource, Gauge>,
    source_last_message: Family<OfSource, Seconds>,
    price_age: Family<OfPrice, Seconds>,
    end_to_end_age: Histogram,
    transitions: Family<OfKind, Counter>,
    failovers: Counter,
    publications: Counter,
    actions_dropped: Counter,
    kraken_frames: Family<OfKind, Counter>,
    kraken_reconnects: Family<OfReason, Counter>,
    coinbase_requests: Family<OfOutcome, Counter>,
    coinbase_latency: Histogram,
    breaker_state: Gauge,
    quotes_refused: Family<OfRefusal, Counter>,
    event_times_replaced: Family<OfSource, Counter>,
    http_requests: Family<OfRequest, Counter>,
    http_duration: Durations,
    http_connections: Gauge,
    http_limited: Family<OfReason, Counter>,
    state_writes: Family<OfOutcome, Counter>,
    record_lost: Counter,
    webhook_messages: Family<OfOutcome, Counter>,
    clock_ahead: Seconds,
    task_restarts: Family<OfTask, Counter>,
    redis: RedisMetrics,
    runtime_stalls: Family<OfStall, Counter>,
    divergence: Family<OfSymbol, Gauge>,
    /// As last seen; printed from here, so that a symbol that is not compared any more is gone.
    divergences: ArcSwap<Vec<(Symbol, u32)>>,
    /// Likewise, while this instance ingests.
    confirmations: ArcSwap<Vec<(Symbol, Source, UnixMillis)>>,
    /// Likewise; shown as 1.
    suspects: ArcSwap<Vec<Symbol>>,
    suspected_frozen: Family<OfSymbol, Gauge>,
    event_queue: Gauge,
    /// What is derived when printing is derived by one at a time.
    printing: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("pricecast"),
            source_up: Family::default(),
            source_last_message: Family::default(),
            price_age: Family::default(),
            end_to_end_age: Histogram::new([
                0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 10.0, 60.0,
            ]),
            transitions: Family::default(),
            failovers: Counter::default(),
            publications: Counter::default(),
            actions_dropped: Counter::default(),
            kraken_frames: Family::default(),
            kraken_reconnects: Family::default(),
            coinbase_requests: Family::default(),
            coinbase_latency: Histogram::new([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.2]),
            breaker_state: Gauge::default(),
            quotes_refused: Family::default(),
            event_times_replaced: Family::default(),
            http_requests: Family::default(),
            http_duration: Family::new_with_constructor(http_durations),
            http_connections: Gauge::default(),
            http_limited: Family::default(),
            state_writes: Family::default(),
            record_lost: Counter::default(),
            webhook_messages: Family::default(),
            clock_ahead: Seconds::default(),
            task_restarts: Family::default(),
            redis: RedisMetrics::default(),
            runtime_stalls: Family::default(),
            divergence: Family::default(),
            divergences: ArcSwap::default(),
            confirmations: ArcSwap::default(),
            suspects: ArcSwap::default(),
            suspected_frozen: Family::default(),
            event_queue: Gauge::default(),
            printing: Mutex::default(),
        };
        metrics.tell_from_the_start();
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        let registry = &mut self.registry;
        registry.register("build", "Version of this build", build);
        macro_rules! register {
            ($($field:ident $name:literal $help:literal;)*) => {
                $(registry.register($name, $help, self.$field.clone());)*
            };
        }
        register! {
            source_up "source_up" "1 while the source is connected";
            source_last_message "source_last_message_timestamp_seconds"
                "When the source last said anything that counts";
            price_age "price_age_seconds" "Age of each source's price, from its confirmation";
            end_to_end_age "end_to_end_age_seconds"
                "Age of the oldest price in each answer, from its confirmation";
            transitions "transitions" "Changes of state, by kind";
            failovers "failovers" "Symbols that went from Kraken to Coinbase";
            publications "publications" "Snapshots published";
            actions_dropped "actions_dropped"
                "Wishes of the aggregator that a busy Kraken adapter did not take";
            kraken_frames "kraken_frames" "Frames received, by kind";
            kraken_reconnects "reconnects" "Kraken connections that ended, by reason";
            coinbase_requests "coinbase_requests" "Requests sent, by outcome";
            coinbase_latency "coinbase_request_duration_seconds" "Duration of each request";
            breaker_state "breaker_state" "0 closed, 1 half open, 2 open";
            quotes_refused "quotes_refused" "Quotes the normaliser refused, by reason";
            event_times_replaced "event_times_replaced"
                "Quotes whose own time was missing or in the future";
            http_requests "http_requests" "Requests answered";
            http_duration "http_request_duration_seconds" "From the request's head to the answer";
            http_connections "http_connections" "Connections open, those to the metrics included";
            http_limited "http_limited" "Requests and connections refused by a limit, by reason";
            state_writes "state_writes" "Writes of the last known prices to state_dir";
            webhook_messages "webhook_messages" "Messages to the webhook, by what became of them";
            record_lost "record_lines_lost" "Lines that are missing in the record of the last hour";
            clock_ahead "clock_ahead_seconds"
                "How far the clock that is followed (the wall's, or Redis's) is ahead of the process clock";
            task_restarts "task_restarts" "Tasks that failed and were started again";
            runtime_stalls "runtime_stalls"
                "Times the async runtime, or the whole process, stood still for over a second";
            divergence "divergence_bps"
                "How far the two sources are apart where both are live, in basis points";
            suspected_frozen "suspected_frozen"
                "1 for each symbol that Kraken is suspected to have frozen";
            event_queue "event_queue_length" "Events of the adapters that wait for the writer";
        }
        self.redis.register(&mut self.registry);
    }

    /// Those of the store that several instances share.
    pub const fn redis(&self) -> &RedisMetrics {
        &self.redis
    }

    /// Counts a frame.
    pub fn kraken_frame(&self, kind: FrameKind) {
        self.kraken_frames.get_or_create(&OfKind { kind: kind.as_str() }).inc();
    }

    /// Counts the end of a connection.
    pub fn kraken_reconnect(&self, reason: &'static str) {
        self.kraken_reconnects.get_or_create(&OfReason { reason }).inc();
    }

    /// Counts a request and how long it took.
    pub fn coinbase_request(&self, outcome: &'static str, latency_ms: u64) {
        self.coinbase_requests.get_or_create(&OfOutcome { outcome }).inc();
        self.coinbase_latency.observe(seconds(latency_ms));
    }

    /// Tells the breaker's state.
    pub fn breaker(&self, state: BreakerState) {
        self.breaker_state.set(match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen { .. } => 1,
            BreakerState::Open { .. } => 2,
        });
    }

    /// Counts what an event tells of its quotes.
    pub fn event(&self, event: &SourceEvent) {
        match event {
            SourceEvent::Kraken(KrakenEvent::Tick { quote, .. }) if quote.as_of_replaced => {
                self.event_time_replaced(Source::Kraken);
            }
            SourceEvent::Kraken(KrakenEvent::TickRefused { reason, .. }) => {
                self.quote_refused(Source::Kraken, reason.as_str());
            }
            SourceEvent::Coinbase(CoinbaseEvent::Answered { products, .. }) => {
                for (_, reason) in products.iter().filter_map(|product| product.as_ref().err()) {
                    self.quote_refused(Source::Coinbase, reason.as_str());
                }
            }
            _ => {}
        }
    }

    fn event_time_replaced(&self, source: Source) {
        self.event_times_replaced.get_or_create(&OfSource { source: source.as_str() }).inc();
    }

    fn quote_refused(&self, source: Source, reason: &'static str) {
        let labels = OfRefusal { source: source.as_str(), reason };
        self.quotes_refused.get_or_create(&labels).inc();
    }

    /// Counts a change of state.
    pub fn transition(&self, transition: &Transition) {
        self.transitions.get_or_create(&OfKind { kind: transition.as_str() }).inc();
        if matches!(transition, Transition::Failover { .. }) {
            self.failovers.inc();
        }
    }

    /// Counts an action nobody took.
    pub fn action_dropped(&self) {
        self.actions_dropped.inc();
    }

    /// Counts a publication.
    pub fn publication(&self) {
        self.publications.inc();
    }

    /// Notes that `snapshot` is served at `now`, by whichever instance, however old it is.
    pub fn served(&self, snapshot: &Snapshot, now: UnixMillis) {
        if let Some(oldest) = snapshot.prices.iter().map(|price| price.confirmed_at).min() {
            self.end_to_end_age.observe(seconds(now.ms_since(oldest)));
        }
    }

    /// Counts an answered request.
    pub fn http_request(&self, resource: &'static str, status: u16, took_s: f64) {
        self.http_requests.get_or_create(&OfRequest { resource, status }).inc();
        self.http_duration.get_or_create(&OfResource { resource }).observe(took_s);
    }

    /// Counts a connection until what is returned is dropped, whatever it dies of.
    #[must_use]
    pub fn http_connection(&self) -> impl Drop + use<> {
        self.http_connections.inc();
        Open(self.http_connections.clone())
    }

    /// Counts what a limit refused.
    pub fn http_limited(&self, reason: &'static str) {
        self.http_limited.get_or_create(&OfReason { reason }).inc();
    }

    /// Counts a write to `state_dir`.
    pub fn state_write(&self, is_ok: bool) {
        self.state_writes.get_or_create(&Self::written(is_ok)).inc();
    }

    /// Counts lines that are missing in the record.
    pub fn record_lost(&self, lines: u64) {
        self.record_lost.inc_by(lines);
    }

    const fn written(is_ok: bool) -> OfOutcome {
        OfOutcome { outcome: if is_ok { "ok" } else { "failed" } }
    }

    /// Tells how far the clock that is followed is ahead.
    #[expect(clippy::cast_precision_loss, reason = "a metric; milliseconds of years fit")]
    pub fn clock_ahead(&self, ahead_ms: i64) {
        self.clock_ahead.set(ahead_ms as f64 / 1_000.0);
    }

    /// Counts a task that failed and is started again.
    pub fn task_restart(&self, task: Task) {
        self.task_restarts.get_or_create(&OfTask { task: task.as_str() }).inc();
    }

    /// Counts a time in which nothing, or no task, ran.
    pub fn runtime_stall(&self, stall: Stall) {
        self.runtime_stalls.get_or_create(&OfStall { stall: stall.as_str() }).inc();
    }

    /// Tells how far the sources are apart, in basis points, for each symbol both are live on.
    pub fn divergences(&self, apart: impl Iterator<Item = (Symbol, u32)>) {
        self.divergences.store(Arc::new(apart.collect()));
    }

    /// Tells when each source last confirmed each price.
    pub fn confirmations(&self, all: impl Iterator<Item = (Symbol, Source, UnixMillis)>) {
        self.confirmations.store(Arc::new(all.collect()));
    }

    /// The feed has ended: what it alone knows is not known any more.
    pub fn feed_ended(&self) {
        self.divergences(std::iter::empty());
        self.confirmations(std::iter::empty());
        self.suspected(std::iter::empty());
        self.event_queue(0);
        self.breaker(BreakerState::Closed);
    }

    /// Tells how many events wait for the writer.
    pub fn event_queue(&self, len: usize) {
        self.event_queue.set(i64::try_from(len).unwrap_or(i64::MAX));
    }

    /// Prints everything in the OpenMetrics text format. What follows from the snapshot and the
    /// moment (ages, status) is derived here and not kept up to date in between.
    #[must_use]
    pub fn encode(&self, snapshot: Option<&Snapshot>, now: UnixMillis) -> String {
        let _printing = self.printing.lock().unwrap_or_else(PoisonError::into_inner);
        self.price_age.clear();
        self.divergence.clear();
        self.suspected_frozen.clear();
        for symbol in self.suspects.load().iter() {
            let labels = OfSymbol { symbol: symbol.to_string() };
            self.suspected_frozen.get_or_create(&labels).set(1);
        }
        for (symbol, bps) in self.divergences.load().iter() {
            let labels = OfSymbol { symbol: symbol.to_string() };
            self.divergence.get_or_create(&labels).set(i64::from(*bps));
        }
        self.derive_ages(snapshot, now);
        self.derive_sources(snapshot, now);
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// Of both sources where this instance ingests, else of the one in service.
    fn derive_ages(&self, snapshot: Option<&Snapshot>, now: UnixMillis) {
        let in_service = snapshot.iter().flat_map(|snapshot| &snapshot.prices);
        let in_service = in_service.map(|price| (price.symbol, price.source, price.confirmed_at));
        let confirmations = self.confirmations.load();
        for (symbol, source, confirmed_at) in in_service.chain(confirmations.iter().copied()) {
            let labels = OfPrice { symbol: symbol.to_string(), source: source.as_str() };
            let age_s = seconds(now.ms_since(confirmed_at));
            self.price_age.get_or_create(&labels).set(age_s);
        }
    }

    /// Without a snapshot neither source has ever said anything.
    fn derive_sources(&self, snapshot: Option<&Snapshot>, now: UnixMillis) {
        for source in Source::ALL {
            let report = snapshot.map(|snapshot| snapshot.sources.get(source));
            let labels = OfSource { source: source.as_str() };
            let is_up = report.is_some_and(|r| r.status_at(now) == SourceStatus::Connected);
            self.source_up.get_or_create(&labels).set(i64::from(is_up));
            let last = report.and_then(|report| report.last_update).unwrap_or_default();
            self.source_last_message.get_or_create(&labels).set(seconds(last.as_ms()));
        }
    }
}

/// One connection, counted.
struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric; epoch milliseconds fit exactly")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
