//! The running simulator: the market, its truth, the active faults and the counters, shared by
//! every connection.

use crate::clock::SimClock;
use crate::coinbase::Cache;
use crate::decimal::Decimal;
use crate::fault::{FaultBoard, FaultSpec, SpecError, crash_ppm};
use crate::limits::Limits;
use crate::market::{Listing, Market, Quote, Tick, TickKind, Venue};
use crate::options::Options;
use crate::script::ScriptEntry;
use crate::stats::Counters;
use crate::truth::Truth;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

/// Ticks a connection may lag behind before it skips some, as a coalescing exchange would.
const TICK_BUFFER: usize = 4096;
/// The market is looked at this often even when nothing is due.
const IDLE_WAKE: Duration = Duration::from_secs(1);

/// Shared state of one simulator.
pub(crate) struct Sim {
    pub(crate) options: Options,
    pub(crate) clock: SimClock,
    pub(crate) counters: Counters,
    pub(crate) listings: Vec<Listing>,
    pub(crate) limits: Limits,
    pub(crate) cache: Cache,
    world: Mutex<World>,
    ticks: broadcast::Sender<Tick>,
    faults: watch::Sender<Arc<FaultBoard>>,
    /// Faults to come, with their time (µs since the start), in order.
    agenda: watch::Sender<VecDeque<(i64, FaultSpec)>>,
}

struct World {
    market: Market,
    truth: Truth,
}

