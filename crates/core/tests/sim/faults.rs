//! What breaks, and for how long.

use rand::RngExt;

use super::instance::Cut;
use super::redis::{LOST_MS_MAX, REPLICA_CLOCK_OFF_MS_MAX, RedisState};
use super::venue::{Frame, Frozen, Way};
use super::{Event, SYMBOLS, World, stamp};

/// What goes wrong in a world.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Troubles {
    None,
    /// Anything, at any time.
    Random,
    /// At that time, for so long, this.
    Script(&'static [(u64, u64, Trouble)]),
}

/// What a script can do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    LeaderKilled,
    /// With its disk: it comes back knowing nothing.
    LeaderLost,
    /// It stops ingesting, gives the lease back and ends.
    LeaderToldToGo,
    LeaderStopped,
    LeaderCut(Cut),
    Redis(RedisState, ComesBack),
    /// Neither exchange can be reached.
    NoMarket,
}

/// What can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    KrakenSilent,
    KrakenRefuses,
    KrakenMaintenance,
    KrakenFrozenSymbol(Frozen),
    KrakenWay(Way),
    CoinbaseHangs,
    CoinbaseErrors,
    OriginHangs(usize),
    OriginStopped(usize),
    OriginCut(usize, Cut),
    Redis { state: RedisState, comes_back: ComesBack },
}

/// What Redis still knows when it is itself again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ComesBack {
    Unharmed,
    /// Elsewhere, without its data.
    Empty {
        clock_ms: i64,
    },
    /// A replica has taken over.
    Replica {
        lost_ms: u64,
        clock_ms: i64,
    },
}

impl World {
    pub(crate) fn on_fault(&mut self) {
        let is_cluster = self.redis.is_some();
        let next = if is_cluster { (500, 12_000) } else { (2_000, 25_000) };
        let next = self.between(next.0, next.1);
        self.after(next, Event::Fault);
        let lasts = self.between(500, 20_000);
        self.checks.note_trouble(self.now, lasts);
        let instance = self.rng.random_range(0..self.instances.len());
        if is_cluster && self.rng.random_bool(0.6) {
            self.disturb_cluster(instance, lasts);
        } else {
            self.disturb(instance, lasts);
        }
    }

    pub(crate) fn on_trouble(&mut self, trouble: Trouble, lasts: u64) {
        self.checks.note_trouble(self.now, lasts);
        let leader = self.instances.iter().position(|instance| instance.ingestion.is_some());
        let leader = leader.unwrap_or(0);
        match trouble {
            Trouble::LeaderKilled => self.kill(leader, lasts),
            Trouble::LeaderToldToGo => self.end(leader, lasts),
            Trouble::LeaderLost => {
                self.kill(leader, lasts);
                self.instances[leader].lose_disk();
            }
            Trouble::LeaderStopped => self.break_for(lasts, Fault::OriginStopped(leader)),
            Trouble::LeaderCut(cut) => self.break_for(lasts, Fault::OriginCut(leader, cut)),
            Trouble::Redis(state, comes_back) => {
                self.break_for(lasts, Fault::Redis { state, comes_back });
            }
            Trouble::NoMarket => {
                self.break_for(lasts, Fault::KrakenRefuses);
                self.break_for(lasts, Fault::CoinbaseErrors);
            }
        }
    }

    fn disturb(&mut self, instance: usize, lasts: u64) {
        let index = self.rng.random_range(0..SYMBOLS.len());
        let fault = match self.rng.random_range(0..19) {
            0 | 1 => Fault::KrakenSilent,
            2 => Fault::KrakenRefuses,
            3 => Fault::KrakenMaintenance,
            4 | 17 if self.kraken.frozen.is_none() => return self.freeze(index),
            5 => Fault::CoinbaseHangs,
            6 => Fault::CoinbaseErrors,
            7 => Fault::OriginHangs(instance),
            8 => return self.kill(instance, lasts),
            9 => return self.lose_tick(index, &Frame::Garbage),
            10 => return self.lose_tick(index, &Frame::Refused(index)),
            11 => return self.kraken_spikes(index),
            12 => return self.market_crashes(index),
            13 => return self.drop_connections(),
            14 => Fault::KrakenWay(Way::Slow { ms_max: self.between(100, 4_000) }),
            15 => Fault::KrakenWay(Way::Narrow { frame_ms: self.between(100, 1_500) }),
            16 => Fault::KrakenWay(Way::Held { until: self.now + lasts }),
            _ => return self.evict_isolate(),
        };
        self.break_for(lasts, fault);
        // Sometimes both venues at once: the worst case of promise 1.
        let hits_kraken = matches!(fault, Fault::KrakenSilent | Fault::KrakenWay(_));
        if hits_kraken && self.rng.random_bool(0.5) {
            self.break_for(lasts, Fault::CoinbaseHangs);
        }
    }

