//! One isolate: the copy in its memory, its flight, what it knows of failures.

use super::EdgePolicy;
use super::copy::{CopyMeta, EdgeMillis};
use super::decision::{Decision, Served};
use super::turn::{CLAIM_MS, Turn, share_of};

/// The longest a request waits in all.
pub const WAIT_MAX_MS: u64 = 1_000;
/// One attempt at the origin, body included.
const FETCH_MS: u64 = 1_000;
/// An attempt is worth making only with so much time left.
const ATTEMPT_MIN_MS: u64 = 100;
/// So long before the flight's deadline an attempt is over, or a waiter would take over while its
/// failure is being noted.
const SETTLING_MS: u64 = 50;
/// Origins tried in one flight.
const ATTEMPTS_MAX: u32 = 2;
/// When it is not our turn, look again after this, give or take a quarter.
const LOOK_AGAIN_MS: u64 = 150;
/// A copy with a lower version is taken only after nothing fresh was held for this long: a machine
/// with an old clock has come back.
const ROLLBACK_AFTER_MS: u64 = 30_000;

/// A refresh under way. Later flights take over from one that has passed its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    id: u64,
    deadline: EdgeMillis,
    attempts: u32,
}

impl Flight {
    /// How long an attempt that begins at `now` may take.
    fn time_left_ms(&self, now: EdgeMillis) -> u64 {
        self.deadline.ms_since(now.plus_ms(SETTLING_MS)).min(FETCH_MS)
    }
}

/// What a refresh does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: the copy in memory is good enough, or another flight has taken over.
    Done,
    /// Read `turn` from the shared cache, then [`EdgeCache::settle_turn`].
    ReadTurn,
    /// Put the claim and fetch, then [`EdgeCache::settle_fetch`].
    Fetch {
        /// To be put into the shared cache as `turn`.
        claim: Turn,
        /// Where and for how long.
        attempt: Attempt,
    },
}

/// One attempt at an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which of the configured origins.
    pub origin: usize,
    /// Abort after this, body included.
    pub timeout_ms: u64,
}

/// What became of a fetch, and what to put into the shared cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The answer is in memory now: put it as `snap`; and `turn`, if failures are over.
    Adopted {
        /// To be put as `turn`.
        turn: Option<Turn>,
    },
    /// The answer is in memory, but its origin was left behind: put nothing, the next flight asks
    /// another one.
    LeftBehind,
    /// Try this one at once.
    TryNext(Attempt),
    /// It failed: put this as `turn`.
    Failed {
        /// To be put as `turn`.
        turn: Turn,
    },
    /// Another flight has taken over meanwhile: put nothing.
    Overtaken,
}

/// The state of one isolate. `B` is what the caller keeps with a copy: parsed snapshot, body.
#[derive(Debug)]
pub struct EdgeCache<B> {
    policy: EdgePolicy,
    /// Tells this isolate from the others of its data centre.
    id: u64,
    origins: usize,
    origin: usize,
    /// How many origins in a row were found left behind.
    left_behind: usize,
    copy: Option<(CopyMeta, B)>,
    /// Until when a price was fresh here, however old those of the present copy were when it came.
    fresh_until: EdgeMillis,
    flight: Option<Flight>,
    next_flight: u64,
    look_again_at: EdgeMillis,
    turn: Option<Turn>,
    rollbacks: u64,
}

impl<B> EdgeCache<B> {
    /// Knows nothing yet. `id` must differ between isolates; `origins` is how many there are.
    #[must_use]
    pub fn new(policy: EdgePolicy, id: u64, origins: usize) -> Self {
        Self {
            policy,
            id,
            origins: origins.max(1),
            origin: 0,
            left_behind: 0,
            copy: None,
            fresh_until: EdgeMillis::default(),
            flight: None,
            next_flight: 0,
            look_again_at: EdgeMillis::default(),
            turn: None,
            rollbacks: 0,
        }
    }

    /// The copy in memory.
    #[must_use]
    pub fn copy(&self) -> Option<(&CopyMeta, &B)> {
        self.copy.as_ref().map(|(meta, body)| (meta, body))
    }

    /// The copy's content, to render it anew.
    pub fn body_mut(&mut self) -> Option<(&CopyMeta, &mut B)> {
        self.copy.as_mut().map(|(meta, body)| (&*meta, body))
    }

    /// The policy it works by.
    #[must_use]
    pub const fn policy(&self) -> EdgePolicy {
        self.policy
    }

