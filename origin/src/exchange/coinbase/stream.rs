//! The polling loop of Coinbase: asks when the schedule says so and hands the answers back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pricecast_core::{CoinbaseEvent, SourceEvent, Symbol, UnixMillis};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::client::{Client, Fetched};
use super::schedule::{Next, Schedule};
use crate::clock::Clock;
use crate::exchange::{Received, Sender};
use crate::metrics::Metrics;
use crate::record::{Recorder, What};
use crate::telemetry::EachOnce;

/// Sleep at most so long, so that "no source is live" shortens a pause of the breaker.
const NAP_MAX: Duration = Duration::from_millis(250);

/// Nobody takes our events any more.
struct IngestGone;

/// Everything the loop needs.
pub struct CoinbasePoller {
    /// How to ask.
    pub client: Client,
    /// In the order of the configuration.
    pub symbols: Vec<Symbol>,
    /// Pause between two polls.
    pub interval_ms: u64,
    /// The process clock.
    pub clock: Clock,
    /// Where events go.
    pub events: Sender,
    /// Whether any price of any source is live, as ingestion sees it.
    pub any_source_live: watch::Receiver<bool>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Until when Coinbase has asked to be left alone, epoch ms; shared with whoever comes after.
    pub paused_until_ms: Arc<AtomicU64>,
    /// Takes down every answer.
    pub recorder: Recorder,
}

impl CoinbasePoller {
    /// Runs until ingestion has ended.
    pub async fn run(&mut self) {
        let mut schedule = Schedule::new(&self.symbols, self.interval_ms, self.clock.now());
        schedule.pause_until(UnixMillis::from_ms(self.paused_until_ms.load(Ordering::Relaxed)));
        // Whatever an earlier run has told of its breaker, this one's is closed.
        if self.tell(self.clock.now(), CoinbaseEvent::BreakerOpen(false)).await.is_err() {
            return;
        }
        let mut failing = EachOnce::default();
        loop {
            let any_source_live = *self.any_source_live.borrow();
            let ask = match schedule.next(self.clock.now(), any_source_live) {
                Next::Ask(ask) => ask,
                Next::Wait(until) => {
                    sleep(self.clock.until(until).min(NAP_MAX)).await;
                    continue;
                }
            };
            let sent_at = self.clock.now();
            let fetched = self.client.fetch(&ask.symbols, sent_at).await;
            let at = self.clock.now();
            self.metrics.coinbase_request(fetched.as_str(), at.ms_since(sent_at));
            let outcome = fetched.as_str();
            let latency_ms = at.ms_since(sent_at);
            debug!(source = "coinbase", outcome, latency_ms, "coinbase: {outcome}");
            if outcome == "ok" {
                failing.clear();
            } else if failing.is_news(outcome) {
                let host = self.client.host();
                warn!(source = "coinbase", outcome, "ask Coinbase at {host} for prices: {outcome}");
            }
            if let Fetched::Body(body) = &fetched {
                let (symbols, body) = (ask.symbols.clone(), body.clone());
                self.recorder.note(at, || What::Answer { sent_at, symbols, body });
            }
            for event in schedule.handle(at, sent_at, &ask, &fetched) {
                if self.tell(at, event).await.is_err() {
                    return;
                }
            }
            self.paused_until_ms.store(schedule.paused_until().as_ms(), Ordering::Relaxed);
            self.metrics.breaker(schedule.breaker().state());
        }
    }

    async fn tell(&self, at: UnixMillis, event: CoinbaseEvent) -> Result<(), IngestGone> {
        let received = Received { at, event: SourceEvent::Coinbase(event) };
        self.events.send(received).await.map_err(|_| IngestGone)
    }
}
