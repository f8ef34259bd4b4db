//! The venues: true price paths, and what their interfaces say of them.

use std::collections::BTreeMap;

use rand::RngExt;

use super::{Event, SYMBOLS, UPSTREAM_LATENCY_MAX_MS, World};

/// A venue's own price over time, in hundredths.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    changes: Vec<(u64, i64)>,
    /// Which change brought each price last.
    latest: BTreeMap<i64, usize>,
}

impl Path {
    fn new(price: i64) -> Self {
        Self { changes: vec![(0, price)], latest: BTreeMap::from([(price, 0)]) }
    }

    pub(crate) fn price(&self) -> i64 {
        self.changes[self.changes.len() - 1].1
    }

    pub(crate) fn move_to(&mut self, now: u64, price: i64) {
        let price = price.max(1);
        self.latest.insert(price, self.changes.len());
        self.changes.push((now, price));
    }

    /// When the venue last had that price, up to `now`; `None` if it never had.
    pub(crate) fn last_had(&self, price: i64, now: u64) -> Option<u64> {
        let held = self.latest.get(&price)?;
        Some(self.changes.get(held + 1).map_or(now, |&(left_at, _)| left_at.min(now)))
    }

    fn at(&self, now: u64) -> i64 {
        let next = self.changes.partition_point(|&(since, _)| since <= now);
        self.changes[next.saturating_sub(1)].1
    }

    /// How much further `price` was from the venue's than the `other` venue was, at its closest in
    /// `[from, now]`, in basis points.
    pub(crate) fn closest_bp(&self, price: i64, other: &Self, (from, now): (u64, u64)) -> i64 {
        let since = |path: &Self| path.changes.partition_point(|&(at, _)| at < from);
        let changed = [self, other].into_iter().flat_map(|path| &path.changes[since(path)..]);
        let moments = changed.map(|&(at, _)| at).filter(|&at| at <= now).chain([from, now]);
        let further_bp = |at| bp(self.at(at), price) - self.apart_bp(other, at);
        moments.map(further_bp).min().unwrap_or(0)
    }

    /// How far apart two venues were.
    pub(crate) fn apart_bp(&self, other: &Self, at: u64) -> i64 {
        bp(self.at(at), other.at(at))
    }
}

fn bp(price: i64, other: i64) -> i64 {
    (price - other).abs() * 10_000 / price.max(1)
}

/// A price in hundredths as the exchange writes it.
pub(crate) fn text(price: i64) -> String {
    format!("{}.{:02}", price / 100, price % 100)
}

pub(crate) fn paths() -> Vec<Path> {
    SYMBOLS.iter().map(|&(_, price)| Path::new(price)).collect()
}

/// What arrives on the WebSocket.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    System {
        is_online: bool,
    },
    Tick {
        index: usize,
        price: i64,
        is_snapshot: bool,
    },
    Refused(usize),
    Heartbeat,
    /// The answer to a ping that left the origin at that time.
    Pong {
        sent_at: u64,
    },
    Garbage,
    Closed,
}

/// What the way from Kraken does to its frames. They always keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Clear,
    /// Each frame is delayed by up to so much.
    Slow {
        ms_max: u64,
    },
    /// Each frame takes so long to pass: what is said faster piles up.
    Narrow {
        frame_ms: u64,
    },
    /// Nothing passes before that time; then all of it at once.
    Held {
        until: u64,
    },
}

/// What a poll brings.
pub(crate) type Answer = Vec<(i64, u64)>;

/// A symbol whose backend has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    pub(crate) index: usize,
    /// Whether new subscriptions are answered, with the price of that moment.
    pub(crate) answers: Option<i64>,
}

pub(crate) struct KrakenVenue {
    pub(crate) paths: Vec<Path>,
    pub(crate) is_silent: bool,
    pub(crate) refuses: bool,
    pub(crate) is_halted: bool,
    pub(crate) frozen: Option<Frozen>,
    pub(crate) way: Way,
    /// Who is connected.
    pub(crate) links: BTreeMap<u64, KrakenLink>,
}

/// One connection, as the venue sees it.
pub(crate) struct KrakenLink {
    last_sent_at: u64,
    delivered_at: u64,
    /// Pings that came while nothing could be sent.
    unanswered: Vec<u64>,
    /// Moved while nothing could be sent: sent when it can.
    unsent: Vec<bool>,
    /// Whose snapshot has been sent, so that updates follow.
    subscribed: Vec<bool>,
}

impl KrakenVenue {
    pub(crate) fn new() -> Self {
        Self {
            paths: paths(),
            is_silent: false,
            refuses: false,
            is_halted: false,
            frozen: None,
            way: Way::Clear,
            links: BTreeMap::new(),
        }
    }

