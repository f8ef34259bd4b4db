//! A world in virtual time: two venues, an origin or several with their Redis, one data centre of the
//! edge, clients. All of it is driven by one seed; a failing seed replays bit for bit.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod checks;
mod edge;
mod elections;
mod faults;
mod instance;
mod origin;
mod redis;
mod venue;

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use pricecast_core::UnixMillis;

pub(crate) use checks::Checks;
use checks::Place;
use edge::DataCentre;
pub(crate) use elections::Figures;
use elections::{Elections, View};
use faults::Fault;
pub(crate) use faults::{ComesBack, Trouble, Troubles};
pub(crate) use instance::Cut;
use instance::Instance;
use redis::Redis;
pub(crate) use redis::RedisState;
use venue::{CoinbaseVenue, KrakenVenue};

/// The world's zero, as epoch time.
const T0_MS: u64 = 1_706_900_000_000;
/// Longest way of a message from a venue, one way.
pub(crate) const UPSTREAM_LATENCY_MAX_MS: u64 = 50;
const SYMBOLS: [(&str, i64); 3] = [("BTC", 6_743_215), ("ETH", 351_244), ("SOL", 14_120)];

/// Everything that can happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A trade moves one venue's price of a symbol.
    Trade { on_kraken: bool, index: usize },
    /// Kraken's own heartbeat.
    Heartbeat,
    /// A frame of a connection arrives at the origin.
    Frame { connection: u64, frame: venue::Frame },
    /// A ping of the origin arrives at Kraken.
    Ping { connection: u64, sent_at: u64 },
    /// Kraken answers a subscription.
    Snapshot { connection: u64, index: usize },
    /// The origin tries to connect to Kraken.
    Connect { run: u64 },
    /// The origin's poller is due.
    Poll { run: u64 },
    /// A poll ends: with what Coinbase said, or not at all.
    Polled { run: u64, sent_at: u64, answer: Option<venue::Answer> },
    /// The origin is to ping Kraken.
    PingDue { run: u64, connection: u64 },
    /// The origin draws conclusions, publishes, watches its connection.
    Assess { run: u64 },
    /// An instance saves its last snapshot.
    Save { life: u64 },
    /// An instance starts (again).
    Start { instance: usize },
    /// An instance has something to ask of Redis.
    Wake { life: u64, wake: u64 },
    /// A call arrives at Redis.
    Called(redis::Call),
    /// Redis' answer arrives.
    Answered { life: u64, call: u64, answer: redis::Answer },
    /// A call has taken too long.
    TimedOut { life: u64, call: u64 },
    /// Somebody asks each instance directly.
    Probe,
    /// A client asks an isolate; or one that waits looks again.
    Request { isolate: usize, life: u64, since: u64 },
    /// A piece of an isolate's refresh.
    Refresh { isolate: usize, life: u64, stage: edge::Stage },
    /// Something breaks, by lot.
    Fault,
    /// Something breaks, by the script.
    Trouble { trouble: Trouble, lasts: u64 },
    /// Something is mended.
    Heal(Fault),
}

/// What is taken out of the design, to see that the checks miss it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Redis stores whatever it is sent.
    WritesAreNotFenced,
    /// A follower takes a lease as soon as it sees none.
    NoGrace,
    /// A leader whose lease is missing stops.
    IncumbentsGiveWay,
    /// The epoch of an election counts from what Redis remembers alone.
    EpochsAreForgotten,
    /// A leader that stood still publishes at once.
    PublishesAtOnce,
    /// A look writes nothing, so that a Redis that refuses writes answers it.
    LooksOnlyRead,
}

impl Mutation {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WritesAreNotFenced => "without_fence",
            Self::NoGrace => "without_grace",
            Self::IncumbentsGiveWay => "incumbents_give_way",
            Self::EpochsAreForgotten => "epochs_forgotten",
            Self::PublishesAtOnce => "publishing_at_once",
            Self::LooksOnlyRead => "looks_only_read",
        }
    }
}

