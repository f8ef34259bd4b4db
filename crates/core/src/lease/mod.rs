//! Which of several instances speaks to the exchanges: what one of them does about the lease, as
//! a pure machine. Redis, timeouts and connections are the adapter's.
//!
//! Redis holds the lease (owner and epoch, expiring after [`LeaseParams::ttl_ms`]), the fence (the
//! highest epoch known to anyone) and the latest snapshot. It is spoken to in scripts, each one
//! atomic step. `me` names one run of one instance; `fence` below is the greater of the stored
//! fence and the stored snapshot's epoch:
//!
//! | script | what it does |
//! |---|---|
//! | `look(me, seen_epoch, held, snapshot?)` | raises the fence to `seen_epoch` if that is higher, and writes it in any case; stores the snapshot, which is the one `held`, where nothing is stored or one of a lower (epoch, seq); tells the lease, the fence, Redis `TIME`, and either the stored snapshot if it is not `held`, or that even now nothing is stored or one of a lower (epoch, seq). What is stored and cannot be read as a snapshot stays, and counts as neither |
//! | `acquire(me, ttl, seen_epoch)` | held by another under `seen_epoch` or a higher one: refused. Otherwise `epoch = max(TIME in ms, fence + 1, seen_epoch + 1)`; stores the lease under it and raises the fence to it |
//! | `write(me, epoch, ttl, snapshot?)` | no lease: refused [`Refusal::Absent`]; another's: [`Refusal::Foreign`]; not of this epoch, or the fence above it, or a later snapshot stored: [`Refusal::Fenced`]. Otherwise extends the lease and stores the snapshot |
//! | `release(me)` | drops the lease if it is `me`'s: for an orderly end, once ingestion has stopped |
//!
//! So at most one epoch is ever accepted at a time, whatever a participant believes: late, paused,
//! cut off. Because every look brings the highest epoch its sender has seen, the fence survives
//! a Redis that was emptied, or failed over to a replica that had missed its last writes. Because every
//! look writes, a Redis that refuses writes (read-only, disk or memory full) answers no looks: else
//! followers would wait out the grace on it, and one might be faster than the incumbent when it recovers.
//!
//! What follows from the rest:
//!
//! - **A leader whose calls fail goes on** ("detached"): nobody can be elected by a Redis that nobody
//!   reaches, so there is still one client of the exchanges. If only the leader is cut off, there
//!   are two until it can reach Redis again; its first call then stops it.
//! - **The incumbent retakes first.** A lease that is missing is acquired by its last holder at once, by others
//!   only after they have seen it missing for a grace.
//! - **A lease of an epoch lower than one has seen is a ghost**: a Redis that failed over has
//!   brought back what was over. It counts as missing, and may be taken from its holder.
//! - **A leader that stood still** (stopped, suspended, starved) finds its lease lapsed by its own
//!   clock: it writes before it publishes anything, see [`Lease::may_publish`].
//! - **Nobody leads before Redis has been reached once**: an instance that starts without it serves what
//!   it holds, flagged by age.
//! - **What one knows, all are told.** A follower that finds no snapshot, or one older than the one it holds, brings
//!   its own with its next look, at once; so of several the newest stays. And no follower acquires without a last look at the end of the grace. So one that
//!   knows nothing is elected on an emptied Redis only after it has adopted what the others know.
//! - **A follower adopts only what is newer** than what it holds. A snapshot of an earlier epoch than
//!   the latest seen is adopted too, if it is newer: it is the last thing the previous leader said.

mod effect;
mod params;
mod script;
#[cfg(test)]
mod tests;

pub use effect::{Effect, LeadReason, StepDownReason};
pub use params::LeaseParams;
pub use script::{Acquired, Holder, Look, Order, Refusal, Wrote};

use crate::snapshot::Version;
use crate::time::UnixMillis;

/// The highest epoch that is believed: JavaScript and Lua count exactly up to 2^53, and there must be
/// room for the elections to come. A higher one comes of a damaged file.
pub const EPOCH_MAX: u64 = (1 << 53) - (1 << 40);

