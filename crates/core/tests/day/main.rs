//! Whole days of a market in virtual time: while nothing is wrong nothing is said to be, and what
//! is wrong is found in time.
//!
//! The lively market is a recorded day where the recording is there, else a generated one; each
//! venue makes its own prices of it at its own moments. `DAY_SEED=17` draws other ones.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod chance;
mod market;
mod venue;
mod world;

use std::ops::Range;

use pricecast_core::{Action, Source, SourceStatus, Symbol, Transition};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use market::{COINS, DAY_MS, Market};
use world::{Faults, Frozen, World};

const BEAT_MS: u64 = 100;
/// Steps in which what is found is looked for.
const STEP_MS: u64 = 1;
/// After its start an origin is settled.
const SETTLED_MS: u64 = 5_000;
/// How long a fault is watched at most: a mute symbol is asked again after 30 s, with 3 s to answer.
const WATCH_MS: u64 = 40_000;
/// Moments of the day at which something breaks.
const MOMENTS: u64 = 200;

fn seed() -> u64 {
    seeds(1).start
}

fn seeds(count: u64) -> Range<u64> {
    let given = std::env::var("DAY_SEED").map(|text| text.parse().unwrap());
    let seeds = given.map_or(1..1 + count, |seed| seed..seed + 1);
    println!("DAY_SEED={seeds:?}");
    seeds
}

/// 22 June 2025, with its fall, or a day like others.
fn lively(seed: u64) -> Market {
    let recorded = Market::recorded(1);
    recorded.unwrap_or_else(|| Market::generated(&mut StdRng::seed_from_u64(seed)))
}

/// How often Kraken was asked for a symbol anew.
#[derive(Debug, Default)]
struct Requests {
    times_ms: Vec<u64>,
    asked_at_ms: [Option<u64>; COINS.len()],
    closest_ms: Option<u64>,
}

impl Requests {
    fn note(&mut self, at_ms: u64, action: &Action) {
        let Action::ResubscribeKraken(symbols) = action else { panic!("{action:?} at {at_ms} ms") };
        self.times_ms.push(at_ms);
        for (asked_at, coin) in self.asked_at_ms.iter_mut().zip(COINS) {
            if symbols.contains(&Symbol::parse(coin.symbol).unwrap()) {
                let gap = asked_at.replace(at_ms).map(|before| at_ms - before);
                self.closest_ms = gap.into_iter().chain(self.closest_ms).min();
            }
        }
    }

    fn most_in_a_minute(&self) -> usize {
        let until = |at: u64| self.times_ms.partition_point(|&ms| ms < at + 60_000);
        self.times_ms.iter().enumerate().map(|(n, &at)| until(at) - n).max().unwrap_or(0)
    }
}

/// A day without a fault. Returns the longest time for which Kraken told nothing new of a coin.
fn assert_no_alarm(market: &Market, seed: u64) -> u64 {
    let mut world = World::new(market, seed, 0);
    world.run_until(SETTLED_MS);
    world.transitions.clear();
    let mut requests = Requests::default();
    let mut longest_quiet_ms = 0;
    // On the usual way, and on a longer one.
    let mut oldest_ms = [0; 2];
    for now_ms in (SETTLED_MS..DAY_MS).step_by(usize::try_from(BEAT_MS).unwrap()) {
        world.run_until(now_ms);
        assert!(world.transitions.is_empty(), "seed {seed}: {:?}", world.transitions);
        let latest = world.latest.as_ref().unwrap();
        assert!(latest.prices.iter().all(|p| p.source == Source::Kraken), "at {now_ms} ms");
        let oldest = &mut oldest_ms[usize::from(world.is_detoured())];
        *oldest = world.oldest_ms().max(*oldest);
        world.actions.drain(..).for_each(|(at_ms, action)| requests.note(at_ms, &action));
        let quiet_ms = world.told.iter().map(|told| now_ms - told.updated_at_ms).max();
        longest_quiet_ms = longest_quiet_ms.max(quiet_ms.unwrap());
    }
    println!(
        r#"figures: {{"kraken_frames":{},"alarms":0,"delays":{},"oldest_unflagged_ms":{},"oldest_with_a_lasting_delay_ms":{},"longest_quiet_ms":{longest_quiet_ms},"resubscriptions":{},"most_in_a_minute":{},"closest_of_a_symbol_ms":{}}}"#,
        world.frames,
        world.detours,
        oldest_ms[0],
        oldest_ms[1],
        requests.times_ms.len(),
        requests.most_in_a_minute(),
        requests.closest_ms.unwrap_or(0),
    );
    // A heartbeat's second, a ping's half, publication's half and beat, and a frame's delay.
    assert!(oldest_ms[0] <= 2_600, "seed {seed}: {oldest_ms:?} ms old though nothing is wrong");
    assert!(oldest_ms[1] <= 3_000, "seed {seed}: {oldest_ms:?} ms old though nothing is wrong");
    // By design each quiet symbol is asked for once in 30 s, those due within 2 s of it with it.
    assert!(requests.closest_ms.is_none_or(|ms| ms >= 28_000), "{requests:?}");
    assert!(requests.most_in_a_minute() <= 2 * COINS.len(), "{}", requests.most_in_a_minute());
    assert!(requests.times_ms.windows(2).all(|w| w[1] - w[0] >= 2_000));
    longest_quiet_ms
}

#[test]
fn a_lively_day_raises_no_alarm() {
    for seed in seeds(2) {
        assert_no_alarm(&lively(seed), seed);
    }
}