/// What kind of world it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) length_ms: u64,
    /// How many isolates the data centre has; by lot if not given.
    pub(crate) isolates: Option<u64>,
    /// Pause between two requests to one isolate, at least and at most.
    pub(crate) pause_ms: (u64, u64),
    pub(crate) troubles: Troubles,
    /// How many instances of the origin, at least and at most; one alone has no Redis.
    pub(crate) instances: (usize, usize),
    pub(crate) mutation: Option<Mutation>,
    /// Whether to tell what breaks and who leads.
    pub(crate) is_traced: bool,
    /// Whether the origin dates Kraken's frames by the pings answered before them, as it should;
    /// or takes each for as young as its arrival.
    pub(crate) dates_frames: bool,
}

/// The world.
pub(crate) struct World {
    pub(crate) now: u64,
    seed: u64,
    pub(crate) setting: Setting,
    pub(crate) rng: StdRng,
    queue: BTreeMap<(u64, u64), Event>,
    numbers: u64,
    pub(crate) kraken: KrakenVenue,
    pub(crate) coinbase: CoinbaseVenue,
    pub(crate) instances: Vec<Instance>,
    pub(crate) redis: Option<Redis>,
    last_epoch: u64,
    pub(crate) edge: DataCentre,
    pub(crate) checks: Checks,
    pub(crate) elections: Elections,
    violation: Option<String>,
}

/// What a timeline has shown.
pub(crate) struct Seen {
    pub(crate) checks: Checks,
    pub(crate) elections: Figures,
}

/// The world's time as an epoch stamp.
pub(crate) fn stamp(now: u64) -> UnixMillis {
    UnixMillis::from_ms(T0_MS + now)
}

impl World {
    /// Runs one timeline; every promise is checked at every answer.
    ///
    /// # Errors
    /// What was first seen to be wrong, with the seed and the time.
    pub(crate) fn run(seed: u64, setting: Setting) -> Result<Seen, String> {
        let mut rng = StdRng::seed_from_u64(seed);
        let (least, most) = setting.instances;
        let count = rng.random_range(least..=most);
        let edge = DataCentre::new(&mut rng, &setting, count);
        let mut clock_ms = || match count {
            1 => 0,
            _ => rng.random_range(-instance::CLOCK_OFF_MS_MAX..=instance::CLOCK_OFF_MS_MAX),
        };
        let instances = (0..count).map(|_| Instance::new(clock_ms())).collect();
        let mut world = Self {
            now: 0,
            seed,
            setting,
            kraken: KrakenVenue::new(),
            coinbase: CoinbaseVenue::new(),
            instances,
            redis: (count > 1).then(|| Redis::new(setting.mutation)),
            last_epoch: 0,
            checks: Checks::new(edge.isolates(), count, edge.has_shared_cache),
            elections: Elections::new(count),
            edge,
            rng,
            queue: BTreeMap::new(),
            numbers: 0,
            violation: None,
        };
        world.begin();
        while let Some(((at, _), event)) = world.queue.pop_first() {
            if at > setting.length_ms {
                break;
            }
            world.now = at;
            world.step(event);
            if let Some(violation) = world.violation {
                return Err(violation);
            }
        }
        let verdict = world.checks.finish(setting.length_ms);
        world.judge(verdict);
        match world.violation {
            Some(violation) => Err(violation),
            None => Ok(Seen { checks: world.checks, elections: world.elections.seen }),
        }
    }

    /// Tells what happens, of a seed that is run alone.
    pub(crate) fn trace(&self, told: impl FnOnce() -> String) {
        if self.setting.is_traced {
            println!("{:>7} ms: {}", self.now, told());
        }
    }

    /// Notes what is wrong.
    pub(crate) fn judge(&mut self, verdict: Result<(), String>) {
        if let Err(told) = verdict {
            // `make sim SEED` plays what `Random` does; another timeline is of its test alone.
            let of = match self.setting.troubles {
                Troubles::Random => String::new(),
                troubles => format!(" of this test alone, {troubles:?}"),
            };
            let told = format!("seed {}{of}, {} ms: {told}", self.seed, self.now);
            self.violation.get_or_insert(told);
        }
    }

