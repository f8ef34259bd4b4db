//! The connection itself: whether it is up and online, and for which moment its last frame proves
//! what rides on it.
//!
//! A frame proves what was so when it was *sent*, which nobody tells us; a slow or stalled way may
//! hold it back for seconds. But frames keep their order: what comes after the answer to a ping
//! was said after that ping had left. So that is the moment it proves, never the one it arrives.

use crate::event::SystemStatus;
use crate::snapshot::SourceReport;
use crate::source::{SourceReason, SourceStatus};
use crate::time::UnixMillis;

/// Confirmed within this is live; longer without a ticker or heartbeat is silence.
pub(super) const KRAKEN_DEADLINE_MS: u64 = 3_000;

/// Heartbeats come about every second, so a longer gap is a stall at the exchange: what has piled
/// up there may come in any order, the news of one symbol after a frame of another. What the way
/// held up, as a pong shows that was as late, does not count: it comes in order.
const STALL_MS: u64 = 1_500;

/// The connection, and what outlives it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    connected_at: Option<UnixMillis>,
    /// Why there is no connection.
    down_reason: SourceReason,
    /// `None` until this connection's first `status` frame: unknown is not online.
    system: Option<SystemStatus>,
    /// Whatever arrives now was said later than this: when the newest ping that was answered on
    /// this connection left, or before the first answer the subscription.
    said_since: UnixMillis,
    /// When the last stall was over. Only what was said later proves anything.
    stalled_until: UnixMillis,
    /// How long it was.
    stalled_ms: u64,
    /// What the last frame would prove if that stall is found to be the way's.
    withheld: Option<UnixMillis>,
    /// The longest round trip of the pings answered since the last ticker or heartbeat.
    round_trip_ms: u64,
    /// When the last ticker or heartbeat frame of this connection arrived.
    heard_at: Option<UnixMillis>,
    /// The moment for which it proves the riding symbols.
    proved_at: Option<UnixMillis>,
    /// The same, over all connections.
    last_update: Option<UnixMillis>,
    /// Start of the present run of proofs none of which came later than the deadline after the
    /// one before it.
    unbroken_since: UnixMillis,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            connected_at: None,
            down_reason: SourceReason::Starting,
            system: None,
            said_since: UnixMillis::default(),
            stalled_until: UnixMillis::default(),
            stalled_ms: 0,
            withheld: None,
            round_trip_ms: 0,
            heard_at: None,
            proved_at: None,
            last_update: None,
            unbroken_since: UnixMillis::default(),
        }
    }

    pub(super) fn on_connected(&mut self, at: UnixMillis) {
        self.connected_at = Some(at);
        self.said_since = at;
        self.system = None;
        self.round_trip_ms = 0;
        self.withheld = None;
        self.heard_at = None;
        self.proved_at = None;
    }

    pub(super) fn on_disconnected(&mut self, reason: SourceReason) {
        self.connected_at = None;
        self.proved_at = None;
        self.down_reason = reason;
    }

    /// Returns what it was before.
    pub(super) fn on_system(&mut self, system: SystemStatus) -> Option<SystemStatus> {
        self.withheld = self.withheld.filter(|_| system == SystemStatus::Online);
        self.system.replace(system)
    }

    /// A ping that left at `sent_at` was answered.
    pub(super) fn on_pong(&mut self, at: UnixMillis, sent_at: UnixMillis) {
        self.said_since = self.said_since.max(sent_at);
        let round_trip_ms = at.ms_since(sent_at);
        self.round_trip_ms = self.round_trip_ms.max(round_trip_ms);
        if sent_at < self.stalled_until && !is_stall(self.stalled_ms, round_trip_ms) {
            self.stalled_until = UnixMillis::default();
            if let (Some(proves), Some(heard_at)) = (self.withheld.take(), self.heard_at) {
                self.prove(heard_at, proves);
            }
        }
    }

    /// A ticker or heartbeat frame arrived.
    pub(super) fn on_proof(&mut self, at: UnixMillis) {
        if !self.is_online() {
            return;
        }
        let heard_before = self.heard_at.replace(at);
        let gap_ms = heard_before.map_or(0, |before| at.ms_since(before));
        if is_stall(gap_ms, std::mem::take(&mut self.round_trip_ms)) {
            self.stalled_until = at;
            self.stalled_ms = gap_ms;
        }
        let proves = self.said_since.min(at);
        if self.said_since < self.stalled_until {
            self.withheld = Some(proves);
        } else {
            self.withheld = None;
            self.prove(at, proves);
        }
    }

    /// The frame that arrived `at` that moment proves what rides for an earlier one.
    fn prove(&mut self, at: UnixMillis, proves: UnixMillis) {
        if self.last_update.is_none_or(|last| at.ms_since(last) >= KRAKEN_DEADLINE_MS) {
            self.unbroken_since = at;
        }
        self.proved_at = Some(proves);
        self.last_update = Some(proves);
    }

    pub(super) fn is_online(&self) -> bool {
        self.connected_at.is_some() && self.system == Some(SystemStatus::Online)
    }

    /// Since when it has been connected, if its engine is online now.
    pub(super) fn online_since(&self) -> Option<UnixMillis> {
        self.connected_at.filter(|_| self.is_online())
    }

    pub(super) fn is_heard_within(&self, now: UnixMillis, ms: u64) -> bool {
        self.heard_at.is_some_and(|at| now.ms_since(at) <= ms)
    }

    pub(super) const fn proved_at(&self) -> Option<UnixMillis> {
        self.proved_at
    }

    pub(super) const fn last_update(&self) -> Option<UnixMillis> {
        self.last_update
    }

    pub(super) const fn unbroken_since(&self) -> UnixMillis {
        self.unbroken_since
    }

    pub(super) fn report(&self, now: UnixMillis) -> SourceReport {
        let last_update = self.last_update;
        let is_past =
            |at: Option<UnixMillis>| at.is_none_or(|at| now.ms_since(at) >= KRAKEN_DEADLINE_MS);
        let (status, reason) = match (self.connected_at, self.system) {
            (None, _) => (SourceStatus::Down, Some(self.down_reason)),
            (_, Some(SystemStatus::NotTrading(reason))) => (SourceStatus::Stale, Some(reason)),
            _ if last_update.is_none() => (SourceStatus::Stale, Some(SourceReason::Starting)),
            _ if is_past(self.heard_at) => (SourceStatus::Stale, Some(SourceReason::Silent)),
            _ if is_past(self.proved_at) => (SourceStatus::Stale, Some(SourceReason::Lagging)),
            _ => (SourceStatus::Connected, None),
        };
        SourceReport { status, reason, last_update }
    }
}

