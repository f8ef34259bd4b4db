//! How well the promise is kept, measured here: looks ten times a second at what is served, reports every
//! five seconds, keeps what it knows over a restart. What is good, and what an incident is, core says.

mod probe;
mod report;
mod saved;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pricecast_core::objective::{Change, Evidence, LOOK_EVERY_MS, Objective};
use pricecast_core::{Symbol, UnixMillis};
use pricecast_wire::Encoding;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

pub use self::probe::Probe;
use self::probe::{Failure, Looks};
use self::report::Context;
use crate::clock::Clock;
use crate::cluster::Standing;
use crate::form::Forms;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::snapshot::Store;
use crate::state_file::StateFile;
use crate::webhook::Outbox;

const FILE_NAME: &str = "objective.v1.json.gz";
/// What was measured on another market says nothing of the real one.
const CUSTOM_FILE_NAME: &str = "objective.v1.custom.json.gz";
const REPORT_EVERY_MS: u64 = 5_000;
const SAVE_EVERY_MS: u64 = 60_000;

/// Holds the latest report for all who ask.
#[derive(Debug, Default)]
pub struct Board {
    report: ArcSwapOption<Forms>,
}

impl Board {
    /// The latest one; `None` before the first.
    #[must_use]
    pub fn report(&self) -> Option<Arc<Forms>> {
        self.report.load_full()
    }

    pub(crate) fn put(&self, body: String, now: UnixMillis) {
        let tag = |encoding| match encoding {
            Encoding::Identity => format!("\"{now}\""),
            Encoding::Gzip => format!("\"{now}-gz\""),
        };
        self.report.store(Some(Arc::new(Forms::new(body, tag))));
    }
}

/// What measuring needs.
pub struct Parts {
    /// What is served.
    pub store: Arc<Store>,
    /// The process clock.
    pub clock: Clock,
    /// What the feed tells beside.
    pub metrics: Arc<Metrics>,
    /// The part this instance plays.
    pub health: Arc<Health>,
    /// Where reports go.
    pub board: Arc<Board>,
    /// Where people are told, if they are.
    pub outbox: Option<Outbox>,
}

/// Measures. All clones are one.
#[derive(Clone)]
pub struct Measure {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    symbols: Vec<Symbol>,
    is_real_market: bool,
    began_at: UnixMillis,
    objective: Mutex<Objective>,
    /// How the probe is doing; `None` before it has looked, or where nobody looks.
    looks: Mutex<Option<Looks>>,
    file: StateFile,
    /// Held while writing: the write on the way out must not meet the one of every minute.
    writing: Mutex<()>,
    is_unwritable: AtomicBool,
}

impl Measure {
    /// Goes on with what is kept in `state_dir`, if anything is, and reports at once.
    #[must_use]
    pub fn new(parts: Parts, symbols: &[Symbol], state_dir: &Path, is_real_market: bool) -> Self {
        let file_name = if is_real_market { FILE_NAME } else { CUSTOM_FILE_NAME };
        let file = StateFile::new(state_dir, file_name);
        let now = parts.clock.now();
        let objective = Mutex::new(load(&file, symbols, now));
        let shared = Shared {
            parts,
            symbols: symbols.to_vec(),
            is_real_market,
            began_at: now,
            objective,
            looks: Mutex::default(),
            file,
            writing: Mutex::default(),
            is_unwritable: AtomicBool::new(false),
        };
        let measure = Self { shared: Arc::new(shared) };
        measure.report(now);
        measure
    }

