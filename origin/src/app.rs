//! The only wiring: listeners, channels, tasks, and the order in which they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pricecast_core::{Aggregator, FeedConfig, Publisher, Snapshot, UnixMillis, duration_ms};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::{self, Clock};
use crate::config::Config;
use crate::exchange::coinbase::{Client, CoinbasePoller};
use crate::exchange::kraken::KrakenStream;
use crate::exchange::{QUEUE_LEN, tls};
use crate::http::server::{ServeOptions, serve};
use crate::http::{ConnectionLimits, Site, StateHealth, metrics_router, router};
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::persist::Persist;
use crate::snapshot::Store;
use crate::snapshot::state::{Found, StateDir, next_epoch, restorable};

/// Wishes of the aggregator that may wait for the Kraken adapter.
const ACTIONS_LEN: usize = 16;
/// Nobody but a scraper asks there.
const METRICS_CONNECTIONS_MAX: usize = 16;

/// The bound ports.
#[derive(Debug)]
pub struct Listeners {
    /// The public face.
    pub http: TcpListener,
    /// The metrics.
    pub metrics: TcpListener,
}

impl Listeners {
    /// Binds what `config` names; port 0 takes any.
    ///
    /// # Errors
    /// When an address cannot be bound; the message names it.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = async |key: &str, address| {
            let listener = TcpListener::bind(address).await;
            listener.with_context(|| format!("listen on {address} ({key})"))
        };
        let http = bind("http.listen", config.http.listen).await?;
        let metrics = bind("metrics.listen", config.metrics.listen).await?;
        Ok(Self { http, metrics })
    }
}

/// What every part of the process knows.
#[derive(Clone)]
struct Shared {
    clock: Clock,
    metrics: Arc<Metrics>,
    store: Arc<Store>,
    state_health: Arc<StateHealth>,
}

impl Shared {
    fn new(config: &Config) -> Self {
        Self {
            clock: Clock::start(),
            metrics: Arc::default(),
            store: Arc::new(Store::new(config.http.client_max_age.hold_ms())),
            state_health: Arc::default(),
        }
    }
}

/// Runs the origin until `stop` is called, then drains and saves.
///
/// # Errors
/// When a task ends that should run for ever.
pub async fn run(
    config: Config,
    listeners: Listeners,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let shared = Shared::new(&config);
    let state = StateDir::new(&config.state_dir, config.is_real_market());
    let last = load(&state, &shared.clock);
    announce(&config, &listeners)?;

    let mut tasks = Tasks::default();
    spawn_ingestion(&mut tasks, &config, &shared, last.as_ref())?;
    tasks.spawn("clock", keep_clock(shared.clone()));
    let persist = Persist {
        state,
        store: Arc::clone(&shared.store),
        clock: shared.clock.clone(),
        health: Arc::clone(&shared.state_health),
        metrics: Arc::clone(&shared.metrics),
        writing: Arc::default(),
    };
    tasks.spawn("state", persist.clone().run());
    // Metrics stay readable while the face drains: they end with the process.
    tasks.spawn("metrics", serve_metrics(listeners.metrics, shared.clone()));

    let outcome = tokio::select! {
        () = serve_face(listeners.http, &config, shared, stop) => Ok(()),
        dead = tasks.next_end() => Err(dead),
    };
    persist.save_now();
    match outcome {
        Ok(()) => {
            info!("stopped: requests finished, last known prices saved");
            Ok(())
        }
        Err(dead) => bail!("{dead}, which it never should; going down"),
    }
}

async fn serve_face(
    listener: TcpListener,
    config: &Config,
    shared: Shared,
    stop: CancellationToken,
) {
    let Shared { clock, metrics, store, state_health } = shared;
    let site = Site::new(config, clock, store, Arc::clone(&metrics), state_health);
    let options = ServeOptions::new(&config.http);
    serve(listener, router(Arc::new(site)), options, metrics, stop).await;
}

async fn serve_metrics(listener: TcpListener, shared: Shared) {
    let Shared { clock, metrics, store, .. } = shared;
    let face = metrics_router(Arc::clone(&metrics), store, clock);
    let connections = ConnectionLimits::total(METRICS_CONNECTIONS_MAX);
    let options = ServeOptions { connections, drain: Duration::ZERO };
    serve(listener, face, options, metrics, CancellationToken::new()).await;
}