/// One instance's part in the lease.
///
/// The adapter asks [`Lease::poll_order`], makes that one call, gives it up after
/// [`LeaseParams::call_timeout_ms`], and settles it; then acts on the effects. Instants are of the
/// process clock, which must go on while the machine sleeps.
#[derive(Clone, Debug)]
pub struct Lease {
    params: LeaseParams,
    seen_epoch: u64,
    held: Version,
    role: Role,
    /// When the call under way was made.
    called_at: Option<UnixMillis>,
    /// When the next regular call is due.
    due_at: UnixMillis,
    /// After a failure nothing is called before this.
    retry_at: UnixMillis,
    is_reachable: bool,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Follower(Follower),
    Leader(Leader),
}

#[derive(Clone, Copy, Debug, Default)]
struct Follower {
    missing: Option<Missing>,
    /// The last look found no snapshot.
    is_behind: bool,
}

/// The lease was seen missing, in looks without a gap.
#[derive(Clone, Copy, Debug)]
struct Missing {
    since: UnixMillis,
    seen_at: UnixMillis,
}

#[derive(Clone, Copy, Debug)]
struct Leader {
    epoch: u64,
    /// Until then no other can have been elected, as far as this one can know.
    trusted_until: UnixMillis,
    unwritten: Option<Version>,
    /// The lease is gone or superseded: it must be acquired anew.
    is_lost: bool,
}

impl Role {
    const FOLLOWER: Self = Self::Follower(Follower { missing: None, is_behind: false });
}

impl Lease {
    /// A follower that holds the snapshot `held`, or none ([`Version::default`]): its epoch is the
    /// highest it has seen.
    #[must_use]
    pub fn new(params: LeaseParams, held: Version) -> Self {
        let held = if is_believable(held.epoch) { held } else { Version::default() };
        Self {
            params,
            seen_epoch: held.epoch,
            held,
            role: Role::FOLLOWER,
            called_at: None,
            due_at: UnixMillis::default(),
            retry_at: UnixMillis::default(),
            is_reachable: true,
        }
    }

    /// The epoch it leads under, if it leads.
    #[must_use]
    pub const fn leads(&self) -> Option<u64> {
        match self.role {
            Role::Leader(Leader { epoch, .. }) => Some(epoch),
            Role::Follower(_) => None,
        }
    }

    /// Until when, exclusively, this leader may publish; past instants for a follower.
    ///
    /// Renewed by each write that was done, and by each call that failed in time: while
    /// Redis cannot be reached nobody is elected. It runs out when the process
    /// stands still; then nothing is published before a call has been settled.
    #[must_use]
    pub const fn publishes_until(&self) -> UnixMillis {
        match self.role {
            Role::Leader(leader) => leader.trusted_until,
            Role::Follower(_) => UnixMillis::from_ms(0),
        }
    }

    /// Whether what is ingested may be published at `now`.
    #[must_use]
    pub fn may_publish(&self, now: UnixMillis) -> bool {
        now < self.publishes_until()
    }

    /// The highest epoch this instance knows of.
    #[must_use]
    pub const fn seen_epoch(&self) -> u64 {
        self.seen_epoch
    }

    /// The latest snapshot it holds, published or adopted.
    #[must_use]
    pub const fn held(&self) -> Version {
        self.held
    }

    /// It leads no more, if it did: ingestion has ended. Whether it led.
    pub fn resign(&mut self) -> bool {
        matches!(std::mem::replace(&mut self.role, Role::FOLLOWER), Role::Leader(_))
    }

    /// Tells of a publication under the present epoch. It is written as soon as no call is under
    /// way; of several, the last.
    pub fn note_published(&mut self, version: Version) {
        self.held = self.held.max(version);
        if let Role::Leader(leader) = &mut self.role
            && leader.epoch == version.epoch
        {
            leader.unwritten = Some(version);
        }
    }