    fn begin(&mut self) {
        for index in 0..SYMBOLS.len() {
            self.after(200, Event::Trade { on_kraken: true, index });
            self.after(300, Event::Trade { on_kraken: false, index });
        }
        self.after(500, Event::Heartbeat);
        for instance in 0..self.instances.len() {
            self.after(instance as u64 * 7, Event::Start { instance });
        }
        // Several instances have to elect one before anything can be known.
        let first_at = if self.redis.is_some() { 2_000 } else { 1_000 };
        for isolate in 0..self.edge.isolates() {
            self.after(first_at, Event::Request { isolate, life: 0, since: first_at });
        }
        match self.setting.troubles {
            Troubles::None => return,
            Troubles::Random => self.after(12_000, Event::Fault),
            Troubles::Script(script) => {
                for &(at, lasts, trouble) in script {
                    self.after(at, Event::Trouble { trouble, lasts });
                }
            }
        }
        self.after(first_at, Event::Probe);
    }

    /// A number nobody else has.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        let number = self.next_number();
        self.queue.insert((self.now + ms, number), event);
    }

    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.rng.random_range(low..=high)
    }

    fn step(&mut self, event: Event) {
        let whose = self.whose_event(&event);
        if let Some(stopped) = whose.and_then(|index| self.instances[index].stopped.as_mut()) {
            return stopped.push(event);
        }
        self.happen(event);
        if self.redis.is_some() {
            let (view, elections) = self.view();
            let verdict = elections.observe(&view);
            self.judge(verdict);
        }
    }

    /// What is to be judged, and who judges.
    pub(crate) fn view(&mut self) -> (View<'_>, &mut Elections) {
        let view = View {
            now: self.now,
            instances: &self.instances,
            redis: self.redis.as_ref().map_or(RedisState::Up, |redis| redis.state),
            is_market_up: self.kraken.is_up() && self.coinbase.is_up(),
        };
        (view, &mut self.elections)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Trade { on_kraken, index } => self.on_trade(on_kraken, index),
            Event::Heartbeat => self.on_heartbeat(),
            Event::Frame { connection, frame } => self.on_frame(connection, frame),
            Event::Ping { connection, sent_at } => self.on_ping(connection, sent_at),
            Event::PingDue { run, connection } => self.on_ping_due(run, connection),
            Event::Snapshot { connection, index } => self.on_snapshot(connection, index),
            Event::Connect { run } => self.on_connect(run),
            Event::Poll { run } => self.on_poll(run),
            Event::Polled { run, sent_at, answer } => self.on_polled(run, sent_at, answer),
            Event::Assess { run } => self.on_assess(run),
            Event::Save { life } => self.on_save(life),
            Event::Start { instance } => self.on_start(instance),
            Event::Wake { life, wake } => self.on_wake(life, wake),
            Event::Called(call) => self.on_called(&call),
            Event::Answered { life, call, answer } => self.on_answered(life, call, answer),
            Event::TimedOut { life, call } => self.on_timed_out(life, call),
            Event::Probe => self.on_probe(),
            Event::Request { isolate, life, since } => self.on_request(isolate, life, since),
            Event::Refresh { isolate, life, stage } => self.on_refresh(isolate, life, stage),
            Event::Fault => self.on_fault(),
            Event::Trouble { trouble, lasts } => self.on_trouble(trouble, lasts),
            Event::Heal(fault) => self.on_heal(fault),
        }
    }

    /// What each instance would answer by itself.
    fn on_probe(&mut self) {
        for index in 0..self.instances.len() {
            let instance = &self.instances[index];
            let Some(latest) = instance.latest.as_ref().filter(|_| !instance.hangs()) else {
                continue;
            };
            let verdict = self.checks.note_answer(
                (self.now, Place::Origin(index)),
                latest,
                instance.clock(self.now).plus_ms(checks::HOLD_MS),
                (&self.kraken.paths, &self.coinbase.paths),
            );
            self.judge(verdict);
        }
        let pause = self.between(50, 300);
        self.after(pause, Event::Probe);
    }
}
