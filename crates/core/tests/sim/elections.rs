//! What must hold of several instances and their Redis, beside the six promises: epochs only
//! grow, one instance speaks to the exchanges, another takes over in time.

use pricecast_core::lease::Order;
use pricecast_core::{Snapshot, Version};

use super::checks::ensure;
use super::instance::{CLOCK_OFF_MS_MAX, Instance};
use super::redis::{REPLICA_CLOCK_OFF_MS_MAX, RedisState};
use super::stamp;

/// A price confirmed after the leader's death is published within this.
const TAKEOVER_MS_MAX: u64 = 2_000;
/// So long after it can reach Redis again an instance may still lead beside another: its lease
/// may last, and one call goes.
const STOPS_WITHIN_MS: u64 = 1_000 + 200 + 50;
/// So long after it can reach Redis again its first call is answered.
const HEARS_WITHIN_MS: u64 = 50 + 200 + 50;
/// So long after an election others may not have heard of it: a look is due, and a call goes.
const UNHEARD_MS: u64 = 100 + 200;
/// So long after the last disturbance one instance leads.
const SETTLED_AFTER_MS: u64 = 2_500;

/// What is seen of the world at a step.
pub(crate) struct View<'a> {
    pub(crate) now: u64,
    pub(crate) instances: &'a [Instance],
    pub(crate) redis: RedisState,
    pub(crate) is_market_up: bool,
}

impl View<'_> {
    fn is_redis_up(&self) -> bool {
        self.redis == RedisState::Up
    }

    /// Who speaks to the exchanges.
    fn clients(&self) -> Vec<usize> {
        let ingests = |&index: &usize| self.instances[index].ingestion.is_some();
        (0..self.instances.len()).filter(ingests).collect()
    }
}

/// What may be asked of an instance.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// When it was last stopped or cut off, or Redis was not there.
    cut_off_at: u64,
    /// Until when it may lead beside another, or lose its lease: it was stopped or cut off, or Redis
    /// was slow.
    excused_until: u64,
    /// Until when it may not know how Redis is.
    blind_until: u64,
}

/// The leader was killed or stopped, and nothing else is wrong.
#[derive(Clone, Copy, Debug)]
struct Takeover {
    gone_at: u64,
    gone: usize,
}

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Elections {
    standings: Vec<Standing>,
    highest_granted: u64,
    granted_at: u64,
    highest_stored: Version,
    /// Until when not everybody has told Redis what it has forgotten.
    lost_until: u64,
    /// Redis has lost something when maybe nobody had heard of the last election.
    is_unheard: bool,
    disturbed_at: u64,
    redis_disturbed_at: u64,
    market_disturbed_at: u64,
    takeover: Option<Takeover>,
    double_since: Option<u64>,
    pub(crate) seen: Figures,
}

/// What is told of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) elections: u64,
    pub(crate) writes_refused: u64,
    /// From a leader that was killed or stopped, while all else was well.
    pub(crate) takeovers: u64,
    pub(crate) takeover_ms_max: u64,
    pub(crate) step_downs: u64,
    /// From the moment it could reach Redis again.
    pub(crate) step_down_ms_max: u64,
    /// For how long two spoke to the exchanges, one of them cut off or stopped.
    pub(crate) two_clients_ms: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.elections += other.elections;
        self.writes_refused += other.writes_refused;
        self.takeovers += other.takeovers;
        self.takeover_ms_max = self.takeover_ms_max.max(other.takeover_ms_max);
        self.step_downs += other.step_downs;
        self.step_down_ms_max = self.step_down_ms_max.max(other.step_down_ms_max);
        self.two_clients_ms += other.two_clients_ms;
    }
}

impl Elections {
    pub(crate) fn new(instances: usize) -> Self {
        Self { standings: vec![Standing::default(); instances], ..Self::default() }
    }

    /// Looks at the world after a step.
    pub(crate) fn observe(&mut self, view: &View<'_>) -> Result<(), String> {
        let now = view.now;
        for (index, instance) in view.instances.iter().enumerate() {
            self.observe_instance(view, index, instance);
        }
        if !view.is_redis_up() {
            self.redis_disturbed_at = self.redis_disturbed_at.max(now);
            self.disturbed_at = self.disturbed_at.max(now);
            self.takeover = None;
        }
        if !view.is_market_up {
            self.market_disturbed_at = now;
            self.takeover = None;
        }
        self.check_clients(view)?;
        let overdue = self.takeover.filter(|takeover| now > takeover.gone_at + TAKEOVER_MS_MAX);
        ensure!(overdue.is_none(), "nobody took over: {overdue:?}");
        Ok(())
    }