    /// The call to be made at `now`, if one is due. It must be settled before there is another.
    pub fn poll_order(&mut self, now: UnixMillis) -> Option<Order> {
        if now < self.poll_timeout()? {
            return None;
        }
        self.called_at = Some(now);
        let (ttl_ms, seen_epoch) = (self.params.ttl_ms, self.seen_epoch);
        Some(match self.role {
            Role::Leader(Leader { is_lost: true, .. }) => Order::Acquire { ttl_ms, seen_epoch },
            Role::Leader(Leader { epoch, unwritten, .. }) => {
                Order::Write { epoch, ttl_ms, snapshot: unwritten }
            }
            Role::Follower(Follower { missing: Some(missing), .. })
                if self.is_grace_over(missing) && self.is_recent(missing, now) =>
            {
                Order::Acquire { ttl_ms, seen_epoch }
            }
            Role::Follower(follower) => {
                Order::Look { seen_epoch, held: self.held, is_brought: self.brings(follower) }
            }
        })
    }

    /// When [`Lease::poll_order`] has the next call; `None` while one is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        if self.called_at.is_some() {
            return None;
        }
        let due_at = match self.role {
            Role::Leader(Leader { is_lost, unwritten, .. }) if is_lost || unwritten.is_some() => {
                UnixMillis::default()
            }
            Role::Follower(follower) if self.brings(follower) => UnixMillis::default(),
            Role::Follower(Follower { missing: Some(missing), .. }) => {
                // A last look when the grace ends, and at once what follows from it.
                let is_over = self.is_grace_over(missing);
                let end = missing.since.plus_ms(self.params.grace_ms);
                if is_over { UnixMillis::default() } else { self.due_at.min(end) }
            }
            Role::Leader(_) | Role::Follower(_) => self.due_at,
        };
        Some(due_at.max(self.retry_at))
    }

    /// Takes the answer to [`Order::Look`].
    pub fn settle_look(&mut self, now: UnixMillis, look: Look) -> Vec<Effect> {
        let called_at = self.settle(now);
        let mut effects = self.reached();
        self.see(look.fence_epoch);
        self.see(look.holder.epoch());
        let is_better = |v: &Version| *v > self.held && is_believable(v.epoch);
        if let Some(version) = look.snapshot.filter(is_better) {
            self.see(version.epoch);
            self.held = version;
            effects.push(Effect::Adopt { version });
        }
        self.due_at = called_at.plus_ms(self.params.look_every_ms);
        let (is_prompt, seen_epoch) = (self.is_prompt(called_at, now), self.seen_epoch);
        if let Role::Follower(Follower { missing, is_behind }) = &mut self.role {
            *is_behind = look.is_behind;
            // A lease in our own name is one whose grant we never heard of: as good as none.
            let is_held = matches!(look.holder, Holder::Other { epoch } if epoch >= seen_epoch);
            let is_missing = is_prompt && !is_held;
            let since = missing.map_or(now, |missing| missing.since);
            *missing = is_missing.then_some(Missing { since, seen_at: now });
        }
        effects
    }

    /// Takes the answer to [`Order::Acquire`].
    pub fn settle_acquire(&mut self, now: UnixMillis, answer: Acquired) -> Vec<Effect> {
        if let Some(called_at) = self.called_at
            && !self.is_prompt(called_at, now)
        {
            // What was true when it was answered may not be any more: ask again.
            return self.settle_failure(now);
        }
        // No election gives an epoch that has been seen, or that nobody can lead under.
        let is_possible = |epoch| is_believable(epoch) && epoch > self.seen_epoch;
        if matches!(answer, Acquired::Granted { epoch } if !is_possible(epoch)) {
            return self.settle_failure(now);
        }
        let called_at = self.settle(now);
        let mut effects = self.reached();
        match answer {
            Acquired::Granted { epoch } => {
                self.see(epoch);
                let reason = match self.role {
                    Role::Leader(_) => LeadReason::Retaken,
                    Role::Follower(_) => LeadReason::Elected,
                };
                self.role = Role::Leader(Leader {
                    epoch,
                    trusted_until: called_at.plus_ms(self.params.ttl_ms),
                    unwritten: None,
                    is_lost: false,
                });
                self.due_at = called_at.plus_ms(self.params.renew_every_ms);
                effects.push(Effect::Lead { epoch, reason });
            }
            Acquired::Held { epoch } => {
                self.see(epoch);
                effects.extend(self.follow(now, epoch, StepDownReason::Overtaken));
            }
        }
        effects
    }

    /// Takes the answer to [`Order::Write`] of that snapshot, if there was one in it.
    pub fn settle_write(
        &mut self,
        now: UnixMillis,
        written: Option<Version>,
        answer: Wrote,
    ) -> Vec<Effect> {
        let called_at = self.settle(now);
        let mut effects = self.reached();
        let Role::Leader(leader) = &mut self.role else { return effects };
        if leader.trusted_until <= called_at {
            let lapsed_ms = called_at.ms_since(leader.trusted_until);
            effects.push(Effect::StoodStill { lapsed_ms });
        }
        match answer {
            Wrote::Done => {
                leader.trusted_until = called_at.plus_ms(self.params.ttl_ms);
                // A later publication may have come while this one was on its way.
                leader.unwritten = leader.unwritten.filter(|&version| Some(version) != written);
                self.due_at = called_at.plus_ms(self.params.renew_every_ms);
            }
            Wrote::Refused(Refusal::Absent) => leader.is_lost = true,
            Wrote::Refused(Refusal::Foreign { epoch }) if epoch < leader.epoch => {
                leader.is_lost = true;
            }
            Wrote::Refused(Refusal::Fenced { epoch }) => {
                leader.is_lost = true;
                self.see(epoch);
            }
            Wrote::Refused(Refusal::Foreign { epoch }) => {
                self.see(epoch);
                effects.extend(self.follow(now, epoch, StepDownReason::Foreign));
            }
        }
        effects
    }

    /// The call under way failed, timed out, or was answered with an error.
    pub fn settle_failure(&mut self, now: UnixMillis) -> Vec<Effect> {
        let called_at = self.settle(now);
        let is_prompt = self.is_prompt(called_at, now);
        match &mut self.role {
            Role::Follower(follower) => {
                *follower = Follower::default();
                self.due_at = called_at.plus_ms(self.params.look_every_ms);
            }
            Role::Leader(leader) => {
                leader.is_lost = false;
                self.due_at = now;
                if is_prompt {
                    leader.trusted_until = now.plus_ms(self.params.ttl_ms);
                }
            }
        }
        if !is_prompt {
            // It "timed out" while the process stood still, which says nothing of Redis.
            return vec![];
        }
        self.retry_at = now.plus_ms(self.params.retry_after_ms);
        let was_reachable = std::mem::replace(&mut self.is_reachable, false);
        if was_reachable { vec![Effect::Unreachable { leads: self.leads() }] } else { vec![] }
    }

    fn settle(&mut self, now: UnixMillis) -> UnixMillis {
        self.called_at.take().unwrap_or(now)
    }

    fn reached(&mut self) -> Vec<Effect> {
        let was_reachable = std::mem::replace(&mut self.is_reachable, true);
        if was_reachable { vec![] } else { vec![Effect::Reachable] }
    }

    fn follow(&mut self, now: UnixMillis, epoch: u64, reason: StepDownReason) -> Option<Effect> {
        self.due_at = now;
        match std::mem::replace(&mut self.role, Role::FOLLOWER) {
            Role::Leader(Leader { epoch: own_epoch, .. }) => {
                Some(Effect::StepDown { own_epoch, epoch, reason })
            }
            Role::Follower(_) => None,
        }
    }

    fn see(&mut self, epoch: u64) {
        if is_believable(epoch) {
            self.seen_epoch = self.seen_epoch.max(epoch);
        }
    }

    /// Whether a call was settled about when it should: the process has not stood still.
    const fn is_prompt(&self, called_at: UnixMillis, now: UnixMillis) -> bool {
        now.ms_since(called_at) <= 2 * self.params.call_timeout_ms
    }

    /// Whether Redis has no snapshot, and this one holds one.
    fn brings(&self, follower: Follower) -> bool {
        follower.is_behind && self.held > Version::default()
    }

    const fn is_grace_over(&self, missing: Missing) -> bool {
        missing.seen_at.ms_since(missing.since) >= self.params.grace_ms
    }

    /// Whether the lease was seen missing just now: the process has not stood still since.
    const fn is_recent(&self, missing: Missing, now: UnixMillis) -> bool {
        let gap_max_ms = self.params.look_every_ms + 2 * self.params.call_timeout_ms;
        now.ms_since(missing.seen_at) <= gap_max_ms
    }
}

const fn is_believable(epoch: u64) -> bool {
    epoch <= EPOCH_MAX
}