    fn disturb_cluster(&mut self, instance: usize, lasts: u64) {
        // Mostly it is the leader whose fate is of interest.
        let leader = self.instances.iter().position(|instance| instance.ingestion.is_some());
        let whom = leader.filter(|_| self.rng.random_bool(0.7)).unwrap_or(instance);
        match self.rng.random_range(0..10) {
            0..=2 => self.kill(whom, lasts),
            3 | 4 => self.break_for(lasts, Fault::OriginStopped(whom)),
            5 => self.break_for(lasts, Fault::OriginCut(whom, Cut::Both)),
            6 => self.break_for(lasts, Fault::OriginCut(whom, Cut::Answers)),
            _ => {
                let lasts = lasts.min(self.between(1, 8_000));
                let states = [
                    RedisState::Up,
                    RedisState::Refuses,
                    RedisState::Mute,
                    RedisState::Stalls,
                    RedisState::ReadOnly,
                    RedisState::Slow,
                ];
                let state = states[self.rng.random_range(0..states.len())];
                let off_ms = REPLICA_CLOCK_OFF_MS_MAX;
                let clock_ms = self.rng.random_range(-off_ms..=off_ms);
                let comes_back = match self.rng.random_range(0..4) {
                    0 => ComesBack::Empty { clock_ms },
                    1 => ComesBack::Replica { lost_ms: self.between(0, LOST_MS_MAX), clock_ms },
                    _ => ComesBack::Unharmed,
                };
                self.break_for(lasts, Fault::Redis { state, comes_back });
            }
        }
    }

    /// For so long that a quiet symbol is asked for anew meanwhile, too.
    fn freeze(&mut self, index: usize) {
        let lasts = self.between(500, 70_000);
        self.checks.note_trouble(self.now, lasts);
        let price = self.kraken.paths[index].price();
        let answers = self.rng.random_bool(0.7).then_some(price);
        self.break_for(lasts, Fault::KrakenFrozenSymbol(Frozen { index, answers }));
    }

    fn break_for(&mut self, lasts: u64, fault: Fault) {
        self.begin_fault(fault);
        self.after(lasts, Event::Heal(fault));
    }

    fn begin_fault(&mut self, fault: Fault) {
        self.trace(|| format!("breaks: {fault:?}"));
        match fault {
            Fault::KrakenSilent => self.kraken.is_silent = true,
            Fault::KrakenRefuses => {
                self.kraken.refuses = true;
                self.drop_connections();
            }
            Fault::KrakenMaintenance => {
                self.kraken.is_halted = true;
                self.send_to_all(&Frame::System { is_online: false });
            }
            Fault::KrakenFrozenSymbol(frozen) => {
                self.kraken.frozen = Some(frozen);
                self.checks.note_frozen(frozen.index, self.now);
            }
            Fault::KrakenWay(way) => self.kraken.way = way,
            Fault::CoinbaseHangs => self.coinbase.hangs = true,
            Fault::CoinbaseErrors => self.coinbase.errors = true,
            Fault::OriginHangs(index) => self.instances[index].is_hanging = true,
            Fault::OriginStopped(index) => self.stop(index),
            Fault::OriginCut(index, cut) => self.instances[index].cut = Some(cut),
            Fault::Redis { state, .. } => {
                if let Some(redis) = &mut self.redis {
                    redis.state = state;
                }
            }
        }
    }

    pub(crate) fn on_heal(&mut self, fault: Fault) {
        self.trace(|| format!("is mended: {fault:?}"));
        match fault {
            Fault::KrakenSilent => {
                self.kraken.is_silent = false;
                self.flush_kraken();
            }
            Fault::KrakenRefuses => self.kraken.refuses = false,
            Fault::KrakenMaintenance => {
                self.kraken.is_halted = false;
                self.send_to_all(&Frame::System { is_online: true });
            }
            Fault::KrakenFrozenSymbol(frozen) => {
                self.kraken.frozen = None;
                self.flush_kraken();
                self.checks.note_thawed(frozen.index, self.now);
            }
            Fault::KrakenWay(_) => {
                self.kraken.way = Way::Clear;
                // What has piled up is still on its way.
                let backlog_ms = self.kraken.delivered_at().saturating_sub(self.now);
                self.checks.note_trouble(self.now, backlog_ms);
            }
            Fault::CoinbaseHangs => self.coinbase.hangs = false,
            Fault::CoinbaseErrors => {
                self.coinbase.errors = false;
                self.checks.note_market_back(stamp(self.now));
            }
            Fault::OriginHangs(index) => self.instances[index].is_hanging = false,
            Fault::OriginStopped(index) => self.resume(index),
            Fault::OriginCut(index, _) => self.instances[index].cut = None,
            Fault::Redis { comes_back, .. } => self.redis_comes_back(comes_back),
        }
    }

    fn redis_comes_back(&mut self, comes_back: ComesBack) {
        let now = self.now;
        let Some(redis) = &mut self.redis else { return };
        match comes_back {
            ComesBack::Unharmed => {}
            ComesBack::Empty { clock_ms } => redis.forget_everything(clock_ms),
            ComesBack::Replica { lost_ms, clock_ms } => redis.fail_over(now, lost_ms, clock_ms),
        }
        if comes_back != ComesBack::Unharmed {
            let (view, elections) = self.view();
            elections.note_loss(&view);
        }
        self.redis_recovers();
    }
}
