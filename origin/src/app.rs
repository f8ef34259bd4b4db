//! The only wiring: listeners, tasks, and the order in which they end.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use pricecast_core::Snapshot;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::{self, Clock};
use crate::cluster::link::Link;
use crate::cluster::{self, Member, Parts};
use crate::config::Config;
use crate::exchange::tls;
use crate::feed::Feed;
use crate::health::Health;
use crate::http::server::{ServeOptions, serve};
use crate::http::{ConnectionLimits, Site, metrics_router, router};
use crate::ingest::Mandate;
use crate::metrics::Metrics;
use crate::persist::Persist;
use crate::record::{Recorder, Ring, Writer, folder};
use crate::snapshot::Store;
use crate::snapshot::state::{Found, StateDir, aged, next_epoch, restored};
use crate::status::{Board, Measure, Probe};
use crate::supervise::{Drill, Supervisor, Task};
use crate::webhook::{Outbox, Webhook};
use crate::{status, watchdog};

/// Connections that wait to be taken in. The kernel drops what comes beyond, and whoever was
/// dropped tries again after a second: 128, the usual length, was too short for a crowd of 256.
const QUEUE_LEN: u32 = 1_024;
/// Nobody but a scraper and what watches the process asks there.
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
    pub fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = |key: &str, address| {
            listen(address).with_context(|| format!("listen on {address} ({key})"))
        };
        let http = bind("http.listen", config.http.listen)?;
        let metrics = bind("metrics.listen", config.metrics.listen)?;
        Ok(Self { http, metrics })
    }
}

/// As `TcpListener::bind` does, with a longer queue.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart need not wait for the last connections' end. (Elsewhere it means another thing.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE_LEN)
}

/// What every part of the process knows.
#[derive(Clone)]
struct Shared {
    clock: Clock,
    metrics: Arc<Metrics>,
    store: Arc<Store>,
    health: Arc<Health>,
    board: Arc<Board>,
    supervisor: Supervisor,
}

impl Shared {
    fn new(config: &Config, clock: Clock, drill: Drill) -> Self {
        let (metrics, health) = (Arc::default(), Arc::default());
        let supervisor = Supervisor {
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            drill,
        };
        let store = Arc::new(Store::new(config.http.hold_ms()));
        Self { clock, metrics, store, health, board: Arc::default(), supervisor }
    }

    fn site(&self, config: &Config) -> Site {
        let Self { clock, metrics, store, health, board, .. } = self.clone();
        Site::new(config, clock, store, metrics, health, board)
    }

    fn measure(&self, config: &Config, outbox: Option<Outbox>) -> Measure {
        let Self { clock, metrics, store, health, board, .. } = self.clone();
        let parts = status::Parts { store, clock, metrics, health, board, outbox };
        Measure::new(parts, &config.symbols, &config.state_dir, config.is_real_market())
    }

    /// Both ends of the webhook, where there is one.
    fn webhook(&self, config: &Config) -> anyhow::Result<Option<(Outbox, Webhook)>> {
        let Some(url) = config.webhook.url.clone() else { return Ok(None) };
        let tls = tls::client_config(config.tls.ca_file.as_deref()).context("set up TLS")?;
        let webhook = Webhook::new(url, tls, self.clock.clone(), Arc::clone(&self.metrics));
        Ok(Some(webhook.context("set up the webhook's client")?))
    }
}

