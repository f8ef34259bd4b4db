//! One snapshot, written out: body and entity tag for each content coding, good until the next
//! flag flips.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use pricecast_core::{Snapshot, UnixMillis};
use pricecast_wire::{Encoding, etag, render};

/// The body in one content coding.
#[derive(Clone, Debug)]
pub struct Form {
    encoding: Encoding,
    body: Bytes,
    etag: HeaderValue,
}

impl Form {
    fn new(encoding: Encoding, body: Bytes, etag: &str) -> Self {
        // A tag is digits, dashes and quotes: always a valid header value.
        let etag = HeaderValue::from_str(etag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { encoding, body, etag }
    }

    /// How it is coded.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The bytes, shared.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// Its tag, quotes included.
    #[must_use]
    pub fn etag(&self) -> &str {
        self.etag.to_str().unwrap_or_default()
    }

    /// Its tag as a header.
    #[must_use]
    pub const fn etag_header(&self) -> &HeaderValue {
        &self.etag
    }

    #[cfg(test)]
    pub(crate) fn body_text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A snapshot and its forms.
#[derive(Clone, Debug)]
pub struct Publication {
    snapshot: Arc<Snapshot>,
    identity: Form,
    gzip: Form,
    /// From then on a flag in the bodies would be untrue; `None`: they stay as they are.
    true_until: Option<UnixMillis>,
}

impl Publication {
    /// Writes `snapshot` out at `now`, for readers who may hold it for `hold_ms`.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, now: UnixMillis, hold_ms: u64) -> Self {
        let told_at = now.plus_ms(hold_ms);
        let body = render(&snapshot, told_at);
        let tag = |encoding| etag(&snapshot, told_at, encoding);
        let zipped = gzip(body.as_bytes());
        Self {
            identity: Form::new(Encoding::Identity, body.into(), &tag(Encoding::Identity)),
            gzip: Form::new(Encoding::Gzip, zipped, &tag(Encoding::Gzip)),
            true_until: snapshot.next_flip(told_at).map(|flip| flip.minus_ms(hold_ms)),
            snapshot,
        }
    }

    /// What it says, before anything is derived.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The body as it is.
    #[must_use]
    pub const fn identity(&self) -> &Form {
        &self.identity
    }

    /// The body compressed.
    #[must_use]
    pub const fn gzip(&self) -> &Form {
        &self.gzip
    }

    /// Whether every flag in the bodies is true at `now`.
    #[must_use]
    pub fn is_true_at(&self, now: UnixMillis) -> bool {
        self.true_until.is_none_or(|until| now < until)
    }
}

/// Ten times a second, so fast rather than small: level 6 saves 3 % more and takes twice as long.
fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::test_support::{at, snapshot};

    #[test]
    fn both_forms_hold_the_same_body() {
        let publication = Publication::new(Arc::new(snapshot(1, at(0))), at(0), 0);
        let mut unzipped = String::new();
        let zipped = publication.gzip().body();
        flate2::read::GzDecoder::new(&zipped[..]).read_to_string(&mut unzipped).unwrap();
        assert_eq!(unzipped, publication.identity().body_text());
    }
}
