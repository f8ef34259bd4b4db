//! The day itself: both venues, the way to them, and the real aggregator and publisher.

use std::collections::BTreeMap;

use pricecast_core::{
    ASSESS_EVERY_MS, Action, Aggregator, CoinbaseEvent, FeedConfig, KrakenEvent, Price, Publisher,
    Quote, RawQuote, RejectReason, Snapshot, Source, SourceEvent, SourceReason, SourceStatus,
    Symbol, SystemStatus, Trading, Transition, UnixMillis,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::market::{COINS, Market};
use crate::venue::{Listing, Stir, Venue};

const T0_MS: u64 = 1_706_900_000_000;
const POLL_EVERY_MS: u64 = 1_000;
const POLL_TIMEOUT_MS: u64 = 900;
const PING_EVERY_MS: u64 = 500;
/// Coinbase answers from a cache of this age at most.
const COINBASE_CACHE_MS: u64 = 1_000;

#[derive(Clone, Debug)]
enum Event {
    Stir {
        venue: Venue,
        index: usize,
        stir: Stir,
    },
    Heartbeat,
    Ping,
    Frame(KrakenSays),
    /// Kraken answers a new subscription.
    Snapshot(usize),
    Poll,
    /// What Coinbase answered to the request of `sent_at_ms`, if it did.
    Polled {
        sent_at_ms: u64,
        answer: Option<Vec<(String, String)>>,
    },
    Assess,
}

#[derive(Clone, Debug)]
enum KrakenSays {
    Heartbeat,
    Pong { sent_at_ms: u64 },
    Tick { index: usize, price: String, is_snapshot: bool },
}

/// What does not work.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) kraken_is_silent: bool,
    pub(crate) coinbase_is_silent: bool,
    /// One of Kraken's coins stands still.
    pub(crate) frozen: Option<Frozen>,
}

/// A coin of which Kraken says nothing any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frozen {
    pub(crate) index: usize,
    /// A new subscription is answered with what was said last; or not at all.
    pub(crate) answers: bool,
}

/// What Kraken and Coinbase have told the aggregator of a coin: the test's own record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Kraken's last tick that was no snapshot.
    pub(crate) updated_at_ms: u64,
    /// Kraken's last tick that did not repeat the one before it as a snapshot.
    news_at_ms: u64,
    price: Option<Price>,
    /// Coinbase's word since then that was nearest to it, and the last one.
    nearest: Option<Price>,
    other: Option<Price>,
}

impl Told {
    fn tick(&mut self, now_ms: u64, price: Price, is_snapshot: bool) {
        if !is_snapshot {
            self.updated_at_ms = now_ms;
        }
        if !is_snapshot || self.price != Some(price) {
            self.news_at_ms = now_ms;
            self.nearest = Some(self.other.filter(|_| !is_snapshot).unwrap_or(price));
        }
        self.price = Some(price);
    }

    fn other(&mut self, other: Price) {
        let (price, nearest) = (self.price.unwrap_or(other), self.nearest.unwrap_or(other));
        let is_nearer = other.distance_bp(price) < nearest.distance_bp(price);
        self.nearest = Some(if is_nearer { other } else { nearest });
        self.other = Some(other);
    }

    /// No tick for ten seconds, while Coinbase moved away by more than 25 bp.
    pub(crate) fn frozen_rule_is_met(&self, now_ms: u64) -> bool {
        let (Some(nearest), Some(other)) = (self.nearest, self.other) else { return false };
        now_ms - self.news_at_ms >= 10_000 && !other.is_within_bp(nearest, 25)
    }
}

