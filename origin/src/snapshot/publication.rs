//! One snapshot, written out, good until the next flag flips.

use std::sync::Arc;

use pricecast_core::{Snapshot, UnixMillis};
use pricecast_wire::{etag, render};

use crate::form::Forms;

/// A snapshot and its forms.
#[derive(Clone, Debug)]
pub struct Publication {
    snapshot: Arc<Snapshot>,
    forms: Forms,
    /// From then on a flag in the bodies would be untrue; `None`: they stay as they are.
    true_until: Option<UnixMillis>,
}

impl Publication {
    /// Writes `snapshot` out at `now`, for readers who may hold it for `hold_ms`.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, now: UnixMillis, hold_ms: u64) -> Self {
        let told_at = now.plus_ms(hold_ms);
        let body = render(&snapshot, told_at);
        Self {
            forms: Forms::new(body, |encoding| etag(&snapshot, told_at, encoding)),
            true_until: snapshot.next_flip(told_at).map(|flip| flip.minus_ms(hold_ms)),
            snapshot,
        }
    }

    /// What it says, before anything is derived.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The body in both codings.
    #[must_use]
    pub const fn forms(&self) -> &Forms {
        &self.forms
    }

    /// Whether every flag in the bodies is true at `now`.
    #[must_use]
    pub fn is_true_at(&self, now: UnixMillis) -> bool {
        self.true_until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use pricecast_wire::Encoding;

    use super::*;
    use crate::test_support::{at, snapshot};

    #[test]
    fn both_forms_hold_the_same_body() {
        let publication = Publication::new(Arc::new(snapshot(1, at(0))), at(0), 0);
        let mut unzipped = String::new();
        let zipped = publication.forms().get(Encoding::Gzip).body();
        flate2::read::GzDecoder::new(&zipped[..]).read_to_string(&mut unzipped).unwrap();
        assert_eq!(unzipped, publication.forms().get(Encoding::Identity).body_text());
    }
}
