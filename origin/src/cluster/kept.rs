//! The snapshot as Redis keeps it: a body of the contract, and a head that says which one it is and
//! proves that it is whole. What is damaged, or of a schema this build does not know, is refused.

use std::fmt;

use pricecast_core::lease::EPOCH_MAX;
use pricecast_core::{Snapshot, SnapshotError, UnixMillis, Version, named};
use pricecast_wire::{ParseError, parse, render};

/// Which shape head and body have. Every schema's head begins `schema epoch seq`, so that the
/// order of snapshots is known whoever wrote them.
const SCHEMA: u32 = 1;

/// Head and body, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `schema epoch seq checksum`, parted by single spaces.
    pub head: String,
    /// A body of `GET /api/v1/prices`.
    pub body: Vec<u8>,
}

/// Why a stored snapshot is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is something, but no head of ours.
    #[error("its head {head:?} is none of ours")]
    Head {
        /// The beginning of it.
        head: String,
    },
    /// An older release wrote it.
    #[error("it is of schema {schema}, older than {SCHEMA}: a release from before wrote it")]
    Older {
        /// Its schema.
        schema: u32,
    },
    /// A newer release wrote it.
    #[error("it is of schema {schema}, newer than {SCHEMA}: a release to come wrote it")]
    Newer {
        /// Its schema.
        schema: u32,
    },
    /// Cut short, or changed by another hand.
    #[error("its body of {len} bytes is not the one its head was made for")]
    Checksum {
        /// The length of the body found.
        len: usize,
    },
    /// Whole, but no body we understand.
    #[error(transparent)]
    Body(#[from] ParseError),
    /// Head and body speak of different snapshots.
    #[error("its head says {head}, its body {body}")]
    Version {
        /// What the head says.
        head: Version,
        /// What the body says.
        body: Version,
    },
    /// It claims to know the future.
    #[error(transparent)]
    Stamps(#[from] SnapshotError),
}

named! {
    Refused {
        Head = "head",
        Older = "older_schema",
        Newer = "newer_schema",
        Checksum = "checksum",
        Body = "undecodable",
        Version = "version",
        Stamps = "from_the_future",
    }
}

impl Kept {
    /// Writes `snapshot` out at `now`.
    #[must_use]
    pub fn of(snapshot: &Snapshot, now: UnixMillis) -> Self {
        let body = render(snapshot, now).into_bytes();
        Self { head: head(snapshot.version, &body), body }
    }

    /// Reads it back at `now`.
    ///
    /// # Errors
    /// [`Refused`] when it must not be served.
    pub fn open(&self, now: UnixMillis) -> Result<Snapshot, Refused> {
        let version = self.version()?;
        if head(version, &self.body) != self.head {
            return Err(Refused::Checksum { len: self.body.len() });
        }
        let snapshot = parse(&self.body)?;
        if snapshot.version != version {
            return Err(Refused::Version { head: version, body: snapshot.version });
        }
        snapshot.check_stamps(now)?;
        Ok(snapshot)
    }

    /// What the head says of a schema that can be read.
    fn version(&self) -> Result<Version, Refused> {
        let mut words = self.head.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let read = (number(), number(), number());
        let (Some(schema), Some(epoch), Some(seq)) = read else { return Err(self.no_head()) };
        let schema = u32::try_from(schema).map_err(|_| self.no_head())?;
        match schema {
            _ if epoch > EPOCH_MAX => Err(self.no_head()),
            0..SCHEMA => Err(Refused::Older { schema }),
            SCHEMA => Ok(Version { epoch, seq }),
            _ => Err(Refused::Newer { schema }),
        }
    }

    fn no_head(&self) -> Refused {
        Refused::Head { head: self.head.chars().take(HEAD_SHOWN_CHARS_MAX).collect() }
    }
}

/// As long as one of ours can be.
const HEAD_SHOWN_CHARS_MAX: usize = 64;

fn head(version: Version, body: &[u8]) -> String {
    let Version { epoch, seq } = version;
    let order = format!("{SCHEMA} {epoch} {seq}");
    let sum = Checksum::of([order.as_bytes(), body]);
    format!("{order} {sum}")
}

/// FNV-1a, 64 bits: against accidents, not against enemies. Whoever may write to the Redis
/// may write what they like.
struct Checksum(u64);

impl Checksum {
    fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let bytes = parts.into_iter().flatten();
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, step))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{at, snapshot};

    fn kept() -> Kept {
        Kept::of(&snapshot(3, at(0)), at(0))
    }

    /// Why `kept` is refused.
    fn refusal(kept: &Kept) -> &'static str {
        kept.open(at(0)).map_err(|refused| refused.as_str()).unwrap_err()
    }

    #[test]
    fn what_is_kept_is_read_again() {
        assert_eq!(kept().open(at(0)).unwrap(), snapshot(3, at(0)));
    }

    #[test]
    fn what_is_kept_reads_for_other_releases_as_it_always_has() {
        let body = concat!(
            r#"{"prices":[{"symbol":"BTC","price":65000.10,"change24h":-1.90,"source":"kraken","asOf":1706900000000,"confirmedAt":1706900000000,"stale":false,"uncertain":false}],"#,
            r#""timestamp":1706900000000,"stale":false,"freshUntil":1706900005000,"mode":"live","seq":3,"epoch":7,"pollAfterMs":2500,"unavailable":[],"#,
            r#""sources":{"kraken":{"status":"connected","lastUpdate":1706900000000},"coinbase":{"status":"connected","lastUpdate":1706900000000}}}"#,
        );
        let kept = Kept { head: "1 7 3 0cda2def54b16bb9".to_owned(), body: body.into() };
        assert_eq!(kept, self::kept());
        assert_eq!(kept.open(at(0)).unwrap(), snapshot(3, at(0)));
    }

    #[test]
    fn a_body_cut_short_or_changed_anywhere_is_refused() {
        for len in [0, 1, kept().body.len() - 1] {
            let mut kept = kept();
            kept.body.truncate(len);
            assert_eq!(refusal(&kept), "checksum", "{len} bytes");
        }
        for index in 0..kept().body.len() {
            let mut kept = kept();
            kept.body[index] ^= 1;
            assert_eq!(refusal(&kept), "checksum", "byte {index}");
        }
    }

    #[test]
    fn a_head_for_another_place_in_the_order_is_refused() {
        let head = kept().head.replacen("1 7 3", "1 8 3", 1);
        assert_eq!(refusal(&Kept { head, ..kept() }), "checksum");
    }

    #[test]
    fn other_schemas_and_heads_that_are_none_are_told_apart() {
        for (head, reason) in [
            ("", "head"),
            ("1", "head"),
            ("1 7", "head"),
            ("1 x 3 0", "head"),
            ("1 18446744073709551615 3 0", "head"),
            ("9999999999 7 3 0", "head"),
            ("0 7 3 0", "older_schema"),
            ("2 7 3 whatever comes", "newer_schema"),
            ("1 7 3", "checksum"),
            ("1  7 3 0", "head"),
        ] {
            assert_eq!(refusal(&Kept { head: head.to_owned(), ..kept() }), reason, "{head:?}");
        }
    }

    #[test]
    fn a_whole_body_that_says_something_else_is_refused() {
        let version = Version { epoch: 7, seq: 3 };
        for (body, reason) in [
            (&b"{}"[..], "undecodable"),
            (b"\xff\xfe", "undecodable"),
            (&Kept::of(&snapshot(4, at(0)), at(0)).body, "version"),
            (&Kept::of(&snapshot(3, at(1_001)), at(0)).body, "from_the_future"),
        ] {
            let kept = Kept { head: head(version, body), body: body.to_owned() };
            assert_eq!(refusal(&kept), reason);
        }
        assert!(Kept::of(&snapshot(3, at(1_000)), at(0)).open(at(0)).is_ok());
    }

    #[test]
    fn the_scripts_know_the_highest_epoch() {
        let line = format!("local EPOCH_MAX = {EPOCH_MAX}\n");
        assert!(include_str!("scripts/common.lua").contains(&line), "{line}");
    }
}