/// Whether a gap between two frames is the exchange's, as far as the pings answered in it show.
const fn is_stall(gap_ms: u64, round_trip_ms: u64) -> bool {
    gap_ms.saturating_sub(round_trip_ms) > STALL_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::at;

    /// Frames came at 1,000 and, after a gap that may be the exchange's, at 5,000.
    fn stalled() -> Link {
        let mut link = Link::new();
        link.on_connected(at(0));
        link.on_system(SystemStatus::Online);
        link.on_pong(at(900), at(800));
        link.on_proof(at(1_000));
        link.on_pong(at(1_200), at(1_100));
        link.on_proof(at(5_000));
        assert_eq!(link.proved_at(), Some(at(800)), "withheld");
        link
    }

    #[test]
    fn a_pong_that_is_as_late_proves_what_was_withheld_unless_trading_has_ended_meanwhile() {
        let maintenance = SystemStatus::NotTrading(SourceReason::Maintenance);
        for (system, proved_at) in [(SystemStatus::Online, at(1_100)), (maintenance, at(800))] {
            let mut link = stalled();
            link.on_system(system);
            link.on_pong(at(5_010), at(1_150));
            assert_eq!(link.proved_at(), Some(proved_at), "{system:?}");
        }
    }

    #[test]
    fn only_a_ping_that_left_before_a_stall_was_over_tells_whose_it_was() {
        for (sent_ms, proved_at) in [(4_999, at(1_100)), (5_000, at(800))] {
            let mut link = stalled();
            link.on_pong(at(7_600), at(sent_ms));
            assert_eq!(link.proved_at(), Some(proved_at), "sent at {sent_ms}");
        }
    }

    #[test]
    fn proofs_are_unbroken_while_each_comes_less_than_three_seconds_after_the_one_before() {
        let mut link = Link::new();
        for (ms, since_ms) in [(1_000, 1_000), (3_999, 1_000), (6_999, 6_999)] {
            link.prove(at(ms), at(ms));
            assert_eq!(link.unbroken_since(), at(since_ms), "at {ms}");
        }
    }

    #[test]
    fn without_a_connection_it_is_down_whatever_was_said_before() {
        let down = |link: &Link, reason| {
            let report = link.report(at(1_000));
            assert_eq!((report.status, report.reason), (SourceStatus::Down, Some(reason)));
        };
        let mut link = Link::new();
        down(&link, SourceReason::Starting);
        link.on_connected(at(0));
        link.on_system(SystemStatus::Online);
        link.on_proof(at(900));
        let report = link.report(at(1_000));
        assert_eq!((report.status, report.reason), (SourceStatus::Connected, None));
        link.on_disconnected(SourceReason::Disconnected);
        down(&link, SourceReason::Disconnected);
        link.on_connected(at(950));
        link.on_system(SystemStatus::NotTrading(SourceReason::Maintenance));
        let report = link.report(at(1_000));
        let maintenance = Some(SourceReason::Maintenance);
        assert_eq!((report.status, report.reason), (SourceStatus::Stale, maintenance));
        link.on_disconnected(SourceReason::Disconnected);
        down(&link, SourceReason::Disconnected);
    }
}
