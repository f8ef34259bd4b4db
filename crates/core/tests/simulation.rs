//! Seeded random timelines of the whole path, venue to client, with faults; the six promises
//! are asserted at every answer against the timeline's own truth.
//!
//! `PRICECAST_SIM_SEEDS=10000` runs more seeds, `PRICECAST_SIM_SEED=17` one alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sim;

use sim::World;

const SEEDS: u64 = 500;
const LENGTH_MS: u64 = 120_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn the_six_promises_hold_in_every_timeline() {
    let seeds = match number("PRICECAST_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PRICECAST_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut answers, mut fresh, mut flagged, mut fallback, mut oldest_ms) = (0, 0, 0, 0, 0);
    for seed in seeds.clone() {
        let seen = World::run(seed, LENGTH_MS);
        answers += seen.answers;
        fresh += seen.fresh_prices;
        flagged += seen.flagged_prices;
        fallback += seen.fallback_prices;
        oldest_ms = oldest_ms.max(seen.oldest_fresh_ms);
    }
    println!(
        "seeds {seeds:?}: {answers} answers, {fresh} fresh prices ({fallback} from the fallback), \
         {flagged} flagged; oldest shown fresh: left {oldest_ms} ms before"
    );
    // A world in which nothing ever goes wrong proves nothing.
    if seeds.end - seeds.start >= 100 {
        assert!(flagged * 50 > fresh, "too few stale prices: the faults do not bite");
        assert!(fallback * 20 > fresh, "too few fallbacks: the faults do not bite");
        assert!(oldest_ms > 3_500, "nothing ever came near the limit");
    }
}

#[test]
fn a_seed_replays_bit_for_bit() {
    let run = || {
        let seen = World::run(7, 30_000);
        (seen.answers, seen.fresh_prices, seen.flagged_prices, seen.oldest_fresh_ms)
    };
    assert_eq!(run(), run());
}
