//! The connection itself: whether it is up and online, and the last frame that proves what rides
//! on it.

use crate::event::SystemStatus;
use crate::snapshot::SourceReport;
use crate::source::{SourceReason, SourceStatus};
use crate::time::UnixMillis;

/// Confirmed within this is live; longer without a ticker or heartbeat is silence.
pub(super) const KRAKEN_DEADLINE_MS: u64 = 3_000;
/// Heartbeats come about every second, so a longer gap is a stall on the way; what arrives after
/// it was said before it.
const STALL_MS: u64 = 1_500;
/// How long the backlog of a stall may take to arrive. Until then a frame proves its own symbol
/// only: the news of another may still be behind it.
const SETTLE_MS: u64 = 300;

/// The connection, and what outlives it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    connected_at: Option<UnixMillis>,
    /// Why there is no connection.
    down_reason: SourceReason,
    /// `None` until this connection's first `status` frame: unknown is not online.
    system: Option<SystemStatus>,
    /// Last ticker or heartbeat frame on this connection.
    heard_at: Option<UnixMillis>,
    /// The backlog of a stall is expected until then.
    settled_at: UnixMillis,
    /// Last frame on this connection that proves the riding symbols.
    proved_at: Option<UnixMillis>,
    /// The same, over all connections.
    last_update: Option<UnixMillis>,
    /// Start of the present run of frames without a gap of the deadline or more.
    unbroken_since: UnixMillis,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            connected_at: None,
            down_reason: SourceReason::Starting,
            system: None,
            heard_at: None,
            settled_at: UnixMillis::default(),
            proved_at: None,
            last_update: None,
            unbroken_since: UnixMillis::default(),
        }
    }

    pub(super) fn on_connected(&mut self, at: UnixMillis) {
        self.connected_at = Some(at);
        self.system = None;
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
        self.system.replace(system)
    }

    /// A ticker or heartbeat frame arrived.
    pub(super) fn on_proof(&mut self, at: UnixMillis) {
        if !self.is_online() {
            return;
        }
        let heard_before = self.heard_at.replace(at);
        if heard_before.is_some_and(|before| at.ms_since(before) > STALL_MS) {
            self.settled_at = at.plus_ms(SETTLE_MS);
        }
        if at < self.settled_at {
            return;
        }
        if self.last_update.is_none_or(|last| at.ms_since(last) >= KRAKEN_DEADLINE_MS) {
            self.unbroken_since = at;
        }
        self.proved_at = Some(at);
        self.last_update = Some(at);
    }

    pub(super) fn is_online(&self) -> bool {
        self.connected_at.is_some() && self.system == Some(SystemStatus::Online)
    }

    /// Since when it has been connected, if its engine is online now.
    pub(super) fn online_since(&self) -> Option<UnixMillis> {
        self.connected_at.filter(|_| self.is_online())
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
        let is_silent = self.proved_at.is_none_or(|at| now.ms_since(at) >= KRAKEN_DEADLINE_MS);
        let (status, reason) = match (self.connected_at, self.system) {
            (None, _) => (SourceStatus::Down, Some(self.down_reason)),
            (_, Some(SystemStatus::NotTrading(reason))) => (SourceStatus::Stale, Some(reason)),
            _ if last_update.is_none() => (SourceStatus::Stale, Some(SourceReason::Starting)),
            _ if is_silent => (SourceStatus::Stale, Some(SourceReason::Silent)),
            _ => (SourceStatus::Connected, None),
        };
        SourceReport { status, reason, last_update }
    }
}