/// Starts the two adapters and the one writer they feed.
fn spawn_ingestion(
    tasks: &mut Tasks,
    config: &Config,
    shared: &Shared,
    last: Option<&Snapshot>,
) -> anyhow::Result<()> {
    let (events, received) = mpsc::channel(QUEUE_LEN);
    let (actions, wanted) = mpsc::channel(ACTIONS_LEN);
    let (live, any_source_live) = watch::channel(false);
    let now = shared.clock.now();
    let mut ingest = Ingest {
        events: received,
        actions,
        any_source_live: live,
        clock: shared.clock.clone(),
        aggregator: aggregator(config, now, last),
        publisher: Publisher::new(next_epoch(now, last)),
        store: Arc::clone(&shared.store),
        metrics: Arc::clone(&shared.metrics),
    };
    // Last known prices are served from the first request on.
    ingest.conclude(now);
    tasks.spawn("ingest", ingest.run());
    let tls = tls::client_config().context("set up TLS")?;
    let kraken = KrakenStream {
        url: config.kraken.url.to_string(),
        symbols: config.symbols.clone(),
        clock: shared.clock.clone(),
        events: events.clone(),
        actions: wanted,
        metrics: Arc::clone(&shared.metrics),
        tls: Arc::new(tls.clone()),
    };
    tasks.spawn("kraken", kraken.run());
    let coinbase = CoinbasePoller {
        client: Client::new(&config.coinbase.url, tls).context("set up the Coinbase client")?,
        symbols: config.symbols.clone(),
        interval_ms: duration_ms(config.coinbase.interval),
        clock: shared.clock.clone(),
        events,
        any_source_live,
        metrics: Arc::clone(&shared.metrics),
    };
    tasks.spawn("coinbase", coinbase.run());
    Ok(())
}

fn aggregator(config: &Config, now: UnixMillis, last: Option<&Snapshot>) -> Aggregator {
    let mut aggregator = Aggregator::new(FeedConfig {
        symbols: config.symbols.clone(),
        coinbase_interval_ms: duration_ms(config.coinbase.interval),
        poll_after_ms: u32::try_from(duration_ms(config.poll_after)).unwrap_or(u32::MAX),
    });
    if let Some(last) = last {
        aggregator.restore(&restorable(last, now));
    }
    aggregator
}

/// The last known prices of an earlier run, if there are any to be used.
fn load(state: &StateDir, clock: &Clock) -> Option<Snapshot> {
    let path = state.path().display();
    match state.load(clock.now()) {
        Found::Nothing => None,
        Found::Snapshot(snapshot) => {
            info!(prices = snapshot.prices.len(), "last known prices read from {path}");
            Some(*snapshot)
        }
        Found::Unusable { error, kept_as } => {
            let kept_as =
                kept_as.map_or("left in place".to_owned(), |p| format!("kept as {}", p.display()));
            warn!(error = %error, "last known prices in {path} are unusable ({error}); {kept_as}");
            None
        }
    }
}

fn announce(config: &Config, listeners: &Listeners) -> anyhow::Result<()> {
    let http = listeners.http.local_addr().context("ask for the bound address")?;
    let metrics = listeners.metrics.local_addr().context("ask for the bound address")?;
    if !config.is_real_market() {
        warn!(
            kraken = %config.kraken.url,
            coinbase = %config.coinbase.url,
            "the market is not the real one: every answer says Pricecast-Market: custom"
        );
    }
    info!(%http, %metrics, version = env!("CARGO_PKG_VERSION"), "pricecast-origin listens on http://{http}");
    Ok(())
}

async fn keep_clock(shared: Shared) {
    let mut watch = clock::WallWatch::default();
    let mut every = tokio::time::interval(clock::CORRECT_EVERY);
    loop {
        every.tick().await;
        let ahead_ms = shared.clock.correct();
        shared.metrics.clock_ahead(ahead_ms);
        if watch.is_news(ahead_ms) {
            warn!(
                ahead_ms,
                "the wall clock is {ahead_ms} ms ahead of ours; following by 50 ms per second"
            );
        }
    }
}

/// The tasks that run for ever, by name.
#[derive(Default)]
struct Tasks {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.set.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Waits until one of them ends and tells which, and how.
    async fn next_end(&mut self) -> String {
        let name = |id| self.names.get(&id).copied().unwrap_or_default();
        match self.set.join_next_with_id().await {
            Some(Ok((id, ()))) => format!("the task {} ended", name(id)),
            Some(Err(error)) => format!("the task {} failed ({error})", name(error.id())),
            None => "there are no tasks".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_named() {
        let mut tasks = Tasks::default();
        tasks.spawn("clock", std::future::pending());
        tasks.spawn("kraken", async {});
        assert_eq!(tasks.next_end().await, "the task kraken ended");
        tasks.spawn("ingest", async { panic!("for the test") });
        let told = tasks.next_end().await;
        assert!(
            told.starts_with("the task ingest failed") && told.contains("for the test"),
            "{told}"
        );
    }
}
