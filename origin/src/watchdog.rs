//! Notices, from a thread of its own, when the async runtime stands still: a task that blocks
//! its threads, or a process that gets no time at all. It only tells; nothing that is served
//! depends on it, for bodies are written for the moment at which they are served.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use pricecast_core::UnixMillis;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::metrics::Metrics;

/// How often the runtime shows that it runs, and the thread looks.
const BEAT_EVERY: Duration = Duration::from_millis(100);
/// Without a sign of life for longer than this, it stands still.
const STALL_MS: u64 = 1_000;

/// What stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// The runtime alone: its threads are blocked.
    Runtime,
    /// The whole process: it was stopped, or suspended, or got no processor time.
    Process,
}

impl Stall {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Runtime, Self::Process];

    /// Its name in log and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Process => "process",
        }
    }
}

/// Shows for ever that the runtime runs, to a thread that ends with this future.
pub async fn beat(clock: Clock, metrics: Arc<Metrics>) {
    let heart = Arc::new(AtomicU64::new(clock.now().as_ms()));
    let watched = Arc::downgrade(&heart);
    let watcher = Watcher::new(clock.now());
    let (watching, told) = (clock.clone(), metrics);
    let thread = thread::Builder::new().name("watchdog".to_owned());
    if let Err(error) = thread.spawn(move || watch(&watched, watcher, &watching, &told)) {
        warn!(error = %error, "start the watchdog's thread: {error}; stalls will not be told");
    }
    let mut every = interval(BEAT_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        heart.store(clock.now().as_ms(), Ordering::Relaxed);
    }
}

fn watch(heart: &Weak<AtomicU64>, mut watcher: Watcher, clock: &Clock, metrics: &Metrics) {
    loop {
        thread::sleep(BEAT_EVERY);
        let Some(heart) = heart.upgrade() else { return };
        let beat_at = UnixMillis::from_ms(heart.load(Ordering::Relaxed));
        match watcher.look(clock.now(), beat_at) {
            Some(Seen::Began { stall, still_ms }) => {
                metrics.runtime_stall(stall);
                let what = stall.as_str();
                warn!(stall = what, still_ms, "the {what} has stood still for {still_ms} ms");
            }
            Some(Seen::Over { still_ms }) => {
                info!(still_ms, "the runtime runs again, after {still_ms} ms");
            }
            None => {}
        }
    }
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Something stands still, or did so while nobody could look.
    Began { stall: Stall, still_ms: u64 },
    /// The runtime stood still and runs again.
    Over { still_ms: u64 },
}

/// Compares beats and looks with the time. Pure.
#[derive(Debug)]
struct Watcher {
    looked_at: UnixMillis,
    /// No beat can have been missed before: the process itself stood still until then.
    awake_since: UnixMillis,
    stalled_since: Option<UnixMillis>,
}

impl Watcher {
    const fn new(now: UnixMillis) -> Self {
        Self { looked_at: now, awake_since: now, stalled_since: None }
    }

    fn look(&mut self, now: UnixMillis, beat_at: UnixMillis) -> Option<Seen> {
        let looked_before = std::mem::replace(&mut self.looked_at, now);
        let unseen_ms = now.ms_since(looked_before);
        if unseen_ms > STALL_MS {
            self.awake_since = now;
            return Some(Seen::Began { stall: Stall::Process, still_ms: unseen_ms });
        }
        let alive_at = beat_at.max(self.awake_since);
        match self.stalled_since {
            None if now.ms_since(alive_at) > STALL_MS => {
                self.stalled_since = Some(alive_at);
                Some(Seen::Began { stall: Stall::Runtime, still_ms: now.ms_since(alive_at) })
            }
            Some(since) if beat_at > since => {
                self.stalled_since = None;
                Some(Seen::Over { still_ms: beat_at.ms_since(since) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::at;

    /// Looks every 100 ms from `from_ms` to `to_ms`, with beats as `beat_ms` tells.
    fn looks(
        watcher: &mut Watcher,
        from_ms: u64,
        to_ms: u64,
        beat_ms: impl Fn(u64) -> u64,
    ) -> Vec<(u64, Seen)> {
        (from_ms..=to_ms)
            .step_by(100)
            .filter_map(|ms| Some((ms, watcher.look(at(ms), at(beat_ms(ms)))?)))
            .collect()
    }

    #[test]
    fn a_runtime_that_runs_is_not_mentioned() {
        let mut watcher = Watcher::new(at(0));
        assert_eq!(looks(&mut watcher, 100, 60_000, |ms| ms - 99), []);
        assert_eq!(looks(&mut watcher, 60_000, 61_000, |_| 60_000), [], "nor one a second late");
    }

    #[test]
    fn a_runtime_that_stands_still_for_more_than_a_second_is_told_once_and_so_is_its_return() {
        let mut watcher = Watcher::new(at(0));
        let still = looks(&mut watcher, 100, 2_000, |_| 0);
        let began = Seen::Began { stall: Stall::Runtime, still_ms: 1_100 };
        assert_eq!(still, [(1_100, began)]);
        let over = looks(&mut watcher, 2_100, 9_000, |ms| ms - 50);
        assert_eq!(over, [(2_100, Seen::Over { still_ms: 2_050 })]);
    }

    #[test]
    fn when_the_whole_process_stood_still_the_runtime_is_not_to_blame() {
        let mut watcher = Watcher::new(at(0));
        assert_eq!(looks(&mut watcher, 100, 1_000, |ms| ms), []);
        let paused = Seen::Began { stall: Stall::Process, still_ms: 7_000 };
        assert_eq!(looks(&mut watcher, 8_000, 8_900, |_| 1_000), [(8_000, paused)]);
        assert_eq!(looks(&mut watcher, 9_000, 20_000, |ms| ms), []);
        assert_eq!(looks(&mut watcher, 21_000, 21_000, |ms| ms), [], "a second is none");
    }
}
