//! Redis, with the scripts that `pricecast_core::lease` describes, each one atomic step.

use std::collections::VecDeque;

use pricecast_core::lease::{Acquired, Holder, Look, Order, Refusal, Wrote};
use pricecast_core::{Snapshot, Version};

use super::{Mutation, T0_MS};

/// A failover may lose this much, no more.
pub(crate) const LOST_MS_MAX: u64 = 2_000;
/// The clock of a replica that takes over may be so far off.
pub(crate) const REPLICA_CLOCK_OFF_MS_MAX: i64 = 2_000;

/// One call, as it travels.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    /// Which run of which instance makes it.
    pub(crate) me: u64,
    pub(crate) order: Order,
    /// What a write carries.
    pub(crate) snapshot: Option<Snapshot>,
}

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Looked(Look, Option<Snapshot>),
    Acquired(Acquired),
    Wrote(Wrote),
    Error,
}

/// How Redis is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedisState {
    Up,
    /// No connection, or LOADING: an error at once.
    Refuses,
    /// Its machine is gone from the network: no answer, nothing done.
    Mute,
    /// Busy: what comes waits, and is done in order afterwards.
    Stalls,
    /// Each way to it takes long, and some calls longer than they may.
    Slow,
    /// A replica, or a full disk or memory: writes are answered with an error.
    ReadOnly,
}

#[derive(Clone, Debug)]
struct LeaseKey {
    owner: u64,
    epoch: u64,
    lapses_at: u64,
}

#[derive(Clone, Debug, Default)]
struct Keys {
    lease: Option<LeaseKey>,
    fence: u64,
    snapshot: Option<Snapshot>,
}

pub(crate) struct Redis {
    keys: Keys,
    /// What the keys were before each of the latest writes.
    past: VecDeque<(u64, Keys)>,
    /// How far its clock is ahead of the world's.
    clock_ms: i64,
    pub(crate) state: RedisState,
    pub(crate) waiting: Vec<Call>,
    mutation: Option<Mutation>,
}

/// What a script has done, for the checks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done {
    Nothing,
    Granted { epoch: u64 },
    Stored { version: Version },
}

impl Redis {
    pub(crate) fn new(mutation: Option<Mutation>) -> Self {
        Self {
            keys: Keys::default(),
            past: VecDeque::new(),
            clock_ms: 0,
            state: RedisState::Up,
            waiting: vec![],
            mutation,
        }
    }

    /// Another takes over that knows nothing and has its own clock.
    pub(crate) fn forget_everything(&mut self, clock_ms: i64) {
        self.keys = Keys::default();
        self.clock_ms = clock_ms;
    }

    /// A replica takes over that has missed the last writes and has its own clock.
    pub(crate) fn fail_over(&mut self, now: u64, lost_ms: u64, clock_ms: i64) {
        let lost_since = now.saturating_sub(lost_ms);
        while self.past.back().is_some_and(|(at, _)| *at >= lost_since) {
            if let Some((_, keys)) = self.past.pop_back() {
                self.keys = keys;
            }
        }
        self.clock_ms = clock_ms;
        self.waiting.clear();
    }

    /// Redis `TIME`, in ms.
    fn time_ms(&self, now: u64) -> u64 {
        (T0_MS + now).saturating_add_signed(self.clock_ms)
    }

    pub(crate) fn execute(&mut self, now: u64, call: &Call) -> (Answer, Done) {
        let is_read = matches!(call.order, Order::Look { .. })
            && self.mutation == Some(Mutation::LooksOnlyRead);
        if self.state == RedisState::ReadOnly && !is_read {
            return (Answer::Error, Done::Nothing);
        }
        let before = self.keys.clone();
        while self.past.front().is_some_and(|(at, _)| at + 2 * LOST_MS_MAX < now) {
            self.past.pop_front();
        }
        self.past.push_back((now, before));
        let time_ms = self.time_ms(now);
        self.keys.lease.take_if(|lease| lease.lapses_at <= time_ms);
        match call.order {
            Order::Look { seen_epoch, held, .. } => {
                let version = |snapshot: &Option<Snapshot>| snapshot.as_ref().map(|s| s.version);
                if version(&call.snapshot) > version(&self.keys.snapshot) {
                    self.keys.snapshot.clone_from(&call.snapshot);
                }
                (self.look(call.me, seen_epoch, held), Done::Nothing)
            }
            Order::Acquire { ttl_ms, seen_epoch } => {
                self.acquire(time_ms, call.me, ttl_ms, seen_epoch)
            }
            Order::Write { epoch, ttl_ms, .. } => self.write(time_ms, call, epoch, ttl_ms),
        }
    }

