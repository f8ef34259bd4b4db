//! The instances of the origin: their processes, and what they do about the lease.

use pricecast_core::lease::{Effect, Lease, LeaseParams, Order, Refusal, Wrote};
use pricecast_core::{Publisher, Snapshot, UnixMillis};
use rand::RngExt;

use super::checks::Place;
use super::origin::Ingestion;
use super::redis::{Answer, Call, Done, RedisState};
use super::{Event, Mutation, World, stamp};

const SAVE_EVERY_MS: u64 = 10_000;
/// What an instance's clock, set by Redis `TIME`, may differ from the world's.
pub(crate) const CLOCK_OFF_MS_MAX: i64 = 25;

/// What is cut between an instance and Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Both,
    /// Requests arrive and take effect, answers are lost.
    Answers,
}

/// One machine and the process on it.
pub(crate) struct Instance {
    /// The present process; none while it is down.
    pub(crate) life: Option<u64>,
    pub(crate) started_at: u64,
    clock_ms: i64,
    /// Takes connections and never answers.
    pub(crate) is_hanging: bool,
    /// Stopped by a signal: what happens meanwhile comes afterwards.
    pub(crate) stopped: Option<Vec<Event>>,
    pub(crate) cut: Option<Cut>,
    /// On its disk.
    saved: Option<Snapshot>,
    /// What it serves.
    pub(crate) latest: Option<Snapshot>,
    pub(crate) ingestion: Option<Ingestion>,
    /// None where there is one instance and no Redis.
    lease: Option<Lease>,
    /// The call under way.
    call: Option<Call>,
    wake: u64,
}

impl Instance {
    pub(crate) fn new(clock_ms: i64) -> Self {
        Self {
            life: None,
            started_at: 0,
            clock_ms,
            is_hanging: false,
            stopped: None,
            cut: None,
            saved: None,
            latest: None,
            ingestion: None,
            lease: None,
            call: None,
            wake: 0,
        }
    }

    /// Its process clock when the world's says `now`.
    pub(crate) fn clock(&self, now: u64) -> UnixMillis {
        UnixMillis::from_ms(stamp(now).as_ms().saturating_add_signed(self.clock_ms))
    }

    pub(crate) fn may_publish(&self, now: u64) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.may_publish(self.clock(now)))
    }

    /// The highest epoch it knows of.
    pub(crate) fn seen_epoch(&self) -> u64 {
        self.lease.as_ref().map_or(0, Lease::seen_epoch)
    }

    pub(crate) fn lose_disk(&mut self) {
        self.saved = None;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.life.is_some() && self.stopped.is_none()
    }

    pub(crate) fn hangs(&self) -> bool {
        self.is_hanging || self.stopped.is_some()
    }
}

impl World {
    fn whose_life(&self, life: u64) -> Option<usize> {
        self.instances.iter().position(|instance| instance.life == Some(life))
    }