    fn observe_instance(&mut self, view: &View<'_>, index: usize, instance: &Instance) {
        let now = view.now;
        let standing = &mut self.standings[index];
        let is_stopped = instance.stopped.is_some();
        let is_blind = instance.cut.is_some() || !view.is_redis_up();
        if is_stopped || is_blind {
            standing.cut_off_at = now;
        }
        let was_excused = now <= standing.excused_until;
        // The two calls that the grace leaves an incumbent may take longer than that.
        let is_slow = view.redis == RedisState::Slow;
        if is_stopped || instance.cut.is_some() || is_slow || was_excused && is_blind {
            standing.excused_until = now + STOPS_WITHIN_MS;
        }
        if is_blind || is_stopped && now <= standing.blind_until {
            standing.blind_until = now + HEARS_WITHIN_MS;
        }
        if is_stopped || instance.cut.is_some() {
            self.disturbed_at = self.disturbed_at.max(now);
            self.takeover = self.takeover.filter(|takeover| takeover.gone == index);
        } else if instance.is_running() {
            // One that is back in time has not been missed.
            self.takeover = self.takeover.filter(|takeover| takeover.gone != index);
        }
    }

    fn check_clients(&mut self, view: &View<'_>) -> Result<(), String> {
        let (now, clients) = (view.now, view.clients());
        let unexcused = clients.iter().filter(|&&index| !self.is_excused(index, now)).count();
        ensure!(unexcused <= 1, "instances {clients:?} all speak to the exchanges");
        if clients.len() > 1 {
            self.double_since.get_or_insert(now);
        } else if let Some(since) = self.double_since.take() {
            self.seen.two_clients_ms += now - since;
        }
        let is_settled = now > self.disturbed_at + SETTLED_AFTER_MS;
        let any_up = view.instances.iter().any(|instance| instance.life.is_some());
        ensure!(
            !is_settled || !any_up || clients.len() == 1,
            "{clients:?} speak to the exchanges, {SETTLED_AFTER_MS} ms after the last disturbance"
        );
        Ok(())
    }

    fn is_excused(&self, index: usize, now: u64) -> bool {
        now <= self.standings[index].excused_until
    }

    // ── What happens ───────────────────────────────────────────────────────────────────────

    pub(crate) fn note_granted(
        &mut self,
        now: u64,
        epoch: u64,
        order: Order,
    ) -> Result<(), String> {
        self.seen.elections += 1;
        self.granted_at = now;
        let known = if let Order::Acquire { seen_epoch, .. } = order { seen_epoch } else { 0 };
        ensure!(epoch > known, "epoch {epoch} was granted to one that knew of {known}");
        let before = self.highest_granted;
        self.highest_granted = before.max(epoch);
        let may_be_lost = now <= self.lost_until;
        ensure!(epoch > before || may_be_lost, "epoch {epoch} was granted after {before}");
        // An election that Redis has lost before anyone else had heard of it: two lead for a call.
        if may_be_lost && (epoch <= before || self.is_unheard) {
            for standing in &mut self.standings {
                standing.excused_until = now + STOPS_WITHIN_MS;
            }
        }
        Ok(())
    }

    /// What is stored under an epoch that was granted while Redis had lost a higher one is over as soon
    /// as one that knows the higher has been heard.
    pub(crate) fn note_stored(&mut self, now: u64, version: Version) -> Result<(), String> {
        let before = self.highest_stored;
        self.highest_stored = before.max(version);
        let is_lost = before.epoch > self.highest_granted || now <= self.lost_until;
        ensure!(version >= before || is_lost, "{version} was stored after {before}");
        Ok(())
    }

    pub(crate) fn note_refused(&mut self) {
        self.seen.writes_refused += 1;
    }

    /// A process starts.
    pub(crate) fn note_start(&mut self, now: u64) {
        self.disturbed_at = self.disturbed_at.max(now);
        self.takeover = None;
    }

    /// Redis has lost something. A lease of another time may last longer by a clock that is behind;
    /// an epoch counts as lost until someone who knows of it has told Redis, and may be lost for good.
    pub(crate) fn note_loss(&mut self, view: &View<'_>) {
        self.disturbed_at = view.now + REPLICA_CLOCK_OFF_MS_MAX.unsigned_abs();
        self.redis_disturbed_at = self.disturbed_at;
        self.lost_until = view.now + HEARS_WITHIN_MS;
        self.is_unheard = view.now <= self.granted_at + UNHEARD_MS;
        self.takeover = None;
        let can_tell = |i: &&Instance| i.is_running() && i.cut.is_none();
        let who_can = view.instances.iter().filter(can_tell);
        let known = who_can.map(Instance::seen_epoch).max().unwrap_or(0);
        self.highest_granted = self.highest_granted.min(known);
    }

