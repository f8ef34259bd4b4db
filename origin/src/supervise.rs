//! Tasks that are meant to run for ever. One that panics, or ends, is started again with
//! backoff, counted, told in the log, and shown by `/ready` until it has run well for a while.
//!
//! What must outlive a task is kept outside it: the published prices in the store, the order of
//! versions there too, what an exchange has asked of us in [`crate::feed`].

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use pricecast_core::backoff_delay_ms;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::clock::Clock;
use crate::health::Health;
use crate::metrics::Metrics;

/// A task that has run this long has recovered: should it fail again, that counts as the first
/// time.
pub const SETTLED_MS: u64 = 60_000;

/// The tasks that run for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The one writer of prices; both adapters are made anew with it.
    Ingest,
    /// The Kraken adapter.
    Kraken,
    /// The Coinbase adapter.
    Coinbase,
    /// Keeps the process clock close to the wall clock.
    Clock,
    /// Writes the last known prices to the disk.
    State,
    /// Measures how well the promise is kept.
    Status,
    /// Asks the public address.
    Probe,
    /// Tells people of incidents.
    Webhook,
    /// Serves the metrics.
    Metrics,
    /// Accepts connections on the public listener.
    Http,
    /// Agrees with other instances on who leads.
    Cluster,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 11] = [
        Self::Ingest,
        Self::Kraken,
        Self::Coinbase,
        Self::Clock,
        Self::State,
        Self::Status,
        Self::Probe,
        Self::Webhook,
        Self::Metrics,
        Self::Http,
        Self::Cluster,
    ];

    /// Its name in the log, in metrics and in `/ready`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Kraken => "kraken",
            Self::Coinbase => "coinbase",
            Self::Clock => "clock",
            Self::State => "state",
            Self::Status => "status",
            Self::Probe => "probe",
            Self::Webhook => "webhook",
            Self::Metrics => "metrics",
            Self::Http => "http",
            Self::Cluster => "cluster",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Keeps tasks running. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// The process clock.
    pub clock: Clock,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Told which task is not well.
    pub health: Arc<Health>,
    /// Makes tasks fail on purpose.
    pub drill: Drill,
}

impl Supervisor {
    /// Runs `task` again and again on `state`, until a run has ended after `stop` was called. It
    /// never gives up: at once after a first failure, within 30 s after further ones.
    pub async fn keep<S: Send>(
        self,
        task: Task,
        stop: CancellationToken,
        mut state: S,
        run: impl for<'a> Fn(&'a mut S) -> BoxFuture<'a, ()> + Send + Sync,
    ) {
        let mut attempt = 0;
        loop {
            let began_at = self.clock.now();
            let end = AssertUnwindSafe(async {
                tokio::select! {
                    biased;
                    () = self.drill.blow(task) => {}
                    () = run(&mut state) => {}
                }
            })
            .catch_unwind()
            .await;
            if stop.is_cancelled() {
                return;
            }
            let now = self.clock.now();
            if now.ms_since(began_at) >= SETTLED_MS {
                attempt = 0;
            }
            let delay_ms = backoff_delay_ms(attempt, rand::random());
            attempt = attempt.saturating_add(1);
            self.metrics.task_restart(task);
            self.health.note_failure(task, now.plus_ms(delay_ms + SETTLED_MS));
            // The panic itself has its own line, from the hook: where, and with which words.
            let how = if end.is_err() { "panicked" } else { "ended" };
            error!(
                task = task.as_str(),
                attempt,
                delay_ms,
                "the task {task} {how}, which it never should; started again in {delay_ms} ms"
            );
            tokio::select! {
                () = sleep(Duration::from_millis(delay_ms)) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Makes tasks panic on purpose, for tests and drills. The product itself never does: its
/// `main` makes one that nothing else can reach.
#[derive(Clone, Debug, Default)]
pub struct Drill {
    struck: Arc<[Notify; Task::ALL.len()]>,
}

impl Drill {
    /// Has `task` panic, now or when it is next running.
    pub fn strike(&self, task: Task) {
        if let Some(struck) = self.struck.get(task as usize) {
            struck.notify_one();
        }
    }

    #[expect(clippy::panic, reason = "what a drill is there for")]
    async fn blow(&self, task: Task) {
        match self.struck.get(task as usize) {
            Some(struck) => struck.notified().await,
            None => std::future::pending().await,
        }
        panic!("a drill: {task} was told to panic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor {
            clock: Clock::start(),
            metrics: Arc::default(),
            health: Arc::default(),
            drill: Drill::default(),
        }
    }

    fn restarts(supervisor: &Supervisor, task: Task) -> u32 {
        let text = supervisor.metrics.encode(None, supervisor.clock.now());
        let name = format!("pricecast_task_restarts_total{{task=\"{task}\"}} ");
        let told = text.lines().find_map(|line| line.strip_prefix(&name));
        told.expect("told before it ever happened").parse().unwrap()
    }

    #[tokio::test]
    async fn a_task_that_panics_or_ends_is_started_again_on_the_same_state_and_counted() {
        let supervisor = supervisor();
        let stop = CancellationToken::new();
        let mut runs = 0;
        let state = (&mut runs, stop.clone());
        supervisor
            .clone()
            .keep(Task::Kraken, stop, state, |(runs, stop)| {
                **runs += 1;
                match **runs {
                    1 => async { panic!("for the test") }.boxed(),
                    2 => async {}.boxed(),
                    _ => async { stop.cancel() }.boxed(),
                }
            })
            .await;
        assert_eq!(runs, 3);
        assert_eq!(restarts(&supervisor, Task::Kraken), 2);
        assert_eq!(restarts(&supervisor, Task::Coinbase), 0);
        let now = supervisor.clock.now();
        assert_eq!(supervisor.health.unsettled(now), [Task::Kraken]);
        assert_eq!(supervisor.health.unsettled(now.plus_ms(SETTLED_MS + 30_000)), []);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_always_fails_is_tried_for_ever_and_ever_more_slowly() {
        let supervisor = supervisor();
        let began = tokio::time::Instant::now();
        let stop = CancellationToken::new();
        let state = (0, stop.clone());
        supervisor
            .clone()
            .keep(Task::State, stop, state, |(runs, stop)| {
                *runs += 1;
                if *runs == 200 {
                    stop.cancel();
                }
                async { panic!("for the test") }.boxed()
            })
            .await;
        // 194 waits of 15 s on average; a sum below half of that is out of the question.
        assert!(began.elapsed() > Duration::from_secs(194 * 15 / 2), "{:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(200 * 30));
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_for_the_next_start() {
        let supervisor = supervisor();
        let stop = CancellationToken::new();
        let kept = supervisor.clone().keep(Task::Clock, stop.clone(), (), |()| async {}.boxed());
        let stopped = async {
            // The first restart is at once; a later one waits.
            while restarts(&supervisor, Task::Clock) < 3 {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(kept, stopped) })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_drill_strikes_the_task_it_names_and_no_other() {
        let supervisor = supervisor();
        let stop = CancellationToken::new();
        supervisor.drill.strike(Task::Http);
        let other = supervisor.clone();
        let other =
            other.keep(Task::Clock, stop.clone(), stop.clone(), |stop| stop.cancelled().boxed());
        let struck = supervisor.clone();
        let end = |stop: CancellationToken| async move { stop.cancel() };
        let struck = struck.keep(Task::Http, stop.clone(), stop, |stop| end(stop.clone()).boxed());
        tokio::join!(other, struck);
        assert_eq!(restarts(&supervisor, Task::Http), 1);
        assert_eq!(restarts(&supervisor, Task::Clock), 0);
    }
}
