//! What an isolate keeps with a copy: of prices the parsed snapshot, and the body rendered from it
//! once per flip, never per request; of the status its body as it came.

use std::rc::Rc;

use pricecast_core::cache_policy::{CopyMeta, EdgeMillis};
use pricecast_core::{Snapshot, SnapshotError, UnixMillis};
use pricecast_wire::{BODY_LEN_MAX, Encoding, ParseError, etag, parse, render};

use crate::document::Document;

/// A copy's content.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The origin said `Pricecast-Market: custom`.
    pub(crate) is_custom_market: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// A snapshot and its present body.
    Prices(Snapshot, Option<Rendered>),
    Status(Rendered),
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
    /// Takes it for the document it should be; prices are parsed, once per fill.
    pub(crate) fn read(
        &self,
        document: Document,
        hold_ms: u64,
    ) -> Result<(CopyMeta, Kept), Unusable> {
        let Self { sent_at, origin_sent_at, is_custom_market, ref body } = *self;
        let (meta, content) = match document {
            Document::Prices => {
                let snapshot = parse(body.as_bytes())?;
                let meta = CopyMeta::new(&snapshot, sent_at, origin_sent_at, hold_ms)?;
                (meta, Content::Prices(snapshot, None))
            }
            Document::Status if body.len() > BODY_LEN_MAX => {
                return Err(ParseError::TooLong { len: body.len() }.into());
            }
            Document::Status => {
                let rendered = Rendered::as_it_came(body, origin_sent_at);
                (CopyMeta::timeless(sent_at, origin_sent_at), Content::Status(rendered))
            }
        };
        Ok((meta, Kept { is_custom_market, content }))
    }
}

impl Kept {
    /// The snapshot, of a copy of the prices.
    pub(crate) const fn snapshot(&self) -> Option<&Snapshot> {
        match &self.content {
            Content::Prices(snapshot, _) => Some(snapshot),
            Content::Status(_) => None,
        }
    }

    /// The body as it must read at `shown_at` of the origin's clock.
    pub(crate) fn rendered_at(&mut self, shown_at: UnixMillis) -> &Rendered {
        match &mut self.content {
            Content::Status(rendered) => rendered,
            Content::Prices(snapshot, rendered) => {
                let held = rendered.take().filter(|held| held.is_true_at(shown_at));
                rendered.insert(held.unwrap_or_else(|| Rendered::new(snapshot, shown_at)))
            }
        }
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

    /// The moment at which the origin sent it makes its tag: the same in every isolate that adopts it.
    fn as_it_came(body: &str, origin_sent_at: UnixMillis) -> Self {
        Self {
            body: body.into(),
            etag: format!("\"{origin_sent_at}\"").into(),
            from: UnixMillis::default(),
            next_flip: None,
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
        let (_, mut kept) = raw_copy(0, 0).read(Document::Prices, 0).unwrap();
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
        assert!(raw.read(Document::Prices, 1_000).is_ok());
        raw.origin_sent_at = UnixMillis::from_ms(NOW - 1_001);
        assert!(matches!(raw.read(Document::Prices, 1_000), Err(Unusable::Stamps(_))));
        raw.body.truncate(100);
        assert!(matches!(raw.read(Document::Prices, 1_000), Err(Unusable::Body(_))));
    }

    #[test]
    fn a_status_is_kept_as_it_came_under_one_tag_and_its_length_is_bounded() {
        let mut raw = raw_copy(0, 0);
        raw.body = "{}".to_owned();
        let (_, mut kept) = raw.read(Document::Status, 0).unwrap();
        for ms in [0, 86_400_000] {
            let rendered = kept.rendered_at(UnixMillis::from_ms(NOW + ms));
            assert_eq!((&*rendered.body, &*rendered.etag), ("{}", "\"1706900000000\""));
        }
        raw.body = " ".repeat(BODY_LEN_MAX);
        assert!(raw.read(Document::Status, 0).is_ok());
        raw.body.push(' ');
        assert!(matches!(raw.read(Document::Status, 0), Err(Unusable::Body(_))));
    }
}