impl Sim {
    pub(crate) fn new(options: Options, clock: SimClock, market: Market) -> Self {
        let truth = Truth::new(&market, clock.now_ms());
        Self {
            clock,
            counters: Counters::default(),
            listings: market.listings().to_vec(),
            limits: Limits::new(options.enforce_limits),
            cache: Cache::default(),
            options,
            world: Mutex::new(World { market, truth }),
            ticks: broadcast::channel(TICK_BUFFER).0,
            faults: watch::Sender::new(Arc::new(FaultBoard::default())),
            agenda: watch::Sender::new(VecDeque::new()),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the market up to now: what is read afterwards is what is true now, however late the
    /// driver is. Answers when the next tick is due.
    fn advance(&self, world: &mut World) -> Option<i64> {
        for tick in world.market.advance(self.clock.elapsed_us()) {
            self.publish(world, tick);
        }
        world.market.next_at()
    }

    fn publish(&self, world: &mut World, tick: Tick) {
        let at_ms = (self.clock.start_epoch_us() + tick.at_us) / 1000;
        world.truth.record(tick.venue, tick.listing, at_ms, tick.quote.last);
        if tick.venue == Venue::Kraken {
            // No receiver is no error: nobody is connected.
            let _ = self.ticks.send(tick);
        }
    }

    /// All records as they are now.
    pub(crate) fn quotes(&self) -> Vec<[Arc<Quote>; 2]> {
        let mut world = self.world();
        self.advance(&mut world);
        world.market.quotes().to_vec()
    }

    /// The price history up to now, or only its last `window_ms`.
    pub(crate) fn truth(&self, window_ms: Option<i64>) -> Truth {
        let mut world = self.world();
        self.advance(&mut world);
        world.truth.at(self.clock.now_ms(), window_ms)
    }

    /// Makes `price` the venue's last price until its next tick; says whether the symbol exists.
    pub(crate) fn set_price(&self, venue: Venue, symbol: &str, price: Decimal) -> bool {
        let Some(index) = self.listings.iter().position(|listing| listing.symbol == symbol) else {
            return false;
        };
        let mut world = self.world();
        self.advance(&mut world);
        let now_us = self.clock.elapsed_us();
        let epoch_us = self.clock.start_epoch_us() + now_us;
        let Some(tick) = world.market.set_price(venue, index, price, now_us, epoch_us) else {
            return false;
        };
        self.publish(&mut world, tick);
        true
    }

    /// Kraken's ticks from now on.
    pub(crate) fn ticks(&self) -> broadcast::Receiver<Tick> {
        self.ticks.subscribe()
    }

    /// The active faults, now and whenever they change.
    pub(crate) fn faults(&self) -> watch::Receiver<Arc<FaultBoard>> {
        self.faults.subscribe()
    }

    /// Injects a fault; answers with its id.
    pub(crate) fn inject(&self, spec: FaultSpec) -> Result<u64, SpecError> {
        let known: Vec<&str> = self.listings.iter().map(|l| l.symbol.as_str()).collect();
        spec.check(&known)?;
        tracing::info!(fault = %spec.fault, target_venue = ?spec.target, "fault injected");
        let held = self.quotes();
        let now_us = self.clock.elapsed_us();
        Ok(self.change_faults(|board| board.inject(spec, now_us, held)))
    }

    /// Ends all faults.
    pub(crate) fn clear(&self) {
        tracing::info!("faults cleared");
        self.change_faults(FaultBoard::clear);
    }

    /// Ends one fault; says whether it was active.
    pub(crate) fn clear_one(&self, id: u64) -> bool {
        self.change_faults(|board| board.clear_one(id))
    }

    fn change_faults<T>(&self, change: impl FnOnce(&mut FaultBoard) -> T) -> T {
        // One change at a time, and no tick in between.
        let mut world = self.world();
        let before = Arc::clone(&self.faults.borrow());
        let mut after = before.as_ref().clone();
        let answer = change(&mut after);
        self.faults.send_replace(Arc::new(after.clone()));
        self.follow(&mut world, &before, &after);
        answer
    }

    /// What the market does because of a change of faults: a crash begins or ends, and a price
    /// told wrongly, or rightly again, is told at once instead of at the next tick.
    fn follow(&self, world: &mut World, before: &FaultBoard, after: &FaultBoard) {
        let now_us = self.clock.elapsed_us();
        let epoch_us = self.clock.start_epoch_us() + now_us;
        for (index, listing) in self.listings.iter().enumerate() {
            let ppm = crash_ppm(after, &listing.symbol);
            for tick in world.market.crash(index, ppm, now_us, epoch_us) {
                self.publish(world, tick);
            }
            if before.distortions(&listing.symbol) != after.distortions(&listing.symbol) {
                self.retell(world, index, now_us, epoch_us);
            }
        }
    }

    fn retell(&self, world: &World, listing: usize, at_us: i64, epoch_us: i64) {
        let Some(quote) = world.market.quote(Venue::Kraken, listing) else { return };
        let quote = Quote { at_us: quote.at_us.map(|_| epoch_us), ..quote.as_ref().clone() };
        let tick = Tick {
            venue: Venue::Kraken,
            listing,
            kind: TickKind::Trade,
            at_us,
            quote: Arc::new(quote),
        };
        // No receiver is no error: nobody is connected.
        let _ = self.ticks.send(tick);
    }

    /// Plays a script, its times counted from now; the number of a wrong entry, from 1, and what
    /// is wrong with it.
    pub(crate) fn play(&self, script: Vec<ScriptEntry>) -> Result<(), (usize, SpecError)> {
        let known: Vec<&str> = self.listings.iter().map(|l| l.symbol.as_str()).collect();
        for (index, entry) in script.iter().enumerate() {
            entry.spec.check(&known).map_err(|error| (index + 1, error))?;
        }
        let now_us = self.clock.elapsed_us();
        self.agenda.send_modify(|agenda| {
            agenda.extend(script.into_iter().map(|e| (now_us + micros(e.at), e.spec)));
            agenda.make_contiguous().sort_by_key(|(at_us, _)| *at_us);
        });
        Ok(())
    }

    fn run_next_entry(&self) {
        let mut next = None;
        self.agenda.send_if_modified(|agenda| {
            next = agenda.pop_front();
            false
        });
        // Checked before; a failure here would be a change of the market since.
        if let Some((_, spec)) = next
            && let Err(error) = self.inject(spec)
        {
            tracing::error!(%error, "scripted fault not injected");
        }
    }

    /// Drives the market, the script, and ends faults whose time is up, for ever.
    pub(crate) async fn drive(&self) {
        let mut faults = self.faults();
        let mut agenda = self.agenda.subscribe();
        loop {
            let next_tick = self.advance(&mut self.world());
            let now_us = self.clock.elapsed_us();
            let expiry = faults.borrow_and_update().next_expiry();
            if expiry.is_some_and(|at| at <= now_us) {
                self.change_faults(|board| board.expire(now_us));
                continue;
            }
            let scripted = agenda.borrow_and_update().front().map(|(at_us, _)| *at_us);
            if scripted.is_some_and(|at| at <= now_us) {
                self.run_next_entry();
                continue;
            }
            let due = [next_tick, expiry, scripted].into_iter().flatten().min();
            let idle = Instant::now() + IDLE_WAKE;
            let wake =
                due.map_or(idle, |at| Instant::from_std(self.clock.instant_at(at)).min(idle));
            tokio::select! {
                () = sleep_until(wake) => {}
                _ = faults.changed() => {}
                _ = agenda.changed() => {}
            }
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