    /// When the last frame that is under way will have arrived.
    pub(crate) fn delivered_at(&self) -> u64 {
        self.links.values().map(|link| link.delivered_at).max().unwrap_or(0)
    }

    pub(crate) fn is_up(&self) -> bool {
        !self.is_silent && !self.refuses && !self.is_halted && self.way == Way::Clear
    }

    /// What a new subscription of the symbol is answered with, if it is.
    fn answer(&self, index: usize) -> Option<i64> {
        match self.frozen {
            _ if self.is_silent => None,
            Some(frozen) if frozen.index == index => frozen.answers,
            _ => Some(self.paths[index].price()),
        }
    }

    fn may_send(&self, index: usize) -> bool {
        !self.is_silent && self.frozen.is_none_or(|frozen| frozen.index != index)
    }
}

impl KrakenLink {
    fn new() -> Self {
        Self {
            last_sent_at: 0,
            delivered_at: 0,
            unanswered: vec![],
            unsent: vec![false; SYMBOLS.len()],
            subscribed: vec![false; SYMBOLS.len()],
        }
    }
}

pub(crate) struct CoinbaseVenue {
    pub(crate) paths: Vec<Path>,
    pub(crate) hangs: bool,
    pub(crate) errors: bool,
    volumes: Vec<u64>,
}

impl CoinbaseVenue {
    pub(crate) fn new() -> Self {
        Self { paths: paths(), hangs: false, errors: false, volumes: vec![1; SYMBOLS.len()] }
    }

    pub(crate) const fn is_up(&self) -> bool {
        !self.hangs && !self.errors
    }

    pub(crate) fn answer(&self) -> Answer {
        self.paths.iter().map(Path::price).zip(self.volumes.iter().copied()).collect()
    }
}

impl World {
    pub(crate) fn on_trade(&mut self, on_kraken: bool, index: usize) {
        let pause = self.between(50, 3_000);
        self.after(pause, Event::Trade { on_kraken, index });
        let step_bp = if self.rng.random_bool(0.05) { 40 } else { 4 };
        let move_bp = self.rng.random_range(-step_bp..=step_bp);
        let venue = if on_kraken { &self.kraken.paths } else { &self.coinbase.paths };
        let other = if on_kraken { &self.coinbase.paths } else { &self.kraken.paths };
        // Arbitrage: a venue is drawn to the other one.
        let pull = (other[index].price() - venue[index].price()) / 4;
        let price = venue[index].price() + pull + venue[index].price() * move_bp / 10_000;
        if on_kraken {
            if !self.kraken.is_halted {
                self.kraken_moves(index, price);
            }
        } else {
            self.coinbase.volumes[index] += 1;
            self.coinbase.paths[index].move_to(self.now, price);
        }
    }

    fn kraken_moves(&mut self, index: usize, price: i64) {
        self.kraken.paths[index].move_to(self.now, price);
        for link in self.kraken.links.values_mut() {
            link.unsent[index] = true;
        }
        self.flush_kraken();
    }

    /// Sends what has moved and may be sent.
    pub(crate) fn flush_kraken(&mut self) {
        if self.kraken.is_silent {
            return;
        }
        for connection in self.connections() {
            for index in 0..SYMBOLS.len() {
                let may_send = self.kraken.may_send(index);
                let price = self.kraken.paths[index].price();
                let link = self.link(connection);
                if may_send && link.subscribed[index] && std::mem::take(&mut link.unsent[index]) {
                    let tick = Frame::Tick { index, price, is_snapshot: false };
                    self.send_frame(connection, tick);
                }
            }
            // What has moved before a ping came is said before it is answered.
            for sent_at in std::mem::take(&mut self.link(connection).unanswered) {
                self.send_frame(connection, Frame::Pong { sent_at });
            }
        }
    }

    fn connections(&self) -> Vec<u64> {
        self.kraken.links.keys().copied().collect()
    }

    /// A connection that is there.
    fn link(&mut self, connection: u64) -> &mut KrakenLink {
        self.kraken.links.get_mut(&connection).unwrap()
    }

    /// A heartbeat about every second in the absence of other frames.
    pub(crate) fn on_heartbeat(&mut self) {
        self.after(250, Event::Heartbeat);
        for connection in self.connections() {
            if self.now - self.link(connection).last_sent_at >= 1_000 {
                self.send_frame(connection, Frame::Heartbeat);
            }
        }
    }

    pub(crate) fn send_to_all(&mut self, frame: &Frame) {
        for connection in self.connections() {
            self.send_frame(connection, frame.clone());
        }
    }

