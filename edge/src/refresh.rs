//! One refresh, from beginning to end: the policy decides, this does the reading, fetching and
//! putting in between. Runs in `wait_until`, so that it outlives the client who caused it.

use futures_util::future::join;
use pricecast_core::cache_policy::{Attempt, CopyMeta, Flight, NextStep, Settled, Turn};
use worker::{console_log, console_warn};

use crate::clock::{jitter, now};
use crate::config::EdgeConfig;
use crate::document::Document;
use crate::hot;
use crate::isolate::Holding;
use crate::kept::{Kept, RawCopy};
use crate::memory::with_loaded;
use crate::origin::{self, Failure, Trace};
use crate::shared_cache::SharedCache;

/// Runs the refresh of `document` that `flight` stands for. `base` is the Worker's own `scheme://host`.
pub(crate) async fn run(document: Document, flight: Flight, base: String) {
    let Some(config) = with_loaded(|isolate| isolate.config.clone()) else { return };
    let shared = SharedCache::new(&base, &config.environment, document);
    let snap = shared.snap().await;
    let Some(NextStep::ReadTurn) = settle_snap(document, flight, &config, snap) else { return };
    let turn = shared.turn(now()).await;
    let (now, jitter) = (now(), jitter());
    let step = settle(document, |holding| holding.cache.settle_turn(flight, now, turn, jitter));
    if let Some(NextStep::Fetch { claim, attempt }) = step {
        let fetch = fetch_until_settled(document, flight, &config, attempt);
        // The outcome is put after the claim, or the claim might land last and hide it.
        let ((), outcome) = join(shared.put_turn(&claim), fetch).await;
        put(&shared, outcome).await;
    }
}

async fn put(shared: &SharedCache, outcome: Outcome) {
    if let Some(raw) = outcome.snap {
        shared.put_snap(&raw).await;
    }
    if let Some(turn) = outcome.turn {
        shared.put_turn(&turn).await;
    }
}

/// What a fetch leaves for the others of the data centre.
#[derive(Default)]
struct Outcome {
    snap: Option<RawCopy>,
    turn: Option<Turn>,
}

fn settle_snap(
    document: Document,
    flight: Flight,
    config: &EdgeConfig,
    snap: Option<RawCopy>,
) -> Option<NextStep> {
    // What cannot be read there is as good as nothing; the origin will tell.
    let offered = snap.and_then(|raw| raw.read(document, document.policy(config).hold_ms).ok());
    let now = now();
    settle(document, |holding| holding.cache.settle_snap(flight, now, offered))
}

/// What is settled may end what was given out until now.
fn settle<T>(document: Document, act: impl FnOnce(&mut Holding) -> T) -> Option<T> {
    if document == Document::Prices {
        hot::forget();
    }
    with_loaded(|isolate| act(isolate.held.of(document)))
}

async fn fetch_until_settled(
    document: Document,
    mut flight: Flight,
    config: &EdgeConfig,
    mut attempt: Attempt,
) -> Outcome {
    loop {
        let trace = Trace::random();
        let (raw, answer) = match origin::fetch(config, document, attempt, &trace).await {
            Ok(raw) => {
                let read = raw.read(document, document.policy(config).hold_ms);
                let answer = read.map_err(Failure::from);
                (Some(raw), answer)
            }
            Err(failure) => (None, Err(failure)),
        };
        match settle_fetch(document, &mut flight, attempt, answer, &trace) {
            Some(Settled::TryNext(next)) => attempt = next,
            Some(Settled::Failed { turn }) => return Outcome { snap: None, turn: Some(turn) },
            Some(Settled::Adopted { turn }) => return Outcome { snap: raw, turn },
            Some(Settled::LeftBehind | Settled::Overtaken) | None => return Outcome::default(),
        }
    }
}

fn settle_fetch(
    document: Document,
    flight: &mut Flight,
    attempt: Attempt,
    answer: Result<(CopyMeta, Kept), Failure>,
    trace: &Trace,
) -> Option<Settled> {
    let (now, jitter) = (now(), jitter());
    // An answer that is refused after all is refused for its age.
    let (answer, failure) = match answer {
        Ok(answer) => (Some(answer), Failure::Older),
        Err(failure) => (None, failure),
    };
    let told = failure.to_string();
    let (settled, is_news) = settle(document, |holding| {
        let settled = holding.cache.settle_fetch(flight, now, answer, jitter);
        let is_news = match settled {
            Settled::Adopted { .. } | Settled::LeftBehind => holding.last_failure.take().is_some(),
            Settled::Overtaken => false,
            Settled::TryNext(_) | Settled::Failed { .. } => holding.note_failure(failure),
        };
        (settled, is_news)
    })?;
    match settled {
        // Once per change, not per attempt: at this traffic a log line costs more than a fetch.
        _ if !is_news => {}
        Settled::Adopted { .. } | Settled::LeftBehind => {
            console_log!("origin {} answers again", attempt.origin)
        }
        _ => console_warn!(
            "origin {}: {told}; serving the last known {document} (trace {})",
            attempt.origin,
            trace.id()
        ),
    }
    Some(settled)
}
