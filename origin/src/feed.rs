//! The live feed as one value: both adapters and the one writer they feed, started and stopped
//! together. While it runs, each part is kept running: an adapter that fails is started again by
//! itself and its source counts as gone meanwhile; a writer that fails takes both adapters with it.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use pricecast_core::{FeedConfig, KrakenEvent, SourceEvent, SourceReason, duration_ms};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::exchange::coinbase::{Client, CoinbasePoller};
use crate::exchange::kraken::dial::Tcp;
use crate::exchange::kraken::{KrakenStream, Reconnect};
use crate::exchange::{QUEUE_LEN, Received, Sender, tls};
use crate::ingest::{self, Ingest, Mandate};
use crate::record::{Recorder, What};
use crate::snapshot::Store;
use crate::supervise::{Supervisor, Task};

/// Wishes of the aggregator that may wait for the Kraken adapter.
const ACTIONS_LEN: usize = 16;

/// The feed, running or not.
pub struct Feed {
    parts: Arc<Parts>,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    /// One task; dropped, it is aborted.
    task: JoinSet<()>,
}

/// What outlives every start.
struct Parts {
    feed: FeedConfig,
    kraken_url: String,
    tls: Arc<rustls::ClientConfig>,
    client: Client,
    supervisor: Supervisor,
    store: Arc<Store>,
    mandate: watch::Sender<Mandate>,
    reconnect: Arc<Mutex<Reconnect>>,
    coinbase_paused_until_ms: Arc<AtomicU64>,
    recorder: Recorder,
}

impl Feed {
    /// Not running, and without a mandate. It will publish to `store`, and begin with what is there.
    ///
    /// # Errors
    /// When the clients of the exchanges cannot be set up.
    pub fn new(
        config: &Config,
        supervisor: Supervisor,
        store: Arc<Store>,
        recorder: Recorder,
    ) -> anyhow::Result<Self> {
        let tls = tls::client_config(config.tls.ca_file.as_deref()).context("set up TLS")?;
        let client = Client::new(&config.coinbase.url, tls.clone());
        let parts = Parts {
            feed: FeedConfig {
                symbols: config.symbols.clone(),
                coinbase_interval_ms: duration_ms(config.coinbase.interval),
                poll_after_ms: u32::try_from(duration_ms(config.poll_after)).unwrap_or(u32::MAX),
            },
            kraken_url: config.kraken.url.to_string(),
            tls: Arc::new(tls),
            client: client.context("set up the Coinbase client")?,
            supervisor,
            store,
            mandate: watch::Sender::new(Mandate::NONE),
            reconnect: Arc::default(),
            coinbase_paused_until_ms: Arc::default(),
            recorder,
        };
        Ok(Self { parts: Arc::new(parts), running: None })
    }

    /// From now on it publishes under `mandate`, running or not. Its epoch must not be below that
    /// of anything the store holds; a seq of that epoch in the store is continued.
    pub fn mandate(&self, mandate: Mandate) {
        self.parts.mandate.send_replace(mandate);
    }

    /// Starts it, if it is not running; it ends with `duty`, or when it is stopped. Returns when the
    /// last known prices are published under its mandate.
    pub async fn start(&mut self, duty: &CancellationToken) {
        if self.running.is_some() {
            return;
        }
        let stop = duty.child_token();
        let (began, has_begun) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(Arc::clone(&self.parts).keep(stop.clone(), began));
        self.running = Some(Running { stop, task });
        // An error means that it failed on the way; then it is being started again.
        let _ = has_begun.await;
    }

    /// Stops it, if it is running. When this returns, nothing is published any more and both
    /// exchanges are left alone.
    pub async fn stop(&mut self) {
        if let Some(Running { stop, mut task }) = self.running.take() {
            stop.cancel();
            while task.join_next().await.is_some() {}
        }
    }
}

impl Parts {
    async fn keep(self: Arc<Self>, stop: CancellationToken, began: oneshot::Sender<()>) {
        let supervisor = self.supervisor.clone();
        let life = Life { parts: self, stop: stop.clone(), began: Some(began) };
        supervisor.keep(Task::Ingest, stop, life, |life| life.run().boxed()).await;
    }

    fn ingest(
        &self,
        events: mpsc::Receiver<Received>,
        actions: mpsc::Sender<pricecast_core::Action>,
        any_source_live: watch::Sender<bool>,
    ) -> Ingest {
        let clock = self.supervisor.clock.clone();
        let now = clock.now();
        let mandate = self.mandate.subscribe();
        let epoch = mandate.borrow().epoch;
        let last = self.store.snapshot();
        let (aggregator, publisher) = ingest::begin(self.feed.clone(), epoch, last.as_deref(), now);
        self.recorder.note(now, || What::Begins { feed: Box::new(self.feed.clone()), epoch, last });
        Ingest {
            events,
            actions,
            any_source_live,
            clock,
            aggregator,
            publisher,
            mandate,
            store: Arc::clone(&self.store),
            metrics: Arc::clone(&self.supervisor.metrics),
            recorder: self.recorder.clone(),
        }
    }

