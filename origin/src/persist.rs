//! Writes the last known prices to `state_dir`: soon after the first publication, every 10 s, and
//! on the way out.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pricecast_core::Version;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::snapshot::Store;
use crate::snapshot::state::StateDir;

const EVERY: Duration = Duration::from_secs(10);
/// Until there is something to write for the first time: an epoch that readers have seen must
/// not be forgotten.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// The writer of the last known prices.
#[derive(Clone)]
pub struct Persist {
    /// Where to.
    pub state: StateDir,
    /// What.
    pub store: Arc<Store>,
    /// The process clock.
    pub clock: Clock,
    /// Told how it goes.
    pub health: Arc<Health>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Held while writing: the write on the way out must not meet the one of every 10 s.
    pub writing: Arc<Mutex<()>>,
}

impl Persist {
    /// Runs for ever.
    pub async fn run(&self) {
        let mut look = interval(FIRST_LOOK);
        while self.store.snapshot().is_none() {
            look.tick().await;
        }
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut saved = Version::default();
        loop {
            every.tick().await;
            let Some(version) = self.store.snapshot().map(|snapshot| snapshot.version) else {
                continue;
            };
            if version != saved {
                let writer = self.clone();
                // A slow disk must not hold up a worker thread.
                match tokio::task::spawn_blocking(move || writer.save_now()).await {
                    Ok(true) => saved = version,
                    Ok(false) => {}
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => resume_unwind(panic),
                        // The process is going down.
                        Err(_) => return,
                    },
                }
            }
        }
    }

    /// Writes at once, in this thread. Returns whether there is nothing left to write.
    pub fn save_now(&self) -> bool {
        let _guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(snapshot) = self.store.snapshot() else { return true };
        let outcome = self.state.save(&snapshot, self.clock.now());
        self.metrics.state_write(outcome.is_ok());
        let path = self.state.path().display();
        let is_written = outcome.is_ok();
        let is_news = self.health.note_state_write(is_written);
        match outcome {
            Err(error) if is_news => {
                warn!(error = %error, "write last known prices to {path}: {error}; serving goes on");
            }
            Ok(()) if is_news => info!("last known prices are written to {path} again"),
            _ => {}
        }
        is_written
    }
}
