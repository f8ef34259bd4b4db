//! A world in virtual time: two venues, an origin, one data centre of the edge, clients. All of
//! it is driven by one seed; a failing seed replays bit for bit.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod checks;
mod edge;
mod origin;
mod venue;

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use pricecast_core::{Snapshot, UnixMillis};

pub(crate) use checks::Checks;
use edge::DataCentre;
use origin::Origin;
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
    /// The origin saves its last snapshot.
    Save { run: u64 },
    /// The origin starts (again).
    OriginStart,
    /// A client asks an isolate; or one that waits looks again.
    Request { isolate: usize, life: u64, since: u64 },
    /// A piece of an isolate's refresh.
    Refresh { isolate: usize, life: u64, stage: edge::Stage },
    /// Something breaks.
    Fault,
    /// Something is mended.
    Heal(Fault),
}

/// What can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    KrakenSilent,
    KrakenRefuses,
    KrakenMaintenance,
    KrakenFrozenSymbol(usize),
    KrakenWay(venue::Way),
    CoinbaseHangs,
    CoinbaseErrors,
    OriginHangs,
}

/// What kind of world it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) length_ms: u64,
    /// How many isolates the data centre has; by lot if not given.
    pub(crate) isolates: Option<u64>,
    /// Pause between two requests to one isolate, at least and at most.
    pub(crate) pause_ms: (u64, u64),
    /// Whether things break.
    pub(crate) has_faults: bool,
    /// Whether the origin dates Kraken's frames by the pings answered before them, as it should;
    /// or takes each for as young as its arrival.
    pub(crate) dates_frames: bool,
}

/// The world.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) setting: Setting,
    pub(crate) rng: StdRng,
    queue: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    pub(crate) kraken: KrakenVenue,
    pub(crate) coinbase: CoinbaseVenue,
    pub(crate) origin: Option<Origin>,
    pub(crate) origin_hangs: bool,
    saved: Option<Snapshot>,
    last_epoch: u64,
    runs: u64,
    pub(crate) edge: DataCentre,
    pub(crate) checks: Checks,
}

/// The world's time as an epoch stamp.
pub(crate) fn stamp(now: u64) -> UnixMillis {
    UnixMillis::from_ms(T0_MS + now)
}

impl World {
    /// Runs one timeline of `length_ms` with faults; every promise is checked at every answer.
    pub(crate) fn run(seed: u64, setting: Setting) -> Checks {
        let mut rng = StdRng::seed_from_u64(seed);
        let edge = DataCentre::new(&mut rng, &setting);
        let mut world = Self {
            now: 0,
            setting,
            kraken: KrakenVenue::new(),
            coinbase: CoinbaseVenue::new(),
            origin: None,
            origin_hangs: false,
            saved: None,
            last_epoch: 0,
            runs: 0,
            checks: Checks::new(seed, edge.isolates(), edge.has_shared_cache),
            edge,
            rng,
            queue: BTreeMap::new(),
            next_event: 0,
        };
        world.begin();
        while let Some(((at, _), event)) = world.queue.pop_first() {
            if at > setting.length_ms {
                break;
            }
            world.now = at;
            world.happen(event);
        }
        world.checks.finish(setting.length_ms);
        world.checks
    }

