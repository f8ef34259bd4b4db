//! What an isolate keeps with a copy: the parsed snapshot, and the body rendered from it once
//! per flip, never per request.

use std::rc::Rc;

use pricecast_core::cache_policy::{CopyMeta, EdgeMillis};
use pricecast_core::{Snapshot, SnapshotError, UnixMillis};
use pricecast_wire::{Encoding, ParseError, etag, parse, render};

/// A snapshot and its present body.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) snapshot: Snapshot,
    /// The origin said `Pricecast-Market: custom`.
    pub(crate) is_custom_market: bool,
    rendered: Option<Rendered>,
}

/// A body with its tag, true from one flip to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) body: Rc<str>,
    pub(crate) etag: Rc<str>,
    from: UnixMillis,
    /// The flip that ends it, of the origin's clock.
    pub(crate) next_flip: Option<UnixMillis>,
}

/// A fetched or cached answer as it came, before it is known to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawCopy {
    /// The isolate's clock when the request left.
    pub(crate) sent_at: EdgeMillis,
    /// The origin's clock when it answered.
    pub(crate) origin_sent_at: UnixMillis,
    pub(crate) is_custom_market: bool,
    pub(crate) body: String,
}

/// Why an answer cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// Its body is no snapshot.
    #[error(transparent)]
    Body(#[from] ParseError),
    /// Its stamps contradict each other.
    #[error(transparent)]
    Stamps(#[from] SnapshotError),
}

impl RawCopy {
    /// Parses it, once per fill.
    pub(crate) fn read(&self, hold_ms: u64) -> Result<(CopyMeta, Kept), Unusable> {
        let snapshot = parse(self.body.as_bytes())?;
        let meta = CopyMeta::new(&snapshot, self.sent_at, self.origin_sent_at, hold_ms)?;
        let kept = Kept { snapshot, is_custom_market: self.is_custom_market, rendered: None };
        Ok((meta, kept))
    }
}

impl Kept {
    /// The body as it must read at `shown_at` of the origin's clock.
    pub(crate) fn rendered_at(&mut self, shown_at: UnixMillis) -> &Rendered {
        let held = self.rendered.take().filter(|held| held.is_true_at(shown_at));
        let rendered = held.unwrap_or_else(|| Rendered::new(&self.snapshot, shown_at));
        self.rendered.insert(rendered)
    }
}

impl Rendered {
    fn new(snapshot: &Snapshot, shown_at: UnixMillis) -> Self {
        Self {
            body: render(snapshot, shown_at).into(),
            etag: etag(snapshot, shown_at, Encoding::Identity).into(),
            from: shown_at,
            next_flip: snapshot.next_flip(shown_at),
        }
    }

    fn is_true_at(&self, shown_at: UnixMillis) -> bool {
        self.from <= shown_at && self.next_flip.is_none_or(|flip| shown_at < flip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{NOW, raw_copy};

    #[test]
    fn a_body_is_rendered_anew_at_its_flip_and_not_before() {
        let (_, mut kept) = raw_copy(0, 0).read(0).unwrap();
        let at = |ms| UnixMillis::from_ms(NOW + ms);
        let fresh = kept.rendered_at(at(0)).clone();
        assert!(fresh.body.contains(r#""stale":false,"freshUntil""#));
        assert!(Rc::ptr_eq(&kept.rendered_at(at(4_999)).body, &fresh.body), "the same body");
        let flipped = kept.rendered_at(at(5_000)).clone();
        assert!(flipped.body.contains(r#""stale":true,"freshUntil""#));
        assert_ne!(flipped.etag, fresh.etag);
        assert_eq!(*kept.rendered_at(at(0)), fresh, "a clock that goes back gets its own truth");
    }

    #[test]
    fn a_copy_confirmed_after_it_was_sent_is_refused() {
        let mut raw = raw_copy(0, 0);
        raw.origin_sent_at = UnixMillis::from_ms(NOW - 1_000);
        assert!(raw.read(1_000).is_ok());
        raw.origin_sent_at = UnixMillis::from_ms(NOW - 1_001);
        assert!(matches!(raw.read(1_000), Err(Unusable::Stamps(_))));
        raw.body.truncate(100);
        assert!(matches!(raw.read(1_000), Err(Unusable::Body(_))));
    }
}