/// Runs the origin until `stop` is called, then drains and saves. Whatever fails on the way is
/// started again.
///
/// # Errors
/// When it cannot be set up.
pub async fn run(
    config: Config,
    listeners: Listeners,
    stop: CancellationToken,
    drill: Drill,
) -> anyhow::Result<()> {
    let mut link = link(&config)?;
    let (clock, is_guess) = start_clock(link.as_mut()).await;
    let shared = Shared::new(&config, clock, drill);
    let state = StateDir::new(&config.state_dir, config.is_real_market());
    let last = load(&state, &shared.clock);
    // Their stamps are not of this clock, so nobody knows how old they are.
    let last = if is_guess { last.map(|last| aged(last, shared.clock.now())) } else { last };
    announce(&config, &listeners)?;

    // Last known prices are served from the first request on.
    let now = shared.clock.now();
    if let Some(last) = last.as_ref().and_then(|last| restored(last, &config.symbols, now)) {
        shared.store.publish(last, now);
    }
    let (outbox, webhook) = shared.webhook(&config)?.unzip();
    let measure = shared.measure(&config, outbox);
    let (recorder, record) = start_record(&config, &shared.metrics)?;
    let (supervisor, store) = (shared.supervisor.clone(), Arc::clone(&shared.store));
    let feed = Feed::new(&config, supervisor, store, recorder)?;
    let ingesting = match link {
        None => Ingesting::alone(feed, next_epoch(now, last.as_ref())).await,
        Some(link) => Ingesting::among_others(&config, link, feed, &shared, stop.clone()),
    };
    let persist = Persist {
        state,
        store: Arc::clone(&shared.store),
        clock: shared.clock.clone(),
        health: Arc::clone(&shared.health),
        metrics: Arc::clone(&shared.metrics),
        writing: Arc::default(),
    };
    // Ended by being dropped; metrics stay readable while the face drains.
    let mut tasks = JoinSet::new();
    tasks.spawn(watchdog::beat(shared.clock.clone(), Arc::clone(&shared.metrics)));
    tasks.spawn(keep_clock(shared.clone()));
    tasks.spawn(keep_state(persist.clone(), shared.supervisor.clone()));
    tasks.spawn(keep_measuring(measure.clone(), shared.supervisor.clone()));
    if let Some(probe) = probe(&config, &measure)? {
        tasks.spawn(keep_probing(probe, shared.supervisor.clone()));
    }
    if let Some(webhook) = webhook {
        tasks.spawn(keep_webhook(webhook, shared.supervisor.clone()));
    }
    let site = Arc::new(shared.site(&config));
    tasks.spawn(serve_metrics(listeners.metrics, Arc::clone(&site), shared.clone()));

    serve_face(listeners.http, site, ServeOptions::new(&config), shared, stop).await;
    ingesting.end().await;
    persist.save_now();
    measure.save_now();
    record.into_iter().for_each(Writer::end);
    info!("stopped: requests finished, last known prices saved");
    Ok(())
}

/// Whoever looks at the public address, where one is named.
fn probe(config: &Config, measure: &Measure) -> anyhow::Result<Option<Probe>> {
    let Some(url) = &config.probe.url else { return Ok(None) };
    let tls = tls::client_config(config.tls.ca_file.as_deref()).context("set up TLS")?;
    Ok(Some(Probe::new(url, tls, measure.clone()).context("set up the probe's client")?))
}