    fn begin(&mut self) {
        for index in 0..SYMBOLS.len() {
            self.after(200, Event::Trade { on_kraken: true, index });
            self.after(300, Event::Trade { on_kraken: false, index });
        }
        self.after(500, Event::Heartbeat);
        self.after(0, Event::OriginStart);
        for isolate in 0..self.edge.isolates() {
            self.after(1_000, Event::Request { isolate, life: 0, since: 1_000 });
        }
        if self.setting.has_faults {
            self.after(12_000, Event::Fault);
        }
    }

    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.next_event += 1;
        self.queue.insert((self.now + ms, self.next_event), event);
    }

    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.rng.random_range(low..=high)
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
            Event::Save { run } => self.on_save(run),
            Event::OriginStart => self.on_origin_start(),
            Event::Request { isolate, life, since } => self.on_request(isolate, life, since),
            Event::Refresh { isolate, life, stage } => self.on_refresh(isolate, life, stage),
            Event::Fault => self.on_fault(),
            Event::Heal(fault) => self.on_heal(fault),
        }
    }

    fn on_fault(&mut self) {
        let next = self.between(2_000, 25_000);
        self.after(next, Event::Fault);
        let lasts = self.between(500, 20_000);
        self.checks.note_trouble(self.now, lasts);
        let index = self.rng.random_range(0..SYMBOLS.len());
        let fault = match self.rng.random_range(0..18) {
            0 | 1 => Fault::KrakenSilent,
            2 => Fault::KrakenRefuses,
            3 => Fault::KrakenMaintenance,
            4 => Fault::KrakenFrozenSymbol(index),
            5 => Fault::CoinbaseHangs,
            6 => Fault::CoinbaseErrors,
            7 => Fault::OriginHangs,
            8 => return self.kill_origin(lasts),
            9 => return self.lose_tick(index, venue::Frame::Garbage),
            10 => return self.lose_tick(index, venue::Frame::Refused(index)),
            11 => return self.kraken_spikes(index),
            12 => return self.market_crashes(index),
            13 => return self.drop_connection(),
            14 => Fault::KrakenWay(venue::Way::Slow { ms_max: self.between(100, 4_000) }),
            15 => Fault::KrakenWay(venue::Way::Narrow { frame_ms: self.between(100, 1_500) }),
            16 => Fault::KrakenWay(venue::Way::Held { until: self.now + lasts }),
            _ => return self.evict_isolate(),
        };
        self.begin_fault(fault);
        self.after(lasts, Event::Heal(fault));
        // Sometimes both venues at once: the worst case of promise 1.
        let hits_kraken = matches!(fault, Fault::KrakenSilent | Fault::KrakenWay(_));
        if hits_kraken && self.rng.random_bool(0.5) {
            self.begin_fault(Fault::CoinbaseHangs);
            self.after(lasts, Event::Heal(Fault::CoinbaseHangs));
        }
    }

    fn begin_fault(&mut self, fault: Fault) {
        match fault {
            Fault::KrakenSilent => self.kraken.is_silent = true,
            Fault::KrakenRefuses => {
                self.kraken.refuses = true;
                self.drop_connection();
            }
            Fault::KrakenMaintenance => {
                self.kraken.is_halted = true;
                self.send_frame(venue::Frame::System { is_online: false });
            }
            Fault::KrakenFrozenSymbol(index) => {
                self.kraken.frozen = Some(index);
                self.checks.note_frozen(index, self.now);
            }
            Fault::KrakenWay(way) => self.kraken.way = way,
            Fault::CoinbaseHangs => self.coinbase.hangs = true,
            Fault::CoinbaseErrors => self.coinbase.errors = true,
            Fault::OriginHangs => self.origin_hangs = true,
        }
    }

    fn on_heal(&mut self, fault: Fault) {
        match fault {
            Fault::KrakenSilent => {
                self.kraken.is_silent = false;
                self.flush_kraken();
            }
            Fault::KrakenRefuses => self.kraken.refuses = false,
            Fault::KrakenMaintenance => {
                self.kraken.is_halted = false;
                self.send_frame(venue::Frame::System { is_online: true });
            }
            Fault::KrakenFrozenSymbol(index) => {
                self.kraken.frozen = None;
                self.flush_kraken();
                self.checks.note_thawed(index, self.now);
            }
            Fault::KrakenWay(_) => {
                self.kraken.way = venue::Way::Clear;
                // What has piled up is still on its way.
                let backlog_ms = self.kraken.delivered_at.saturating_sub(self.now);
                self.checks.note_trouble(self.now, backlog_ms);
            }
            Fault::CoinbaseHangs => self.coinbase.hangs = false,
            Fault::CoinbaseErrors => self.coinbase.errors = false,
            Fault::OriginHangs => self.origin_hangs = false,
        }
    }
}
