//! One of several instances that share a Redis: exactly one of them, the leader, speaks to the
//! exchanges; all serve.
//!
//! Every decision is [`pricecast_core::lease::Lease`]'s. Here are the calls it orders and what
//! follows from the answers: the feed is started or stopped, a newer snapshot is taken over into
//! memory, a line is logged. Readers never wait for any of this, nor does the feed.

pub mod failure;
pub mod kept;
pub mod link;
pub mod scripts;
mod standing;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pricecast_core::lease::{Effect, LeadReason, Lease, LeaseParams, Order, StepDownReason};
use pricecast_core::{Snapshot, Symbol, UnixMillis, Version};
use redis::ScriptInvocation;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::standing::{Redis, Standing};

use self::failure::CallFailure;
use self::kept::{Kept, Refused};
use self::link::{Failed, Link};
use self::scripts::{Answer, Call, NO_HEAD, Scripts};
use crate::clock::{self, Clock, Told};
use crate::config::{Config, RedisUrl};
use crate::feed::Feed;
use crate::health::Health;
use crate::ingest::Mandate;
use crate::metrics::Metrics;
use crate::snapshot::Store;
use crate::telemetry::EachOnce;

/// How often Redis is asked for the time before the clock starts. The first answer comes over a
/// connection that must be made.
const TIME_READINGS: usize = 3;
/// So long it is asked again if it does not answer.
const TIME_WITHIN: Duration = Duration::from_secs(2);
/// Pause before that.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// One run of one instance.
pub struct Member {
    link: Link,
    scripts: Scripts,
    lease: Lease,
    refused_head: String,
    /// Why the snapshot in Redis is refused, if it is: each reason is told once.
    refused: Option<&'static str>,
    /// Why calls have failed since the last that did not.
    failing: EachOnce<CallFailure>,
    symbols: BTreeSet<Symbol>,
    /// Whoever leads has other symbols, and that was told.
    has_other_symbols: bool,
    /// Ends with a run, however that ends; the feed ends with it.
    duty: CancellationToken,
    feed: Feed,
    store: Arc<Store>,
    clock: Clock,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

/// What a member acts on.
pub struct Parts {
    /// Started to lead, stopped to follow.
    pub feed: Feed,
    /// Where publications of others are put, and our own are found.
    pub store: Arc<Store>,
    /// The process clock; it follows Redis's.
    pub clock: Clock,
    /// Told how this instance stands.
    pub health: Arc<Health>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Called to end.
    pub stop: CancellationToken,
}

impl Member {
    /// A follower so far, over `link`.
    #[must_use]
    pub fn new(config: &Config, link: Link, parts: Parts) -> Self {
        let Parts { feed, store, clock, health, metrics, stop } = parts;
        let market = if config.is_real_market() { "" } else { "custom:" };
        let prefix = format!("{}{market}", config.redis.prefix);
        let me = format!("{:016x}", rand::random::<u64>());
        Self {
            link,
            scripts: Scripts::new(&prefix, me),
            lease: Lease::new(LeaseParams::default(), Version::default()),
            refused_head: NO_HEAD.to_owned(),
            refused: None,
            failing: EachOnce::default(),
            symbols: config.symbols.iter().copied().collect(),
            has_other_symbols: false,
            duty: CancellationToken::new(),
            feed,
            store,
            clock,
            health,
            metrics,
            stop,
        }
    }