    /// The instance to whose process an event happens.
    pub(crate) fn whose_event(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Frame { connection, .. } => self.whose_connection(*connection),
            Event::Connect { run }
            | Event::Poll { run }
            | Event::Polled { run, .. }
            | Event::PingDue { run, .. }
            | Event::Assess { run } => self.whose_run(*run),
            Event::Save { life }
            | Event::Wake { life, .. }
            | Event::Answered { life, .. }
            | Event::TimedOut { life, .. } => self.whose_life(*life),
            _ => None,
        }
    }

    // ── Processes ──────────────────────────────────────────────────────────────────────────

    pub(crate) fn on_start(&mut self, index: usize) {
        let life = self.next_number();
        let now = self.now;
        let is_alone = self.redis.is_none();
        let params = self.params();
        let instance = &mut self.instances[index];
        instance.life = Some(life);
        instance.started_at = now;
        instance.latest = instance.saved.clone();
        let held = instance.saved.as_ref().map_or_else(Default::default, |s| s.version);
        self.checks.forget(Place::Origin(index));
        self.elections.note_start(now);
        instance.lease = (!is_alone).then(|| Lease::new(params, held));
        self.after(SAVE_EVERY_MS, Event::Save { life });
        if is_alone {
            self.last_epoch = stamp(now).as_ms().max(self.last_epoch + 1);
            return self.start_ingestion(index, self.last_epoch);
        }
        self.drive(index);
    }

    fn params(&self) -> LeaseParams {
        let grace_ms = match self.setting.mutation {
            Some(Mutation::NoGrace) => 0,
            _ => LeaseParams::default().grace_ms,
        };
        LeaseParams { grace_ms, ..LeaseParams::default() }
    }

    /// `kill -9`, and after a while a new start.
    pub(crate) fn kill(&mut self, index: usize, down_ms: u64) {
        if self.instances[index].life.is_none() {
            return;
        }
        let (view, elections) = self.view();
        elections.note_gone(index, &view);
        self.trace(|| format!("origin {index} is killed for {down_ms} ms"));
        self.instances[index].life = None;
        self.stop_ingestion(index);
        let instance = &mut self.instances[index];
        instance.stopped = None;
        instance.latest = None;
        instance.lease = None;
        instance.call = None;
        self.after(down_ms, Event::Start { instance: index });
    }

    /// `SIGTERM`, and after a while a new start.
    pub(crate) fn end(&mut self, index: usize, down_ms: u64) {
        let life = self.instances[index].life;
        self.kill(index, down_ms);
        if let Some((redis, life)) = self.redis.as_mut().zip(life) {
            redis.release(life);
        }
    }

    /// `SIGSTOP`.
    pub(crate) fn stop(&mut self, index: usize) {
        if self.instances[index].is_running() {
            let (view, elections) = self.view();
            elections.note_gone(index, &view);
            self.instances[index].stopped = Some(vec![]);
        }
    }

    /// `SIGCONT`: what has come meanwhile is taken in its order, but whether a timeout or the
    /// answer it waited for is seen first is a matter of luck.
    pub(crate) fn resume(&mut self, index: usize) {
        let Some(mut events) = self.instances[index].stopped.take() else { return };
        if self.rng.random_bool(0.5) {
            events.sort_by_key(|event| !matches!(event, Event::TimedOut { .. }));
        }
        for event in events {
            self.after(0, event);
        }
    }

    pub(crate) fn on_save(&mut self, life: u64) {
        let Some(index) = self.whose_life(life) else { return };
        let instance = &mut self.instances[index];
        instance.saved = instance.latest.clone().or(instance.saved.take());
        self.after(SAVE_EVERY_MS, Event::Save { life });
    }

    /// An ingestion has something new.
    pub(crate) fn published(&mut self, index: usize, snapshot: Snapshot) {
        self.checks.note_published(stamp(self.now), &snapshot);
        let verdict = self.elections.note_published((self.now, index), &snapshot);
        self.judge(verdict);
        let instance = &mut self.instances[index];
        if let Some(lease) = &mut instance.lease {
            lease.note_published(snapshot.version);
        }
        instance.latest = Some(snapshot);
        self.drive(index);
    }

    // ── The lease ──────────────────────────────────────────────────────────────────────────

    /// Makes the call that is due, or sees to it that it is made when it is.
    fn drive(&mut self, index: usize) {
        let now = self.now;
        let instance = &mut self.instances[index];
        let clock = instance.clock(now);
        let (Some(life), Some(lease)) = (instance.life, &mut instance.lease) else { return };
        if let Some(order) = lease.poll_order(clock) {
            let carries = match order {
                Order::Look { is_brought, .. } => is_brought,
                Order::Acquire { .. } => false,
                Order::Write { snapshot, .. } => snapshot.is_some(),
            };
            let snapshot = instance.latest.clone().filter(|_| carries);
            return self.call(index, life, order, snapshot);
        }
        if let Some(due_at) = lease.poll_timeout() {
            instance.wake += 1;
            let wake = instance.wake;
            self.after(due_at.ms_since(clock), Event::Wake { life, wake });
        }
    }

    pub(crate) fn on_wake(&mut self, life: u64, wake: u64) {
        let Some(index) = self.whose_life(life) else { return };
        if self.instances[index].wake == wake {
            self.drive(index);
        }
    }

    fn call(&mut self, index: usize, life: u64, order: Order, snapshot: Option<Snapshot>) {
        let call = Call { number: self.next_number(), me: life, order, snapshot };
        self.instances[index].call = Some(call.clone());
        let timeout_ms = LeaseParams::default().call_timeout_ms;
        self.after(timeout_ms, Event::TimedOut { life, call: call.number });
        if self.instances[index].cut != Some(Cut::Both) {
            let ms = self.way_to_redis_ms();
            self.after(ms, Event::Called(call));
        }
    }

    fn way_to_redis_ms(&mut self) -> u64 {
        if self.redis.as_ref().is_some_and(|redis| redis.state == RedisState::Slow) {
            return self.between(30, 125);
        }
        let most = if self.rng.random_bool(0.02) { 20 } else { 3 };
        self.between(0, most)
    }

    /// A call arrives at Redis.
    pub(crate) fn on_called(&mut self, call: &Call) {
        let Some(redis) = &mut self.redis else { return };
        match redis.state {
            RedisState::Mute => {}
            RedisState::Stalls => redis.waiting.push(call.clone()),
            RedisState::Refuses => self.answer(call, Answer::Error),
            RedisState::Up | RedisState::Slow | RedisState::ReadOnly => self.execute(call),
        }
    }

    /// Redis is itself again, and does what has piled up.
    pub(crate) fn redis_recovers(&mut self) {
        let Some(redis) = &mut self.redis else { return };
        redis.state = RedisState::Up;
        for call in std::mem::take(&mut redis.waiting) {
            self.execute(&call);
        }
    }

    fn execute(&mut self, call: &Call) {
        let Some(redis) = &mut self.redis else { return };
        let (answer, done) = redis.execute(self.now, call);
        let verdict = match done {
            Done::Nothing => Ok(()),
            Done::Granted { epoch } => self.elections.note_granted(self.now, epoch, call.order),
            Done::Stored { version } => self.elections.note_stored(self.now, version),
        };
        self.judge(verdict);
        if matches!(answer, Answer::Wrote(Wrote::Refused(_))) {
            self.elections.note_refused();
        }
        self.answer(call, answer);
    }

    fn answer(&mut self, call: &Call, answer: Answer) {
        let Some(index) = self.whose_life(call.me) else { return };
        if self.instances[index].cut.is_none() {
            let ms = self.way_to_redis_ms();
            self.after(ms, Event::Answered { life: call.me, call: call.number, answer });
        }
    }

    pub(crate) fn on_answered(&mut self, life: u64, number: u64, answer: Answer) {
        let Some((index, call)) = self.take_call(life, number) else { return };
        let clock = self.instances[index].clock(self.now);
        let gives_way = self.setting.mutation == Some(Mutation::IncumbentsGiveWay);
        let Some(lease) = &mut self.instances[index].lease else { return };
        let mut adopted = None;
        let effects = match answer {
            Answer::Error => lease.settle_failure(clock),
            Answer::Looked(look, snapshot) => {
                adopted = snapshot;
                lease.settle_look(clock, look)
            }
            Answer::Acquired(acquired) => lease.settle_acquire(clock, acquired),
            Answer::Wrote(wrote) => {
                let written = call.snapshot.map(|snapshot| snapshot.version);
                let foreign = Wrote::Refused(Refusal::Foreign { epoch: lease.seen_epoch() });
                let is_absent = wrote == Wrote::Refused(Refusal::Absent);
                let wrote = if gives_way && is_absent { foreign } else { wrote };
                lease.settle_write(clock, written, wrote)
            }
        };
        self.obey(index, effects, adopted);
    }

    pub(crate) fn on_timed_out(&mut self, life: u64, number: u64) {
        let Some((index, _)) = self.take_call(life, number) else { return };
        let clock = self.instances[index].clock(self.now);
        let Some(lease) = &mut self.instances[index].lease else { return };
        let effects = lease.settle_failure(clock);
        self.obey(index, effects, None);
    }

    /// The call of that number, if it is still waited for.
    fn take_call(&mut self, life: u64, number: u64) -> Option<(usize, Call)> {
        let index = self.whose_life(life)?;
        let call = self.instances[index].call.take_if(|call| call.number == number)?;
        Some((index, call))
    }

    fn obey(&mut self, index: usize, effects: Vec<Effect>, mut adopted: Option<Snapshot>) {
        for effect in effects {
            if effect.is_transition() {
                self.trace(|| format!("origin {index}: {effect}"));
            }
            match effect {
                Effect::Lead { epoch, .. } => match &mut self.instances[index].ingestion {
                    Some(ingestion) => ingestion.publisher = Publisher::new(epoch),
                    None => self.start_ingestion(index, epoch),
                },
                Effect::StepDown { .. } => {
                    let verdict = self.elections.note_step_down(self.now, index);
                    self.judge(verdict);
                    self.stop_ingestion(index);
                }
                Effect::Adopt { .. } => {
                    let adopted = adopted.take();
                    self.instances[index].latest = adopted.or(self.instances[index].latest.take());
                }
                Effect::Unreachable { .. } | Effect::Reachable | Effect::StoodStill { .. } => {}
            }
        }
        self.drive(index);
    }
}