    fn kraken(
        &self,
        events: Sender,
        actions: mpsc::Receiver<pricecast_core::Action>,
    ) -> KrakenStream {
        KrakenStream {
            url: self.kraken_url.clone(),
            symbols: self.feed.symbols.clone(),
            clock: self.supervisor.clock.clone(),
            events,
            actions,
            metrics: Arc::clone(&self.supervisor.metrics),
            tls: Arc::clone(&self.tls),
            reconnect: Arc::clone(&self.reconnect),
            dial: Tcp,
            rng: rand::make_rng(),
            recorder: self.recorder.clone(),
        }
    }

    fn coinbase(&self, events: Sender, any_source_live: watch::Receiver<bool>) -> CoinbasePoller {
        CoinbasePoller {
            client: self.client.clone(),
            symbols: self.feed.symbols.clone(),
            interval_ms: self.feed.coinbase_interval_ms,
            clock: self.supervisor.clock.clone(),
            events,
            any_source_live,
            metrics: Arc::clone(&self.supervisor.metrics),
            paused_until_ms: Arc::clone(&self.coinbase_paused_until_ms),
            recorder: self.recorder.clone(),
        }
    }
}

/// The writer and the adapters that live and die with it.
struct Life {
    parts: Arc<Parts>,
    stop: CancellationToken,
    /// Dropped when the last known prices are in the store.
    began: Option<oneshot::Sender<()>>,
}

impl Life {
    async fn run(&mut self) {
        // A failure on the way ends the wait too.
        let began = self.began.take();
        let Self { parts, stop, .. } = self;
        let supervisor = &parts.supervisor;
        let (events, received) = mpsc::channel(QUEUE_LEN);
        let (actions, wanted) = mpsc::channel(ACTIONS_LEN);
        let (live, any_source_live) = watch::channel(false);
        let mut ingest = parts.ingest(received, actions, live);
        ingest.conclude(supervisor.clock.now());
        drop(began);

        let mut adapters = JoinSet::new();
        let kraken = KrakenTask { stream: parts.kraken(events.clone(), wanted), has_run: false };
        let kept = supervisor.clone();
        adapters.spawn(kept.keep(Task::Kraken, stop.clone(), kraken, |task| task.run().boxed()));
        let coinbase = parts.coinbase(events, any_source_live);
        let kept = supervisor.clone();
        adapters
            .spawn(kept.keep(Task::Coinbase, stop.clone(), coinbase, |task| task.run().boxed()));

        let end = tokio::select! {
            end = AssertUnwindSafe(ingest.run()).catch_unwind() => end,
            () = stop.cancelled() => Ok(()),
        };
        // Before any other life begins: one client per exchange, never two.
        adapters.shutdown().await;
        supervisor.metrics.feed_ended();
        if let Err(panic) = end {
            resume_unwind(panic);
        }
    }
}

struct KrakenTask {
    stream: KrakenStream,
    has_run: bool,
}

impl KrakenTask {
    async fn run(&mut self) {
        if std::mem::replace(&mut self.has_run, true) {
            // Of the connection that a failed run has left behind, nobody else tells.
            let event = SourceEvent::Kraken(KrakenEvent::Disconnected(SourceReason::Disconnected));
            let gone = Received { at: self.stream.clock.now(), event };
            let _ = self.stream.events.send(gone).await;
        }
        self.stream.run().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use pricecast_core::UnixMillis;

    use super::*;
    use crate::clock::{Clock, Readings};
    use crate::health::Health;
    use crate::supervise::Drill;

    /// Breaks the second of every three readings: the one that an ingestion begins with.
    #[derive(Debug, Default)]
    struct Trap {
        readings: AtomicU64,
    }

    impl Readings for Trap {
        fn monotonic_us(&self) -> i64 {
            let nth = self.readings.fetch_add(1, Ordering::Relaxed);
            assert!(nth % 3 != 2, "for the test");
            0
        }

        fn wall_us(&self) -> i64 {
            0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_is_not_waited_for_when_every_attempt_fails() {
        let config = Config::load(None, []).unwrap();
        let clock = Clock::start_on(Trap::default());
        let health = Arc::<Health>::default();
        let supervisor = Supervisor {
            clock,
            metrics: Arc::default(),
            health: Arc::clone(&health),
            drill: Drill::default(),
        };
        let mut feed =
            Feed::new(&config, supervisor, Arc::new(Store::new(0)), Recorder::default()).unwrap();
        let (duty, within) = (CancellationToken::new(), Duration::from_secs(300));
        tokio::time::timeout(within, feed.start(&duty)).await.unwrap();
        tokio::time::timeout(within, feed.stop()).await.unwrap();
        assert_eq!(health.unsettled(UnixMillis::default()), [Task::Ingest]);
    }
}