pub(crate) struct World {
    pub(crate) now_ms: u64,
    market: Market,
    rng: StdRng,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    listings: [Vec<Listing>; 2],
    is_subscribed: [bool; COINS.len()],
    /// What Kraken said last.
    said: [String; COINS.len()],
    kraken_sent_at_ms: u64,
    delivered_at_ms: u64,
    /// A longer way from Kraken: by how much, and until when.
    detour: (u64, u64),
    cached: Option<(u64, Vec<(String, String)>)>,
    aggregator: Aggregator,
    publisher: Publisher,
    pub(crate) faults: Faults,
    pub(crate) told: [Told; COINS.len()],
    pub(crate) latest: Option<Snapshot>,
    /// What the aggregator and the publisher concluded since the last look.
    pub(crate) transitions: Vec<(u64, Transition)>,
    pub(crate) actions: Vec<(u64, Action)>,
    pub(crate) frames: u64,
    pub(crate) detours: u64,
    last_word_ms: [u64; 2],
}

fn symbol(index: usize) -> Symbol {
    Symbol::parse(COINS[index].symbol).unwrap()
}

fn stamp(ms: u64) -> UnixMillis {
    UnixMillis::from_ms(T0_MS + ms)
}

fn quote(now_ms: u64, source: Source, index: usize, price: &str, volume: Option<&str>) -> Quote {
    let raw = RawQuote {
        source,
        symbol: symbol(index),
        price: Some(price),
        change_24h: Some("0.10"),
        volume_24h: volume,
        event_time: Some(stamp(now_ms)),
        trading: Trading::Open,
    };
    raw.normalise(stamp(now_ms)).unwrap()
}