    /// An instance stops leading. That happens only where one was stopped or cut off lately: it, or
    /// another that led beside it since.
    pub(crate) fn note_step_down(&mut self, now: u64, index: usize) -> Result<(), String> {
        self.seen.step_downs += 1;
        let ms = now - self.standings[index].cut_off_at;
        let is_excused = (0..self.standings.len()).any(|index| self.is_excused(index, now));
        ensure!(is_excused, "instance {index} lost its lease without having been cut off");
        if ms <= STOPS_WITHIN_MS {
            self.seen.step_down_ms_max = self.seen.step_down_ms_max.max(ms);
        }
        Ok(())
    }

    /// A process is about to be killed or stopped.
    pub(crate) fn note_gone(&mut self, gone: usize, view: &View<'_>) {
        let now = view.now;
        let is_well = |index: usize| {
            now >= view.instances[index].started_at + SETTLED_AFTER_MS
                && view.instances[index].is_running()
                && !self.is_excused(index, now)
        };
        let mut up = (0..view.instances.len()).filter(|&i| view.instances[i].life.is_some());
        let is_quiet = now > self.redis_disturbed_at + SETTLED_AFTER_MS
            && now > self.market_disturbed_at + SETTLED_AFTER_MS;
        let can_take_over =
            up.clone().count() > 1 && up.all(is_well) && view.clients() == [gone] && is_quiet;
        self.disturbed_at = self.disturbed_at.max(now);
        self.takeover = can_take_over.then_some(Takeover { gone_at: now, gone });
    }

    pub(crate) fn note_published(
        &mut self,
        (now, index): (u64, usize),
        snapshot: &Snapshot,
    ) -> Result<(), String> {
        let epoch = snapshot.version.epoch;
        let may_not_know =
            now <= self.granted_at + STOPS_WITHIN_MS || now <= self.standings[index].blind_until;
        ensure!(
            epoch >= self.highest_granted || may_not_know,
            "instance {index} publishes under epoch {epoch}, which is over"
        );
        let Some(takeover) = self.takeover else { return Ok(()) };
        let gone_at = stamp(takeover.gone_at).plus_ms(CLOCK_OFF_MS_MAX.unsigned_abs());
        if snapshot.prices.iter().any(|point| point.confirmed_at > gone_at) {
            self.takeover = None;
            self.seen.takeovers += 1;
            self.seen.takeover_ms_max = self.seen.takeover_ms_max.max(now - takeover.gone_at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_has_lost_excuses_an_earlier_snapshot_until_one_that_knows_is_heard() {
        let version = |epoch, seq| Version { epoch, seq };
        for (now, stored, is_excused) in [
            (5_300, version(8, 1), true),
            (5_301, version(8, 1), false),
            (5_301, version(9, 2), true),
        ] {
            let mut elections = Elections::new(2);
            let acquire = Order::Acquire { ttl_ms: 1_000, seen_epoch: 7 };
            assert_eq!(elections.note_granted(1_000, 9, acquire), Ok(()));
            assert_eq!(elections.note_stored(1_100, version(9, 2)), Ok(()));
            elections.lost_until = 5_300;
            let verdict = elections.note_stored(now, stored);
            assert_eq!(verdict.is_ok(), is_excused, "{now} {stored}: {verdict:?}");
        }
    }

    #[test]
    fn two_elected_are_excused_only_where_redis_may_have_lost_the_first_before_anyone_heard() {
        for (lost_at, second_at, is_excused) in
            [(5_300, 5_600, true), (5_300, 5_601, false), (5_301, 5_600, false)]
        {
            let mut elections = Elections::new(2);
            let acquire = Order::Acquire { ttl_ms: 1_000, seen_epoch: 7 };
            assert_eq!(elections.note_granted(5_000, 9, acquire), Ok(()));
            let (now, redis) = (lost_at, RedisState::Up);
            elections.note_loss(&View { now, instances: &[], redis, is_market_up: true });
            assert_eq!(elections.note_granted(second_at, 10, acquire), Ok(()));
            let excused = (0..2).all(|index| elections.is_excused(index, second_at));
            assert_eq!(excused, is_excused, "{lost_at} {second_at}");
        }
    }
}
