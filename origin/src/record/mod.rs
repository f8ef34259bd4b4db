//! The flight recorder: what both exchanges said, what was made of it and what was published, the
//! last hour or so of it, on disk. `pricecast replay` runs the same core on it again.
//!
//! ```text
//! exchange/* ─ frames, answers ─┐
//! ingest ─ events, beats ───────┴▶ Recorder ─ queue ─▶ Ring ─▶ <state_dir>/record/*.ndjson
//!                                                             ─▶ replay (core again) ─▶ Report
//! ```
//!
//! Nothing here may hold up the feed: a queue that is full, or a disk that fails, leaves a hole in
//! the record, which says so.

mod key;
mod line;
mod replay;
mod ring;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use pricecast_core::{FeedConfig, Snapshot, SourceEvent, Symbol, UnixMillis};

pub use line::LineError;
pub use replay::{Difference, Replay, ReplayError, Report, WARM_UP_MS};
pub use ring::{Ring, segments};

use crate::metrics::Metrics;

/// Some seconds of a busy market, or one burst of snapshots of 500 symbols.
const QUEUE_LEN: usize = 16_384;
/// Frames and answers that wait take no more memory than this.
const QUEUE_BYTES_MAX: usize = 32 << 20;
/// When nothing comes for so long, all is handed to the system.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, by our clock.
    pub at: UnixMillis,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum What {
    /// The feed begins, with what is known of before.
    Begins {
        /// By which it works.
        feed: Box<FeedConfig>,
        /// Under which it publishes.
        epoch: u64,
        /// What was published before.
        last: Option<Arc<Snapshot>>,
    },
    /// A frame of Kraken's, as it came.
    Frame(Box<str>),
    /// An answer of Coinbase's, as it came.
    Answer {
        /// When the request left.
        sent_at: UnixMillis,
        /// What was asked for.
        symbols: Vec<Symbol>,
        /// The body of a 200.
        body: Bytes,
    },
    /// What was made of these, in the order in which core took it.
    Event(SourceEvent),
    /// Conclusions were drawn.
    Beat {
        /// Under which it was allowed to publish.
        epoch: Option<u64>,
        /// What was published.
        published: Option<Arc<Snapshot>>,
    },
}

/// Takes down what happens. Cheap to clone; the default one takes down nothing.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    queue: Option<SyncSender<Entry>>,
    shared: Arc<Shared>,
}

/// What both ends of the queue know.
#[derive(Debug, Default)]
struct Shared {
    /// Entries for which there was no room, since the writer last looked.
    lost: AtomicU64,
    /// What the frames and answers in the queue take.
    bytes: AtomicUsize,
}

impl Shared {
    fn took(&self, entry: &Entry) {
        self.bytes.fetch_sub(entry.what.bytes(), Ordering::Relaxed);
    }
}

impl What {
    /// What the exchange's own words take.
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(text) => text.len(),
            Self::Answer { body, .. } => body.len(),
            Self::Begins { .. } | Self::Event(_) | Self::Beat { .. } => 0,
        }
    }
}

impl Recorder {
    /// Notes that `what` happened at `at`. Never waits.
    pub fn note(&self, at: UnixMillis, what: impl FnOnce() -> What) {
        let Some(queue) = &self.queue else { return };
        let what = what();
        let bytes = what.bytes();
        let waiting = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > QUEUE_BYTES_MAX || queue.try_send(Entry { at, what }).is_err() {
            self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The thread that writes. Ends when every [`Recorder`] is gone.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts to write to `ring`.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(ring: Ring, metrics: Arc<Metrics>) -> io::Result<(Recorder, Self)> {
        let (queue, entries) = sync_channel(QUEUE_LEN);
        let shared = Arc::<Shared>::default();
        let recorder = Recorder { queue: Some(queue), shared: Arc::clone(&shared) };
        let mut ring = ring;
        let write = move || write(&mut ring, &entries, &shared, &metrics);
        let thread = thread::Builder::new().name("record".to_owned()).spawn(write)?;
        Ok((recorder, Self { thread }))
    }

    /// Waits until everything is written. Every [`Recorder`] must be gone.
    pub fn end(self) {
        // A panic there has been reported, and costs nothing but the record.
        let _ = self.thread.join();
    }
}

fn write(ring: &mut Ring, entries: &Receiver<Entry>, shared: &Shared, metrics: &Metrics) {
    loop {
        let entry = entries.recv_timeout(FLUSH_AFTER);
        let overflowed = shared.lost.swap(0, Ordering::Relaxed);
        if overflowed > 0 {
            // What waits is left out too: there is one hole, and the queue is empty after it.
            let waiting = entry.iter().cloned().chain(entries.try_iter());
            waiting.for_each(|entry| {
                shared.took(&entry);
                ring.skip(&entry);
            });
            ring.note_lost(overflowed);
        } else {
            match entry {
                Ok(entry) => {
                    shared.took(&entry);
                    ring.write(&entry);
                }
                Err(RecvTimeoutError::Timeout) => ring.flush(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        metrics.record_lost(ring.take_lost());
    }
    ring.flush();
    metrics.record_lost(ring.take_lost());
}

/// Where the record lies, below `state_dir`.
#[must_use]
pub fn folder(state_dir: &std::path::Path) -> PathBuf {
    state_dir.join("record")
}

#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod test_market;
#[cfg(test)]
mod tests;