    /// Runs for ever.
    pub async fn run(&self) {
        let mut every = interval(Duration::from_millis(LOOK_EVERY_MS));
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut reported_at, mut saved_at) =
            (UnixMillis::default(), self.shared.parts.clock.now());
        let mut saving: Option<JoinHandle<()>> = None;
        loop {
            every.tick().await;
            let now = self.shared.parts.clock.now();
            self.look(now);
            if now.ms_since(reported_at) >= REPORT_EVERY_MS {
                reported_at = now;
                self.report(now);
            }
            let is_idle = saving.as_ref().is_none_or(JoinHandle::is_finished);
            if is_idle && now.ms_since(saved_at) >= SAVE_EVERY_MS {
                saved_at = now;
                let writer = self.clone();
                // A slow disk must not hold up the looks.
                saving = Some(tokio::task::spawn_blocking(move || writer.save_now()));
            }
        }
    }

    /// Looks once.
    fn look(&self, now: UnixMillis) {
        let Parts { store, metrics, .. } = &self.shared.parts;
        let served = store.snapshot();
        let (confirmations, suspected) = (metrics.confirmed(), metrics.suspects());
        let evidence = Evidence {
            served: served.as_deref(),
            confirmations: &confirmations,
            suspected: &suspected,
        };
        let changes = self.with(|objective| objective.note(now, &evidence));
        changes.iter().for_each(tell);
        let Parts { outbox, health, .. } = &self.shared.parts;
        if let Some(outbox) = outbox.as_ref().filter(|_| speaks(health.standing()))
            && !changes.is_empty()
        {
            outbox.post(report::message(&changes, self.shared.is_real_market));
        }
    }

    fn report(&self, now: UnixMillis) {
        let Shared { parts, symbols, is_real_market, began_at, .. } = &*self.shared;
        let served = parts.store.snapshot();
        let context = Context {
            symbols,
            is_real_market: *is_real_market,
            began_at: *began_at,
            standing: parts.health.standing(),
            served: served.as_deref(),
            looks: *self.shared.looks.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let body = self.with(|objective| report::report(objective, &context, now));
        parts.board.put(body.to_json(), now);
    }

    /// Notes what the probe has seen, and says how it is doing.
    fn note_probe(&self, looked: Result<Vec<(Symbol, u64)>, Failure>) -> Looks {
        let now = self.shared.parts.clock.now();
        let failure = looked.as_ref().err().copied();
        self.with(|objective| {
            for (symbol, age_ms) in looked.unwrap_or_default() {
                if self.shared.symbols.contains(&symbol) {
                    objective.note_at_edge(now, symbol, age_ms);
                }
            }
        });
        let mut looks = self.shared.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = looks.get_or_insert_default();
        let was_failing = looks.last_failure.is_some();
        looks.note(now, failure);
        match failure {
            Some(failure) if !was_failing => {
                let reason = failure.as_str();
                warn!(reason, "probe.url brings no prices ({reason})");
            }
            None if was_failing => info!("probe.url brings prices again"),
            _ => {}
        }
        *looks
    }

    /// Writes what is known to `state_dir`, in this thread.
    pub fn save_now(&self) {
        let Shared { writing, file, is_unwritable, .. } = &*self.shared;
        let _guard = writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Written from a copy, or looks would wait for it.
        let objective = self.with(|objective| objective.clone());
        let outcome = file.replace(&saved::to_bytes(&objective));
        let is_news = is_unwritable.swap(outcome.is_err(), Ordering::Relaxed) != outcome.is_err();
        let path = file.path();
        match outcome {
            Err(error) if is_news => {
                warn!(error = %error, "write what was measured to {}: {error}; it is kept in memory", path.display());
            }
            Ok(()) if is_news => info!("what was measured is written to {} again", path.display()),
            _ => {}
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Objective) -> T) -> T {
        act(&mut self.shared.objective.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether this instance tells people: of several the one that leads. All see the same, so one is enough.
fn speaks(standing: Option<Standing>) -> bool {
    standing.is_none_or(|standing| standing.leads.is_some())
}

fn tell(change: &Change) {
    match change {
        Change::Began(incident) => {
            let (kind, symbol, source) = report::names(incident.trouble);
            warn!(incident = kind, symbol, source, "incident: {}", report::words(incident.trouble));
        }
        Change::Ended(incident) => {
            let (kind, symbol, source) = report::names(incident.trouble);
            let lasted_ms = incident.seen_at.ms_since(incident.began_at);
            info!(
                incident = kind,
                symbol,
                source,
                lasted_ms,
                "over after {lasted_ms} ms: {}",
                report::words(incident.trouble)
            );
        }
    }
}

/// What an earlier run has measured, if it is there and can be read.
fn load(file: &StateFile, symbols: &[Symbol], now: UnixMillis) -> Objective {
    let read = || -> Result<_, saved::Unusable> {
        file.read()?.map(|content| saved::from_bytes(&content, symbols, now)).transpose()
    };
    read().map(Option::unwrap_or_default).unwrap_or_else(|error| {
        let kept_as = file.put_aside(now);
        let kept_as = kept_as.map_or("left in place".to_owned(), |p| format!("kept as {}", p.display()));
        let path = file.path();
        warn!(error = %error, "what was measured before, in {}, is unusable ({error}); {kept_as}", path.display());
        Objective::default()
    })
}

#[cfg(test)]
mod tests;