impl World {
    /// The origin starts at `at_ms` of the day.
    pub(crate) fn new(market: &Market, seed: u64, at_ms: u64) -> Self {
        let listings = [Venue::Kraken, Venue::Coinbase].map(|venue| {
            (0..COINS.len()).map(|index| Listing::new(venue, index, market, at_ms)).collect()
        });
        let mut world = Self {
            now_ms: at_ms,
            market: market.clone(),
            rng: StdRng::seed_from_u64(seed),
            queue: BTreeMap::new(),
            queued: 0,
            listings,
            is_subscribed: [false; COINS.len()],
            said: Default::default(),
            kraken_sent_at_ms: 0,
            delivered_at_ms: 0,
            detour: (0, 0),
            cached: None,
            aggregator: Aggregator::new(FeedConfig {
                symbols: (0..COINS.len()).map(symbol).collect(),
                coinbase_interval_ms: POLL_EVERY_MS,
                poll_after_ms: 2_500,
            }),
            publisher: Publisher::new(1),
            faults: Faults::default(),
            told: Default::default(),
            latest: None,
            transitions: vec![],
            actions: vec![],
            frames: 0,
            detours: 0,
            last_word_ms: [0; 2],
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for venue in [Venue::Kraken, Venue::Coinbase] {
            for index in 0..COINS.len() {
                for stir in [Stir::Trade, Stir::Book, Stir::Look] {
                    self.stir_again(venue, index, stir);
                }
            }
        }
        self.tell_kraken(KrakenEvent::Connected);
        self.tell_kraken(KrakenEvent::System(SystemStatus::Online));
        self.subscribe(0..COINS.len());
        self.after(100, Event::Heartbeat);
        self.ping();
        self.after(50, Event::Poll);
        self.after(ASSESS_EVERY_MS, Event::Assess);
    }

    /// Runs until the conclusions of `until_ms` are drawn.
    pub(crate) fn run_until(&mut self, until_ms: u64) {
        while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= until_ms) {
            let ((at_ms, _), event) = entry.remove_entry();
            self.now_ms = at_ms;
            self.happen(event);
        }
        self.now_ms = until_ms;
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now_ms + ms, self.queued), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Stir { venue, index, stir } => self.on_stir(venue, index, stir),
            Event::Heartbeat => self.on_heartbeat(),
            Event::Ping => self.ping(),
            Event::Frame(says) => self.on_frame(says),
            Event::Snapshot(index) => self.on_snapshot(index),
            Event::Poll => self.on_poll(),
            Event::Polled { sent_at_ms, answer } => self.on_polled(sent_at_ms, answer),
            Event::Assess => self.on_assess(),
        }
    }

    // ── Kraken ─────────────────────────────────────────────────────────────────────────────

    fn stir_again(&mut self, venue: Venue, index: usize, stir: Stir) {
        let listing = &self.listings[venue as usize][index];
        if let Some(ms) = listing.next_ms(stir, &self.market, self.now_ms, &mut self.rng) {
            self.after(ms, Event::Stir { venue, index, stir });
        }
    }

    fn on_stir(&mut self, venue: Venue, index: usize, stir: Stir) {
        let listing = &mut self.listings[venue as usize][index];
        let is_seen = listing.stir(stir, &self.market, self.now_ms, &mut self.rng);
        if is_seen && venue == Venue::Kraken && self.is_subscribed[index] {
            self.send_tick(index, false);
        }
        self.stir_again(venue, index, stir);
    }

    fn send_tick(&mut self, index: usize, is_snapshot: bool) {
        let (price, _) = self.listings[Venue::Kraken as usize][index].says();
        let price = match self.faults.frozen.filter(|frozen| frozen.index == index) {
            Some(frozen) if is_snapshot && frozen.answers => self.said[index].clone(),
            Some(_) => return,
            None => price,
        };
        self.said[index].clone_from(&price);
        self.kraken_sent_at_ms = self.now_ms;
        self.send(KrakenSays::Tick { index, price, is_snapshot });
    }

    /// In order; now and then the way is slow, for one frame or for minutes.
    fn send(&mut self, says: KrakenSays) {
        if self.faults.kraken_is_silent {
            return;
        }
        let is_slow = self.rng.random_bool(0.000_2);
        let ms =
            if is_slow { self.rng.random_range(100..800) } else { self.rng.random_range(5..60) };
        let ms = if self.is_detoured() { ms.max(self.detour.0) } else { ms };
        self.delivered_at_ms = self.delivered_at_ms.max(self.now_ms + ms);
        self.after(self.delivered_at_ms - self.now_ms, Event::Frame(says));
    }

    /// Whether the way from Kraken is longer than usual.
    pub(crate) fn is_detoured(&self) -> bool {
        self.now_ms < self.detour.1
    }

    /// About every second, in the absence of prices.
    fn on_heartbeat(&mut self) {
        if self.now_ms - self.kraken_sent_at_ms >= 1_000 {
            self.kraken_sent_at_ms = self.now_ms;
            self.send(KrakenSays::Heartbeat);
        }
        self.after(100, Event::Heartbeat);
    }

    fn ping(&mut self) {
        if !self.is_detoured() && self.rng.random_bool(0.000_3) {
            let (ms, lasts_ms) = (100..800, 10_000..300_000);
            let until_ms = self.now_ms + self.rng.random_range(lasts_ms);
            self.detour = (self.rng.random_range(ms), until_ms);
            self.detours += 1;
        }
        self.send(KrakenSays::Pong { sent_at_ms: self.now_ms });
        self.after(PING_EVERY_MS, Event::Ping);
    }

    fn on_frame(&mut self, says: KrakenSays) {
        self.frames += 1;
        // The answer to a ping is no word of its own.
        if !matches!(says, KrakenSays::Pong { .. }) {
            self.last_word_ms[Venue::Kraken as usize] = self.now_ms;
        }
        let event = match says {
            KrakenSays::Heartbeat => KrakenEvent::Heartbeat,
            KrakenSays::Pong { sent_at_ms } => KrakenEvent::Pong { sent_at: stamp(sent_at_ms) },
            KrakenSays::Tick { index, price, is_snapshot } => {
                let quote = quote(self.now_ms, Source::Kraken, index, &price, None);
                self.told[index].tick(self.now_ms, quote.price, is_snapshot);
                KrakenEvent::Tick { quote, is_snapshot }
            }
        };
        self.tell_kraken(event);
    }

    /// Nothing of a coin is sent until the snapshot of its new subscription.
    fn subscribe(&mut self, indices: impl Iterator<Item = usize>) {
        for index in indices {
            self.is_subscribed[index] = false;
            let ms = self.rng.random_range(20..300);
            self.after(ms, Event::Snapshot(index));
        }
    }

    fn on_snapshot(&mut self, index: usize) {
        self.is_subscribed[index] = true;
        self.send_tick(index, true);
    }

    fn tell_kraken(&mut self, event: KrakenEvent) {
        self.aggregator.handle(stamp(self.now_ms), &SourceEvent::Kraken(event));
    }

    // ── Coinbase ───────────────────────────────────────────────────────────────────────────

    fn on_poll(&mut self) {
        let sent_at_ms = self.now_ms;
        let fails = self.faults.coinbase_is_silent || self.rng.random_bool(0.000_3);
        let is_slow = self.rng.random_bool(0.002);
        let ms =
            if is_slow { self.rng.random_range(250..850) } else { self.rng.random_range(30..250) };
        let (ms, answer) = if fails { (POLL_TIMEOUT_MS, None) } else { (ms, Some(self.answer())) };
        self.after(ms, Event::Polled { sent_at_ms, answer });
        self.after(POLL_EVERY_MS, Event::Poll);
    }

    fn answer(&mut self) -> Vec<(String, String)> {
        let cached =
            self.cached.take().filter(|(at_ms, _)| self.now_ms - at_ms < COINBASE_CACHE_MS);
        let listings = &self.listings[Venue::Coinbase as usize];
        let cached =
            cached.unwrap_or_else(|| (self.now_ms, listings.iter().map(Listing::says).collect()));
        self.cached.insert(cached).1.clone()
    }

    fn on_polled(&mut self, sent_at_ms: u64, answer: Option<Vec<(String, String)>>) {
        // A request under way when the venue fell silent is not answered either.
        let answer = answer.filter(|_| !self.faults.coinbase_is_silent);
        let event = match answer {
            None => CoinbaseEvent::Failed(SourceReason::Failing),
            Some(answer) => {
                self.last_word_ms[Venue::Coinbase as usize] = self.now_ms;
                let products = answer.iter().enumerate().map(|(index, (price, volume))| {
                    let quote = quote(self.now_ms, Source::Coinbase, index, price, Some(volume));
                    self.told[index].other(quote.price);
                    Ok::<_, (Symbol, RejectReason)>(quote)
                });
                CoinbaseEvent::Answered { sent_at: stamp(sent_at_ms), products: products.collect() }
            }
        };
        self.aggregator.handle(stamp(self.now_ms), &SourceEvent::Coinbase(event));
    }

    // ── The origin ─────────────────────────────────────────────────────────────────────────

    fn on_assess(&mut self) {
        let now = stamp(self.now_ms);
        let assessment = self.aggregator.assess(now);
        let published = self.publisher.publish(now, &self.aggregator);
        let mut transitions = assessment.transitions;
        if let Some((snapshot, transition)) = published {
            transitions.extend(transition);
            self.latest = Some(snapshot);
        }
        self.transitions.extend(transitions.into_iter().map(|t| (self.now_ms, t)));
        for action in assessment.actions {
            if let Action::ResubscribeKraken(symbols) = &action {
                let asked = (0..COINS.len()).filter(|&index| symbols.contains(&symbol(index)));
                self.subscribe(asked.collect::<Vec<_>>().into_iter());
            }
            self.actions.push((self.now_ms, action));
        }
        self.after(ASSESS_EVERY_MS, Event::Assess);
    }

    pub(crate) fn status(&self, source: Source) -> SourceStatus {
        self.aggregator.report(source, stamp(self.now_ms)).status
    }

    /// When anything of a source last arrived.
    pub(crate) fn last_word_ms(&self, source: Source) -> u64 {
        self.last_word_ms[source as usize]
    }

    /// The age of the oldest published price.
    pub(crate) fn oldest_ms(&self) -> u64 {
        let prices = self.latest.iter().flat_map(|latest| &latest.prices);
        prices.map(|p| stamp(self.now_ms).ms_since(p.confirmed_at)).max().unwrap()
    }
}