    /// In order, each on its way for a while.
    pub(crate) fn send_frame(&mut self, connection: u64, frame: Frame) {
        if self.kraken.is_silent && !matches!(frame, Frame::Closed) {
            return;
        }
        let latency = self.between(1, UPSTREAM_LATENCY_MAX_MS);
        let (now, way) = (self.now, self.kraken.way);
        let slow_ms = if let Way::Slow { ms_max } = way { self.between(1, ms_max) } else { 0 };
        let link = self.link(connection);
        if !matches!(frame, Frame::Pong { .. }) {
            link.last_sent_at = now;
        }
        let earliest = (now + latency).max(link.delivered_at);
        let arrives = match way {
            Way::Clear => earliest,
            Way::Slow { .. } => earliest.max(now + slow_ms),
            Way::Narrow { frame_ms } => earliest + frame_ms,
            Way::Held { until } => earliest.max(until),
        };
        link.delivered_at = arrives;
        self.after(arrives - now, Event::Frame { connection, frame });
    }

    /// A ping of the origin has come; answered in the order of the stream.
    pub(crate) fn on_ping(&mut self, connection: u64, sent_at: u64) {
        if let Some(link) = self.kraken.links.get_mut(&connection) {
            link.unanswered.push(sent_at);
            self.flush_kraken();
        }
    }

    /// A new connection has its own way: what was on the way on the old one is nobody's any more.
    pub(crate) fn open_connection(&mut self, connection: u64) {
        self.kraken.links.insert(connection, KrakenLink::new());
        let is_online = !self.kraken.is_halted;
        self.send_frame(connection, Frame::System { is_online });
        self.subscribe(connection, &[0, 1, 2]);
    }

    /// Subscribed (anew): updates pause until the snapshot, which may take its time.
    pub(crate) fn subscribe(&mut self, connection: u64, indices: &[usize]) {
        for &index in indices {
            let Some(link) = self.kraken.links.get_mut(&connection) else { return };
            link.subscribed[index] = false;
            let slowest = if self.rng.random_bool(0.2) { 2_500 } else { 60 };
            let ms = self.between(5, slowest);
            self.after(ms, Event::Snapshot { connection, index });
        }
    }

    pub(crate) fn on_snapshot(&mut self, connection: u64, index: usize) {
        let price = self.kraken.answer(index);
        let is_old = !self.kraken.may_send(index);
        let Some(link) = self.kraken.links.get_mut(&connection) else { return };
        if link.subscribed[index] {
            return;
        }
        let Some(price) = price else {
            // Pending until it can be answered.
            return self.after(20, Event::Snapshot { connection, index });
        };
        link.subscribed[index] = true;
        link.unsent[index] = is_old;
        self.send_frame(connection, Frame::Tick { index, price, is_snapshot: true });
    }

    /// A tick is garbled on its way, or says nothing usable: its news is lost.
    pub(crate) fn lose_tick(&mut self, index: usize, frame: &Frame) {
        if self.kraken.is_halted || !self.kraken.may_send(index) {
            return;
        }
        let price = self.kraken.paths[index].price();
        self.kraken.paths[index].move_to(self.now, price + price / 200);
        self.send_to_all(frame);
    }

    pub(crate) fn drop_connections(&mut self) {
        self.send_to_all(&Frame::Closed);
        self.kraken.links.clear();
    }

    /// One wrong print, put right at once: the venue never had that price.
    pub(crate) fn kraken_spikes(&mut self, index: usize) {
        let knows_better = self.ingestions().all(|ingestion| ingestion.has_ticked[index]);
        let is_subscribed = self.kraken.links.values().all(|link| link.subscribed[index]);
        if !knows_better || !is_subscribed || !self.kraken.may_send(index) {
            return;
        }
        let price = self.kraken.paths[index].price();
        let factors = [13, 870, 1_150, 10_000, 100];
        let factor = factors[self.rng.random_range(0..factors.len())];
        let spike = (price * factor / 1_000).max(1);
        self.send_to_all(&Frame::Tick { index, price: spike, is_snapshot: false });
        self.send_to_all(&Frame::Tick { index, price, is_snapshot: false });
    }

    /// A real fall by more than half, on both venues within a second.
    pub(crate) fn market_crashes(&mut self, index: usize) {
        let price = self.kraken.paths[index].price() * 2 / 5;
        if price > 1_000 && !self.kraken.is_halted {
            self.kraken_moves(index, price);
            self.coinbase.volumes[index] += 1;
            self.coinbase.paths[index].move_to(self.now, price + price / 500);
        }
    }
}