    fn fence(&self) -> u64 {
        self.keys.fence.max(self.keys.snapshot.as_ref().map_or(0, |s| s.version.epoch))
    }

    fn look(&mut self, me: u64, seen_epoch: u64, held: Version) -> Answer {
        let forgets = self.mutation == Some(Mutation::EpochsAreForgotten);
        self.keys.fence = self.fence().max(if forgets { 0 } else { seen_epoch });
        let holder = match &self.keys.lease {
            None => Holder::None,
            Some(lease) if lease.owner == me => Holder::Me { epoch: lease.epoch },
            Some(lease) => Holder::Other { epoch: lease.epoch },
        };
        let snapshot = self.keys.snapshot.clone().filter(|snapshot| snapshot.version > held);
        let version = snapshot.as_ref().map(|snapshot| snapshot.version);
        let is_behind = self.keys.snapshot.as_ref().is_none_or(|stored| stored.version < held);
        let look = Look { holder, fence_epoch: self.fence(), snapshot: version, is_behind };
        Answer::Looked(look, snapshot)
    }

    fn acquire(&mut self, time_ms: u64, me: u64, ttl_ms: u64, seen_epoch: u64) -> (Answer, Done) {
        let is_held = |lease: &&LeaseKey| lease.owner != me && lease.epoch >= seen_epoch;
        if let Some(lease) = self.keys.lease.as_ref().filter(is_held) {
            return (Answer::Acquired(Acquired::Held { epoch: lease.epoch }), Done::Nothing);
        }
        let forgets = self.mutation == Some(Mutation::EpochsAreForgotten);
        let seen_epoch = if forgets { 0 } else { seen_epoch };
        let epoch = time_ms.max(self.fence() + 1).max(seen_epoch + 1);
        self.keys.lease = Some(LeaseKey { owner: me, epoch, lapses_at: time_ms + ttl_ms });
        self.keys.fence = epoch;
        (Answer::Acquired(Acquired::Granted { epoch }), Done::Granted { epoch })
    }

    fn write(&mut self, time_ms: u64, call: &Call, epoch: u64, ttl_ms: u64) -> (Answer, Done) {
        let is_fenced = self.mutation != Some(Mutation::WritesAreNotFenced);
        if let Some(refusal) = self.refusal(call, epoch).filter(|_| is_fenced) {
            return (Answer::Wrote(Wrote::Refused(refusal)), Done::Nothing);
        }
        self.keys.lease = Some(LeaseKey { owner: call.me, epoch, lapses_at: time_ms + ttl_ms });
        let Some(snapshot) = &call.snapshot else {
            return (Answer::Wrote(Wrote::Done), Done::Nothing);
        };
        self.keys.snapshot = Some(snapshot.clone());
        (Answer::Wrote(Wrote::Done), Done::Stored { version: snapshot.version })
    }

    fn refusal(&self, call: &Call, epoch: u64) -> Option<Refusal> {
        let Some(lease) = &self.keys.lease else { return Some(Refusal::Absent) };
        if lease.owner != call.me {
            return Some(Refusal::Foreign { epoch: lease.epoch });
        }
        let highest = lease.epoch.max(self.fence());
        let (new, stored) = (call.snapshot.as_ref(), self.keys.snapshot.as_ref());
        let is_overtaken =
            new.zip(stored).is_some_and(|(new, stored)| stored.version > new.version);
        (highest != epoch || is_overtaken).then_some(Refusal::Fenced { epoch: highest })
    }

    /// Gives the lease back, if it is `me`'s.
    pub(crate) fn release(&mut self, me: u64) {
        self.keys.lease.take_if(|lease| lease.owner == me);
    }
}