    /// Takes part until it is told to stop; then stops ingesting and gives the lease back.
    pub async fn run(&mut self) {
        // What a run that has failed has left behind has been told to end; here it is waited for.
        self.follow().await;
        let _on_duty = self.begin_duty();
        let held = self.store.snapshot().map(|snapshot| snapshot.version).unwrap_or_default();
        self.lease = Lease::new(LeaseParams::default(), held);
        self.stand(Redis::Unknown);
        let mut news = self.store.subscribe();
        let mut noted = held;
        while !self.stop.is_cancelled() {
            let published = *news.borrow_and_update();
            if std::mem::replace(&mut noted, published) != published {
                self.lease.note_published(published);
            }
            if let Some(order) = self.lease.poll_order(self.clock.now()) {
                self.obey(order).await;
                continue;
            }
            let due = self.lease.poll_timeout().unwrap_or_default();
            tokio::select! {
                () = sleep(self.clock.until(due)) => {}
                _ = news.changed() => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.follow().await;
        if self.lease.resign() && self.ask(Call::Release, Scripts::release).await.is_ok() {
            info!("gave the lease back: another instance leads from now on");
        }
    }

    /// A run begins; dropped, it has ended.
    fn begin_duty(&mut self) -> OnDuty {
        self.duty = CancellationToken::new();
        let (health, metrics) = (Arc::clone(&self.health), Arc::clone(&self.metrics));
        OnDuty { duty: self.duty.clone(), health, metrics }
    }

    /// Makes the call that is due, and acts on the answer.
    async fn obey(&mut self, order: Order) {
        let outcome = match order {
            Order::Look { seen_epoch, held, is_brought } => {
                self.look(seen_epoch, held, is_brought).await
            }
            Order::Acquire { ttl_ms, seen_epoch } => self.acquire(ttl_ms, seen_epoch).await,
            Order::Write { epoch, ttl_ms, snapshot } => {
                self.write(epoch, ttl_ms, snapshot.is_some()).await
            }
        };
        match outcome {
            Ok((effects, offered)) => {
                self.failing.clear();
                if self.lease.leads().is_some() {
                    // It puts right what is stored.
                    self.refused = None;
                }
                self.stand(Redis::Answers);
                self.act(effects, offered).await;
            }
            Err(failed) => self.fail(order, &failed).await,
        }
    }

    async fn look(&mut self, seen_epoch: u64, held: Version, is_brought: bool) -> Outcome {
        let refused_head = self.refused_head.clone();
        let brought = self.store.snapshot().filter(|s| is_brought && s.version == held);
        let brought = brought.map(|snapshot| Kept::of(&snapshot, self.clock.now()));
        let brought = brought.as_ref();
        let answer =
            self.ask(Call::Look, |s| s.look(seen_epoch, held, &refused_head, brought)).await?;
        let now = self.clock.now();
        let offered = answer.found.as_ref().and_then(|kept| self.open(kept, now));
        let version = offered.as_ref().map(|snapshot| snapshot.version);
        Ok((self.lease.settle_look(now, answer.looked(version)), offered))
    }

    async fn acquire(&mut self, ttl_ms: u64, seen_epoch: u64) -> Outcome {
        let answer = self.ask(Call::Acquire, |scripts| scripts.acquire(ttl_ms, seen_epoch)).await?;
        let acquired = answer.acquired().ok_or_else(Failed::odd)?;
        Ok((self.lease.settle_acquire(self.clock.now(), acquired), None))
    }

    /// With the publication in memory, if one of that epoch is to be written.
    async fn write(&mut self, epoch: u64, ttl_ms: u64, is_unwritten: bool) -> Outcome {
        let published = self.store.snapshot().filter(|s| is_unwritten && s.version.epoch == epoch);
        let version = published.as_ref().map(|snapshot| snapshot.version);
        let kept = published.map(|snapshot| Kept::of(&snapshot, self.clock.now()));
        let snapshot = kept.as_ref().zip(version.map(|version| version.seq));
        let answer =
            self.ask(Call::Write, |scripts| scripts.write(epoch, ttl_ms, snapshot)).await?;
        let wrote = answer.wrote().ok_or_else(Failed::odd)?;
        Ok((self.lease.settle_write(self.clock.now(), version, wrote), None))
    }

    /// One call, measured and counted.
    async fn ask<'a>(
        &'a mut self,
        call: Call,
        with: impl FnOnce(&'a Scripts) -> ScriptInvocation<'a>,
    ) -> Result<Answer, Failed> {
        let invocation = with(&self.scripts);
        let (began, asked) = (Instant::now(), self.clock.ask());
        let answered = self.link.call(&invocation).await;
        let answer = answered.and_then(|answer| self.scripts.read(answer).ok_or_else(Failed::odd));
        let outcome = match &answer {
            Ok(answer) => answer.verdict(),
            Err(failed) => failed.failure.as_str(),
        };
        self.metrics.redis().call(call, outcome, began.elapsed());
        if let Ok(answer) = &answer {
            self.clock.note(asked, answer.time_us);
        }
        answer
    }

    /// The snapshot that was found, unless it must not be served.
    fn open(&mut self, kept: &Kept, now: UnixMillis) -> Option<Snapshot> {
        match kept.open(now) {
            Ok(snapshot) => {
                self.refused = None;
                Some(snapshot)
            }
            Err(refused) => {
                // What our clock makes of its stamps may change; nothing else needs to be
                // fetched again.
                if !matches!(refused, Refused::Stamps(_)) {
                    self.refused_head.clone_from(&kept.head);
                }
                let reason = refused.as_str();
                self.metrics.redis().snapshot_refused(reason);
                if self.refused.replace(reason) != Some(reason) {
                    warn!(
                        reason,
                        "the snapshot in Redis is refused, what is held is served on: {refused}"
                    );
                }
                None
            }
        }
    }

    async fn fail(&mut self, order: Order, failed: &Failed) {
        let Failed { failure, error } = failed;
        let effects = self.lease.settle_failure(self.clock.now());
        self.stand(Redis::Fails(*failure));
        if self.failing.is_news(*failure) {
            let (call, reason, place) = (order.as_str(), failure.as_str(), self.link.place());
            warn!(call, reason, error, "call Redis at {place} ({call}): {error}");
        }
        self.act(effects, None).await;
    }

    async fn act(&mut self, effects: Vec<Effect>, mut offered: Option<Snapshot>) {
        if let Some(epoch) = self.lease.leads() {
            self.feed.mandate(Mandate { epoch, until: self.lease.publishes_until() });
        }
        for effect in effects {
            self.note(&effect);
            match effect {
                Effect::Lead { .. } => self.feed.start(&self.duty).await,
                Effect::StepDown { .. } => self.follow().await,
                Effect::Adopt { .. } => {
                    if let Some(snapshot) = offered.take() {
                        self.note_symbols(&snapshot);
                        self.store.publish(snapshot, self.clock.now());
                    }
                }
                Effect::Unreachable { .. } | Effect::Reachable | Effect::StoodStill { .. } => {}
            }
        }
    }

    /// Publishes nothing from this moment on, and leaves the exchanges alone.
    async fn follow(&mut self) {
        self.feed.mandate(Mandate::NONE);
        self.feed.stop().await;
    }

    fn note(&self, effect: &Effect) {
        if !effect.is_transition() {
            return;
        }
        let reason = reason(effect);
        self.metrics.redis().transition(reason);
        let role = if self.lease.leads().is_some() { "leader" } else { "follower" };
        let epoch = self.lease.seen_epoch();
        if effect.is_worse() {
            warn!(role, reason, epoch, "{effect}");
        } else {
            info!(role, reason, epoch, "{effect}");
        }
    }

    /// Tells once that what is served here is not what is configured here.
    fn note_symbols(&mut self, adopted: &Snapshot) {
        let prices = adopted.prices.iter().map(|price| price.symbol);
        let theirs: BTreeSet<_> = prices.chain(adopted.unavailable.iter().copied()).collect();
        let is_other = theirs != self.symbols;
        if is_other && !self.has_other_symbols {
            warn!(
                "the instance that leads has other symbols than this one, and this one serves those; give all the same `symbols`"
            );
        }
        self.has_other_symbols = is_other;
    }

    fn stand(&self, redis: Redis) {
        let (leads, seen_epoch) = (self.lease.leads(), self.lease.seen_epoch());
        self.metrics.redis().is_leader(leads.is_some());
        let refused = self.refused;
        self.health.note_standing(Standing { leads, seen_epoch, redis, refused });
    }
}

/// While it lives a run is under way. However that ends, by a panic too, the feed is told to end and
/// nobody is told any more that this instance leads.
struct OnDuty {
    duty: CancellationToken,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        self.duty.cancel();
        self.metrics.redis().is_leader(false);
        self.health.note_no_lead();
    }
}

/// Every reason for which the part of an instance can change, in log and metrics.
pub(crate) fn reasons() -> impl Iterator<Item = &'static str> {
    let leads = LeadReason::ALL.iter().map(|reason| reason.as_str());
    let ends = StepDownReason::ALL.iter().map(|reason| reason.as_str());
    let others = [
        Effect::Unreachable { leads: None },
        Effect::Reachable,
        Effect::StoodStill { lapsed_ms: 0 },
    ];
    leads.chain(ends).chain(others.map(|effect| reason(&effect)))
}

/// Why, in a word, for log and metrics.
const fn reason(effect: &Effect) -> &'static str {
    match effect {
        Effect::Lead { reason, .. } => reason.as_str(),
        Effect::StepDown { reason, .. } => reason.as_str(),
        other => other.as_str(),
    }
}

/// What follows from a call, and the snapshot it brought.
type Outcome = Result<(Vec<Effect>, Option<Snapshot>), Failed>;

/// A connection whose calls take no longer than the lease allows.
///
/// # Errors
/// When the address or `ca_file` cannot be used.
pub fn link(url: &RedisUrl, ca_file: Option<&Path>) -> anyhow::Result<Link> {
    Link::new(url, ca_file, Duration::from_millis(LeaseParams::default().call_timeout_ms))
}

/// The time by Redis's clock, for a process clock that does not run yet. `None` if it cannot be
/// asked.
pub async fn time(link: &mut Link) -> Option<Told> {
    let end = Instant::now() + TIME_WITHIN;
    let mut readings: Vec<Told> = Vec::new();
    while readings.len() < TIME_READINGS && Instant::now() < end {
        let asked = clock::ask_early();
        let told = link.time().await.ok().and_then(|time_us| clock::told_early(asked, time_us));
        match told {
            Some(told) => readings.push(told),
            None if readings.is_empty() => sleep(RETRY_AFTER).await,
            None => break,
        }
    }
    readings.into_iter().min_by_key(Told::round_trip_us)
}
