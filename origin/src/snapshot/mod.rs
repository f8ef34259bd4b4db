//! The published snapshot: one writer, many readers. Each publication is written out once, in
//! both codings, and shared; readers never wait for the writer.

mod publication;
pub mod state;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use pricecast_core::{Snapshot, UnixMillis, Version};
use tokio::sync::watch;

pub use publication::Publication;

/// Holds the current publication in memory.
#[derive(Debug)]
pub struct Store {
    /// H: a body is written for `now + hold_ms`, as long as a cache may hold it.
    hold_ms: u64,
    current: ArcSwapOption<Publication>,
    /// Taken to replace `current`, so that a reader that renders an old snapshot anew cannot
    /// overwrite a newer one.
    replacing: Mutex<()>,
    news: watch::Sender<Version>,
}

impl Store {
    /// Nothing published yet; bodies may be held for `hold_ms` by whoever receives them.
    #[must_use]
    pub fn new(hold_ms: u64) -> Self {
        let (current, replacing) = (ArcSwapOption::empty(), Mutex::default());
        Self { hold_ms, current, replacing, news: watch::Sender::default() }
    }

    /// Tells the version of each publication; of several, the last.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Version> {
        self.news.subscribe()
    }

    /// Publishes `snapshot` at `now`.
    pub fn publish(&self, snapshot: Snapshot, now: UnixMillis) {
        let version = snapshot.version;
        let publication = Publication::new(Arc::new(snapshot), now, self.hold_ms);
        let _guard = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(Some(Arc::new(publication)));
        self.news.send_replace(version);
    }

    /// The current publication with flags that are true at `now`; `None` before the first price.
    ///
    /// The first reader after a flip writes it out again, so flags stay true even if the writer
    /// is stuck.
    #[must_use]
    pub fn at(&self, now: UnixMillis) -> Option<Arc<Publication>> {
        let publication = self.current.load_full()?;
        if publication.is_true_at(now) { Some(publication) } else { self.render_anew(now) }
    }

    /// The current snapshot as it was published.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.load().as_ref().map(|publication| Arc::clone(publication.snapshot()))
    }

    fn render_anew(&self, now: UnixMillis) -> Option<Arc<Publication>> {
        let _guard = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let publication = self.current.load_full()?;
        if publication.is_true_at(now) {
            return Some(publication);
        }
        let snapshot = Arc::clone(publication.snapshot());
        let anew = Arc::new(Publication::new(snapshot, now, self.hold_ms));
        self.current.store(Some(Arc::clone(&anew)));
        Some(anew)
    }
}

#[cfg(test)]
mod tests {
    use pricecast_wire::Encoding;

    use super::*;
    use crate::test_support::{at, snapshot};

    #[test]
    fn nothing_is_there_before_the_first_publication() {
        assert!(Store::new(1_000).at(at(0)).is_none());
    }

    #[test]
    fn readers_share_one_body_until_a_flag_flips() {
        let store = Store::new(0);
        store.publish(snapshot(1, at(0)), at(0));
        let first = store.at(at(0)).unwrap();
        let again = store.at(at(4_999)).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let flipped = store.at(at(5_000)).unwrap();
        assert!(!Arc::ptr_eq(&first, &flipped));
        assert!(flipped.forms().get(Encoding::Identity).body_text().contains(r#""stale":true"#));
        assert!(Arc::ptr_eq(&flipped, &store.at(at(60_000)).unwrap()));
    }

    #[test]
    fn a_body_that_may_be_held_for_a_second_is_flagged_a_second_early() {
        let store = Store::new(1_000);
        store.publish(snapshot(1, at(0)), at(0));
        for (ms, is_stale) in [(3_999, false), (4_000, true)] {
            let publication = store.at(at(ms)).unwrap();
            let says_stale = publication
                .forms()
                .get(Encoding::Identity)
                .body_text()
                .contains(r#""mode":"frozen""#);
            assert_eq!(says_stale, is_stale, "at {ms}");
        }
    }

    #[test]
    fn a_flip_gives_both_forms_new_and_different_tags() {
        let store = Store::new(0);
        store.publish(snapshot(1, at(0)), at(0));
        let mut tags = Vec::new();
        for ms in [0, 5_000] {
            let publication = store.at(at(ms)).unwrap();
            tags.push(publication.forms().get(Encoding::Identity).etag().to_owned());
            tags.push(publication.forms().get(Encoding::Gzip).etag().to_owned());
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 4, "{tags:?}");
    }
}