    /// What is known of the shared record, for `/health`.
    #[must_use]
    pub const fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref()
    }

    /// How often a lower version was taken because the held one had been stale for long.
    #[must_use]
    pub const fn rollbacks(&self) -> u64 {
        self.rollbacks
    }

    /// Until when the copy, as it is served at `now`, may be served again without asking
    /// [`EdgeCache::decide`], if nothing is settled before.
    #[must_use]
    pub fn hot_until(&self, now: EdgeMillis) -> Option<EdgeMillis> {
        let (meta, _) = self.copy.as_ref()?;
        match self.standing(now)? {
            Served::Hit => Some(meta.sent_at.plus_ms(self.policy.soft_ms)),
            Served::Revalidating => {
                let flight = self.flight.filter(|_| !self.may_start(now))?;
                Some(flight.deadline.min(meta.sent_at.plus_ms(self.policy.hard_ms)))
            }
            Served::LastKnown => None,
        }
    }

    /// What a request does at `now` that has waited `waited_ms` so far.
    pub fn decide(&self, now: EdgeMillis, waited_ms: u64) -> Decision {
        let start_refresh = self.may_start(now);
        let gives_up =
            waited_ms >= WAIT_MAX_MS || self.turn.is_some_and(|turn| turn.is_known_failure(now));
        match self.standing(now) {
            Some(Served::Hit) => Decision::Serve { served: Served::Hit, start_refresh: false },
            Some(Served::Revalidating) => {
                Decision::Serve { served: Served::Revalidating, start_refresh }
            }
            Some(Served::LastKnown) if gives_up => {
                Decision::Serve { served: Served::LastKnown, start_refresh }
            }
            None if gives_up => Decision::Unavailable { start_refresh },
            Some(Served::LastKnown) | None => Decision::Wait { start_refresh },
        }
    }

    /// Starts a refresh. Its pieces may be settled only with the flight returned.
    pub fn begin_refresh(&mut self, now: EdgeMillis) -> Flight {
        self.next_flight += 1;
        let flight = Flight { id: self.next_flight, deadline: now.plus_ms(CLAIM_MS), attempts: 0 };
        self.flight = Some(flight);
        flight
    }

    /// Takes what the shared cache holds as `snap`.
    pub fn settle_snap(
        &mut self,
        flight: Flight,
        now: EdgeMillis,
        offered: Option<(CopyMeta, B)>,
    ) -> NextStep {
        if let Some(offered) = offered {
            self.adopt_if_better(now, offered);
        }
        if self.is_overtaken(flight) {
            NextStep::Done
        } else if self.standing(now) == Some(Served::Hit) {
            self.flight = None;
            NextStep::Done
        } else {
            NextStep::ReadTurn
        }
    }

    /// Takes what the shared cache holds as `turn` (`None` too where there is no such cache) and
    /// says whether it is this isolate's turn to fetch. `jitter` is uniform in `[0, 1)`.
    pub fn settle_turn(
        &mut self,
        flight: Flight,
        now: EdgeMillis,
        turn: Option<Turn>,
        jitter: f64,
    ) -> NextStep {
        if self.is_overtaken(flight) {
            return NextStep::Done;
        }
        if let Some(turn) = turn.filter(|turn| self.turn.is_none_or(|own| turn.is_news_to(&own))) {
            self.turn = Some(turn);
        }
        if !self.is_my_turn(now) {
            let spread_ms = LOOK_AGAIN_MS / 2;
            let pause_ms = LOOK_AGAIN_MS - spread_ms / 2 + share_of(spread_ms, jitter);
            self.look_again_at = now.plus_ms(pause_ms);
            self.flight = None;
            return NextStep::Done;
        }
        let claim = Turn::claim(self.turn.as_ref(), self.id, now);
        self.turn = Some(claim);
        NextStep::Fetch { claim, attempt: self.attempt(flight.time_left_ms(now)) }
    }

    /// Takes the origin's answer, or its failure as `None`: anything but a decodable 200.
    /// `jitter` is uniform in `[0, 1)`.
    pub fn settle_fetch(
        &mut self,
        flight: &mut Flight,
        now: EdgeMillis,
        answer: Option<(CopyMeta, B)>,
        jitter: f64,
    ) -> Settled {
        if self.is_overtaken(*flight) {
            if let Some(answer) = answer {
                self.adopt_if_better(now, answer);
            }
            return Settled::Overtaken;
        }
        if let Some(answer) = answer {
            let was_left_behind = answer.0.was_left_behind;
            if self.adopt_unless_older(now, answer) {
                if was_left_behind {
                    self.left_behind = self.left_behind.saturating_add(1);
                    self.move_on();
                }
                let settled = self.succeed(now);
                return if self.asks_around() { Settled::LeftBehind } else { settled };
            }
        }
        flight.attempts += 1;
        let left_ms = flight.time_left_ms(now);
        // A second attempt that only ran out of the flight's time is due a whole one.
        if flight.attempts == 1 || left_ms > 0 {
            self.move_on();
        }
        if self.origins > 1 && flight.attempts < ATTEMPTS_MAX && left_ms >= ATTEMPT_MIN_MS {
            return Settled::TryNext(self.attempt(left_ms));
        }
        let turn = Turn::failed(self.turn.as_ref(), self.id, now, jitter);
        self.turn = Some(turn);
        self.flight = None;
        Settled::Failed { turn }
    }

    fn succeed(&mut self, now: EdgeMillis) -> Settled {
        let had_failed = self.turn.is_some_and(|turn| turn.fails > 0);
        let turn = Turn::succeeded(self.id, now);
        self.turn = Some(turn);
        self.flight = None;
        Settled::Adopted { turn: had_failed.then_some(turn) }
    }

    /// How the held copy may be served at `now`.
    fn standing(&self, now: EdgeMillis) -> Option<Served> {
        let (meta, _) = self.copy.as_ref()?;
        let age_ms = meta.age_ms(now).unwrap_or(u64::MAX);
        let asks_around = self.asks_around();
        Some(
            if meta.has_gone_stale(now, self.policy.hold_ms)
                || age_ms > self.policy.hard_ms
                || asks_around && meta.was_all_stale()
            {
                Served::LastKnown
            } else if asks_around || age_ms > self.policy.soft_ms {
                Served::Revalidating
            } else {
                Served::Hit
            },
        )
    }

    /// Whether the held copy came from an origin that is left behind, and others have not been asked
    /// since. Once all were, nobody is ahead: they are asked in turn, one a flight.
    fn asks_around(&self) -> bool {
        self.copy.as_ref().is_some_and(|(meta, _)| meta.was_left_behind)
            && (1..self.origins).contains(&self.left_behind)
    }

    fn may_start(&self, now: EdgeMillis) -> bool {
        !self.look_again_at.is_ahead_within(LOOK_AGAIN_MS * 2, now)
            && !self.flight.is_some_and(|flight| flight.deadline.is_ahead_within(CLAIM_MS, now))
    }

    fn is_my_turn(&self, now: EdgeMillis) -> bool {
        let Some(turn) = self.turn else { return true };
        let is_keeper = turn.by == self.id;
        let is_claimed = turn.is_claimed_by_other(self.id, now);
        if turn.fails > 0 {
            let patience_ms = if is_keeper { 0 } else { turn.patience_ms(self.id) };
            return !turn.is_held_off(patience_ms, now) && !is_claimed;
        }
        let age_ms = self.copy.as_ref().and_then(|(meta, _)| meta.age_ms(now));
        match age_ms {
            Some(age_ms) if age_ms <= self.policy.hard_ms => {
                let takes_over_at_ms = self.policy.soft_ms + turn.patience_ms(self.id);
                is_keeper || age_ms >= takes_over_at_ms && !is_claimed
            }
            _ => true,
        }
    }

    /// From the shared cache: adopted if better, never stamped anew. One of unknown age is better
    /// only than nothing.
    fn adopt_if_better(&mut self, now: EdgeMillis, offered: (CopyMeta, B)) {
        let is_better = self.copy.as_ref().is_none_or(|(held, _)| {
            offered.0.is_better_than(held) && offered.0.age_ms(now).is_some()
        });
        let is_rollback = self.is_rollback_due(now, &offered.0);
        if is_better || is_rollback {
            self.rollbacks += u64::from(is_rollback);
            self.keep(now, offered);
        }
    }

    /// From the origin: adopted unless older than what is held.
    fn adopt_unless_older(&mut self, now: EdgeMillis, offered: (CopyMeta, B)) -> bool {
        let is_older = self.copy.as_ref().is_some_and(|(held, _)| offered.0.version < held.version);
        if is_older && !self.is_rollback_due(now, &offered.0) {
            return false;
        }
        self.rollbacks += u64::from(is_older);
        self.keep(now, offered);
        true
    }

    /// What is stale when it comes ends what was fresh, and begins nothing.
    fn keep(&mut self, now: EdgeMillis, copy: (CopyMeta, B)) {
        let (is_first, meta) = (self.copy.is_none(), &copy.0);
        if !meta.was_left_behind {
            self.left_behind = 0;
        }
        let begins = is_first || meta.is_any_fresh(now);
        self.fresh_until = if begins { meta.fresh_until() } else { self.fresh_until.min(now) };
        self.copy = Some(copy);
    }

    fn is_rollback_due(&self, now: EdgeMillis, offered: &CopyMeta) -> bool {
        self.copy.as_ref().is_some_and(|(held, _)| offered.version < held.version)
            && offered.is_any_fresh(now)
            && now.ms_since(self.fresh_until) >= ROLLBACK_AFTER_MS
    }

    fn attempt(&self, timeout_ms: u64) -> Attempt {
        Attempt { origin: self.origin, timeout_ms }
    }

    fn move_on(&mut self) {
        self.origin = (self.origin + 1) % self.origins;
    }

    fn is_overtaken(&self, flight: Flight) -> bool {
        self.flight.is_none_or(|present| present.id != flight.id)
    }
}
