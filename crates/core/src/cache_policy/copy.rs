//! One copy of a snapshot as an isolate holds it: how old it is, and what the origin's clock
//! says by now.

use crate::snapshot::{PricePoint, Snapshot, SnapshotError, Version};
use crate::time::UnixMillis;

/// A Worker's clock stands still between I/O and differs from machine to machine; a copy sent
/// this much "later" than now counts as just sent.
const CLOCK_BEHIND_MAX_MS: u64 = 250;

/// An origin is left behind when the newest confirmation in its answer is older than this. Where all
/// hear the exchanges, the last moment of a failover is 3.3 s old: the deadline of 3 s, a beat, and
/// 200 ms on the way to a follower. A body rendered a second ahead is flagged from 3.9 s on.
/// (Where Coinbase alone is live and asked every 3 s, origins that are well look left behind for a moment of
/// each interval: another one is asked then, which costs a fetch.)
const LEFT_BEHIND_AFTER_MS: u64 = 3_500;

/// The edge's own clock, in epoch milliseconds. Never compared with a stamp of the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeMillis(u64);

impl EdgeMillis {
    /// The instant `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`; 0 if `earlier` lies after `self`.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `ms` later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Whether it is still to come. One further ahead than `span_ms`, the most it can have been
    /// when it was set, comes of a clock that has been set back since, and counts as past.
    pub(super) const fn is_ahead_within(self, span_ms: u64, now: Self) -> bool {
        let ahead_ms = self.ms_since(now);
        0 < ahead_ms && ahead_ms <= span_ms
    }
}

/// What the policy needs to know of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyMeta {
    /// Its place in the order of snapshots.
    pub version: Version,
    /// The edge's clock when the request for it left. Adopting a copy never changes it.
    pub sent_at: EdgeMillis,
    /// The origin's clock when it answered (`Pricecast-Now`).
    pub origin_sent_at: UnixMillis,
    /// Whether the origin had heard nothing for so long that another one should be asked.
    pub was_left_behind: bool,
    /// The first instant after fetching, of the origin's clock, at which a price turns stale.
    goes_stale_at: Option<UnixMillis>,
    /// The instant, of the origin's clock, from which every price in it is stale.
    all_stale_at: UnixMillis,
}

impl CopyMeta {
    /// Describes a copy whose request left at `sent_at` and which the origin sent at
    /// `origin_sent_at` by its own clock.
    ///
    /// # Errors
    /// [`SnapshotError`] when a stamp in it lies in the origin's own future.
    pub fn new(
        snapshot: &Snapshot,
        sent_at: EdgeMillis,
        origin_sent_at: UnixMillis,
        hold_ms: u64,
    ) -> Result<Self, SnapshotError> {
        snapshot.check_stamps(origin_sent_at)?;
        let flips = || snapshot.prices.iter().map(PricePoint::flips_at);
        let newest = snapshot.prices.iter().map(|point| point.confirmed_at).max();
        let shown_at = origin_sent_at.plus_ms(hold_ms);
        Ok(Self {
            version: snapshot.version,
            sent_at,
            origin_sent_at,
            was_left_behind: newest
                .is_none_or(|at| origin_sent_at.ms_since(at) > LEFT_BEHIND_AFTER_MS),
            goes_stale_at: flips().filter(|&flip| flip > shown_at).min(),
            all_stale_at: flips().max().unwrap_or(origin_sent_at),
        })
    }

    /// Describes a copy of what does not turn stale by itself and has no order of its own: of two, the
    /// one fetched later is the better one.
    #[must_use]
    pub fn timeless(sent_at: EdgeMillis, origin_sent_at: UnixMillis) -> Self {
        Self {
            version: Version::default(),
            sent_at,
            origin_sent_at,
            was_left_behind: false,
            goes_stale_at: None,
            all_stale_at: origin_sent_at,
        }
    }

    /// Its age at `now`, since its request left. `None` when `now` lies clearly before that:
    /// the clocks disagree and nothing is known.
    #[must_use]
    pub fn age_ms(&self, now: EdgeMillis) -> Option<u64> {
        let is_known = now.plus_ms(CLOCK_BEHIND_MAX_MS) >= self.sent_at;
        is_known.then(|| now.ms_since(self.sent_at))
    }

    /// The origin's clock at `now`: errs by at most one round trip, always towards older. Where
    /// the age is not known, late enough for everything to be stale.
    #[must_use]
    pub fn origin_now(&self, now: EdgeMillis) -> UnixMillis {
        match self.age_ms(now) {
            Some(age_ms) => self.origin_sent_at.plus_ms(age_ms),
            None => self.origin_sent_at.max(self.all_stale_at),
        }
    }

    /// The first moment of the edge's clock at which `flip`, of the origin's clock, must show in
    /// a body that may be held for `hold_ms`.
    #[must_use]
    pub const fn shows_at(&self, flip: UnixMillis, hold_ms: u64) -> EdgeMillis {
        self.sent_at.plus_ms(flip.minus_ms(hold_ms).ms_since(self.origin_sent_at))
    }

    /// Whether a price that was shown fresh when this was fetched must be flagged by now.
    pub(super) fn has_gone_stale(&self, now: EdgeMillis, hold_ms: u64) -> bool {
        let shown_at = self.origin_now(now).plus_ms(hold_ms);
        self.goes_stale_at.is_some_and(|flip| shown_at >= flip)
    }

    /// Whether every price in it had to be flagged when it was fetched.
    pub(super) const fn was_all_stale(&self) -> bool {
        self.goes_stale_at.is_none()
    }

    /// Whether a price in it is fresh.
    pub(super) fn is_any_fresh(&self, now: EdgeMillis) -> bool {
        self.origin_now(now) < self.all_stale_at
    }

    /// Until when, of the edge's clock, one is; when it was sent, if none was then.
    pub(super) const fn fresh_until(&self) -> EdgeMillis {
        self.shows_at(self.all_stale_at, 0)
    }

    /// A copy of a later snapshot, or of the same one fetched later, is the better one.
    pub(super) fn is_better_than(&self, held: &Self) -> bool {
        (self.version, self.sent_at) > (held.version, held.sent_at)
    }
}