#[test]
fn a_quiet_day_raises_no_alarm() {
    for seed in seeds(4) {
        let quiet_ms = assert_no_alarm(&Market::quiet(&mut StdRng::seed_from_u64(seed)), seed);
        assert!(quiet_ms > 180_000, "it was not quiet: {quiet_ms} ms at most");
    }
}

/// An origin that has run for a while at a random moment of the day.
fn settled(market: &Market, rng: &mut StdRng) -> World {
    let at_ms = rng.random_range(2 * WATCH_MS..DAY_MS - WATCH_MS);
    settled_at(market, at_ms, rng)
}

fn settled_at(market: &Market, at_ms: u64, rng: &mut StdRng) -> World {
    let runs_for_ms = rng.random_range(SETTLED_MS..2 * WATCH_MS);
    let mut world = World::new(market, rng.random(), at_ms - runs_for_ms);
    world.run_until(at_ms);
    world.transitions.clear();
    world
}

/// How long after a venue's last word it is no longer called connected, and how long after it the
/// conclusion is drawn on a beat.
fn silence_found_ms(world: &mut World, source: Source) -> (u64, u64) {
    let silent_at_ms = world.now_ms;
    let mut found_at_ms = None;
    loop {
        assert!(world.now_ms < silent_at_ms + WATCH_MS, "{source}'s silence is never found");
        world.run_until(world.now_ms + STEP_MS);
        let is_connected = world.status(source) == SourceStatus::Connected;
        found_at_ms = found_at_ms.or((!is_connected).then_some(world.now_ms));
        let is_drawn = |t: &Transition| matches!(t, Transition::Status { source: s, to: SourceStatus::Stale, .. } if *s == source);
        if world.transitions.iter().any(|(_, t)| is_drawn(t)) {
            let last_word_ms = world.last_word_ms(source);
            return (found_at_ms.unwrap() - last_word_ms, world.now_ms - last_word_ms);
        }
    }
}

#[test]
fn each_total_silence_is_found_within_three_seconds() {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let market = lively(seed);
    let silences = [
        (Source::Kraken, Faults { kraken_is_silent: true, ..Faults::default() }),
        (Source::Coinbase, Faults { coinbase_is_silent: true, ..Faults::default() }),
    ];
    let [kraken, coinbase] = silences.map(|(source, faults)| {
        let found_ms = (0..MOMENTS).map(|_| {
            let mut world = settled(&market, &mut rng);
            world.faults = faults;
            silence_found_ms(&mut world, source)
        });
        found_ms.fold((0, 0), |(found, drawn), (f, d)| (found.max(f), drawn.max(d)))
    });
    println!(
        r#"figures: {{"silences":{},"kraken_silence_found_ms_max":{},"kraken_silence_concluded_ms_max":{},"coinbase_silence_found_ms_max":{},"coinbase_silence_concluded_ms_max":{}}}"#,
        2 * MOMENTS,
        kraken.0,
        kraken.1,
        coinbase.0,
        coinbase.1
    );
    for (found_ms, concluded_ms) in [kraken, coinbase] {
        assert!(found_ms <= 3_000, "found after {found_ms} ms");
        assert!(concluded_ms <= 3_000 + BEAT_MS, "concluded after {concluded_ms} ms");
    }
}

#[test]
fn each_frozen_symbol_is_found_within_a_second_of_the_rule() {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let market = lively(seed);
    let (mut by_rule, mut longest_ms, mut longest_unruly_ms) = (0, 0, 0);
    for moment in 0..MOMENTS {
        let index = usize::try_from(moment / 2).unwrap() % COINS.len();
        // Every other time the coin is about to move: only then is there a rule to be met.
        let is_wanted =
            |&at_ms: &u64| moment % 2 == 0 || market.moved_bp(index, at_ms, at_ms + 20_000) > 40.0;
        let frozen_at_ms =
            std::iter::repeat_with(|| rng.random_range(2 * WATCH_MS..DAY_MS - WATCH_MS))
                .find(is_wanted)
                .unwrap();
        let mut world = settled_at(&market, frozen_at_ms, &mut rng);
        world.faults.frozen = Some(Frozen { index, answers: moment % 4 == 3 });
        let mut due_at_ms = None;
        let is_found = |world: &World| {
            let is_it =
                |t: &Transition| t.symbol().is_some_and(|s| s.as_str() == COINS[index].symbol);
            world.transitions.iter().any(|(_, t)| is_it(t))
        };
        while !is_found(&world) {
            assert!(
                world.now_ms < frozen_at_ms + WATCH_MS,
                "{} is never found",
                COINS[index].symbol
            );
            world.run_until(world.now_ms + STEP_MS);
            let met = world.told[index].frozen_rule_is_met(world.now_ms);
            due_at_ms = due_at_ms.or(met.then_some(world.now_ms));
        }
        match due_at_ms {
            Some(due_at_ms) => {
                by_rule += 1;
                longest_ms = longest_ms.max(world.now_ms - due_at_ms);
            }
            None => longest_unruly_ms = longest_unruly_ms.max(world.now_ms - frozen_at_ms),
        }
    }
    println!(
        r#"figures: {{"moments":{MOMENTS},"found_by_the_rule":{by_rule},"found_after_the_rule_ms_max":{longest_ms},"found_by_asking_anew_ms_max":{longest_unruly_ms}}}"#
    );
    assert!(by_rule > MOMENTS / 4, "the market hardly moved: {by_rule}");
    assert!(longest_ms <= 1_000, "{longest_ms} ms");
}