/// The record and who writes it, where one is kept.
fn start_record(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<(Recorder, Option<Writer>)> {
    let bytes_max = config.record.max_mib << 20;
    if bytes_max == 0 {
        return Ok((Recorder::default(), None));
    }
    let ring = Ring::new(folder(&config.state_dir), bytes_max);
    let started = Writer::start(ring, Arc::clone(metrics)).context("start the record's thread")?;
    Ok((started.0, Some(started.1)))
}

/// Who sees to the feed.
enum Ingesting {
    /// This instance, always.
    Alone(Feed),
    /// This one or another. Ended by the order to stop.
    AmongOthers(JoinSet<()>),
}

impl Ingesting {
    async fn alone(mut feed: Feed, epoch: u64) -> Self {
        feed.mandate(Mandate::for_ever(epoch));
        feed.start(&CancellationToken::new()).await;
        Self::Alone(feed)
    }

    fn among_others(
        config: &Config,
        link: Link,
        feed: Feed,
        shared: &Shared,
        stop: CancellationToken,
    ) -> Self {
        let Shared { clock, metrics, store, health, supervisor, .. } = shared.clone();
        let parts = Parts { feed, store, clock, health, metrics, stop: stop.clone() };
        let member = Member::new(config, link, parts);
        let mut task = JoinSet::new();
        task.spawn(supervisor.keep(Task::Cluster, stop, member, |member| member.run().boxed()));
        Self::AmongOthers(task)
    }

    async fn end(self) {
        match self {
            Self::Alone(mut feed) => feed.stop().await,
            Self::AmongOthers(mut task) => while task.join_next().await.is_some() {},
        }
    }
}

/// The connection to Redis, where one is used.
fn link(config: &Config) -> anyhow::Result<Option<Link>> {
    let Some(url) = &config.redis.url else { return Ok(None) };
    let ca_file = config.tls.ca_file.as_deref();
    Ok(Some(cluster::link(url, ca_file).with_context(|| format!("use the Redis at {url}"))?))
}

/// Starts the process clock, from Redis's where one is used; and whether it is but a guess of that.
async fn start_clock(link: Option<&mut Link>) -> (Clock, bool) {
    let Some(link) = link else { return (Clock::start(), false) };
    let told = cluster::time(link).await;
    if told.is_none() {
        warn!(
            "Redis does not tell the time: starting from the wall clock, saved prices count as old"
        );
    }
    (Clock::start_following(told), told.is_none())
}

/// A listener and what is served on it; a failed accept loop finds it again.
struct Face {
    /// Held by [`Face::keep`], so that a stop closes the port before the last requests are done.
    listener: Weak<TcpListener>,
    router: axum::Router,
    options: ServeOptions,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Face {
    async fn keep(mut self, task: Task, listener: TcpListener, supervisor: Supervisor) {
        let listener = Arc::new(listener);
        self.listener = Arc::downgrade(&listener);
        let stop = self.stop.clone();
        let close = async {
            stop.cancelled().await;
            drop(listener);
        };
        let accept = supervisor.keep(task, stop.clone(), self, |face| face.accept().boxed());
        tokio::join!(close, accept);
    }

    async fn accept(&mut self) {
        let Some(listener) = self.listener.upgrade() else { return };
        let (router, metrics) = (self.router.clone(), Arc::clone(&self.metrics));
        serve(listener, router, self.options.clone(), metrics, self.stop.clone()).await;
    }
}

async fn serve_face(
    listener: TcpListener,
    site: Arc<Site>,
    options: ServeOptions,
    shared: Shared,
    stop: CancellationToken,
) {
    let Shared { metrics, supervisor, .. } = shared;
    let face = Face { listener: Weak::new(), router: router(site), options, metrics, stop };
    face.keep(Task::Http, listener, supervisor).await;
}

async fn serve_metrics(listener: TcpListener, site: Arc<Site>, shared: Shared) {
    let Shared { metrics, supervisor, .. } = shared;
    let connections = ConnectionLimits::total(METRICS_CONNECTIONS_MAX);
    let options = ServeOptions { connections, drain: Duration::ZERO };
    let stop = CancellationToken::new();
    let router = metrics_router(site);
    let face = Face { listener: Weak::new(), router, options, metrics, stop };
    face.keep(Task::Metrics, listener, supervisor).await;
}

async fn keep_state(persist: Persist, supervisor: Supervisor) {
    let never = CancellationToken::new();
    supervisor.keep(Task::State, never, persist, |persist| persist.run().boxed()).await;
}

async fn keep_measuring(measure: Measure, supervisor: Supervisor) {
    let never = CancellationToken::new();
    supervisor.keep(Task::Status, never, measure, |measure| measure.run().boxed()).await;
}

async fn keep_probing(probe: Probe, supervisor: Supervisor) {
    let never = CancellationToken::new();
    supervisor.keep(Task::Probe, never, probe, |probe| probe.run().boxed()).await;
}

async fn keep_webhook(webhook: Webhook, supervisor: Supervisor) {
    let never = CancellationToken::new();
    supervisor.keep(Task::Webhook, never, webhook, |webhook| webhook.run().boxed()).await;
}

async fn keep_clock(shared: Shared) {
    let never = CancellationToken::new();
    let supervisor = shared.supervisor.clone();
    let state = (shared, clock::JumpWatch::default());
    supervisor
        .keep(Task::Clock, never, state, |(shared, watch)| correct(shared, watch).boxed())
        .await;
}

async fn correct(shared: &Shared, watch: &mut clock::JumpWatch) {
    let mut every = tokio::time::interval(clock::CORRECT_EVERY);
    loop {
        every.tick().await;
        let Some(ahead_ms) = shared.clock.correct() else { continue };
        shared.metrics.clock_ahead(ahead_ms);
        if watch.is_news(ahead_ms) {
            let followed = shared.clock.follows();
            warn!(
                ahead_ms,
                "{followed} is {ahead_ms} ms ahead of ours; following by 50 ms per second"
            );
        }
    }
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
