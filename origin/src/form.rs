//! A body, written out once in both content codings and shared by all who ask for it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use pricecast_wire::Encoding;

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

/// The same body in both codings, each with its own tag.
#[derive(Clone, Debug)]
pub struct Forms {
    identity: Form,
    gzip: Form,
}

impl Forms {
    /// `body`, tagged by `tag`.
    #[must_use]
    pub fn new(body: String, tag: impl Fn(Encoding) -> String) -> Self {
        let zipped = gzip(body.as_bytes());
        Self {
            identity: Form::new(Encoding::Identity, body.into(), &tag(Encoding::Identity)),
            gzip: Form::new(Encoding::Gzip, zipped, &tag(Encoding::Gzip)),
        }
    }

    /// The body in that coding.
    #[must_use]
    pub const fn get(&self, encoding: Encoding) -> &Form {
        match encoding {
            Encoding::Identity => &self.identity,
            Encoding::Gzip => &self.gzip,
        }
    }
}

/// Ten times a second, so fast rather than small: level 6 saves 3 % more and takes twice as long.
pub(crate) fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}
