//! Seeded random timelines of the whole path, venue to client, with faults; the six promises
//! are checked at every answer against the timeline's own truth.
//!
//! `make sim SEEDS=10000` runs more seeds, `make sim SEED=17` one alone, and tells what breaks.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sim;

use sim::{ComesBack, Cut, Figures, Mutation, RedisState, Seen, Setting, Trouble, Troubles, World};

const SEEDS: u64 = 500;
/// A small data centre in which things break.
const TROUBLED: Setting = Setting {
    length_ms: 120_000,
    isolates: None,
    pause_ms: (20, 400),
    troubles: Troubles::Random,
    instances: (1, 1),
    mutation: None,
    is_traced: false,
    dates_frames: true,
};
/// Two or three origins and their Redis, which break too.
const CLUSTER: Setting = Setting { instances: (2, 3), pause_ms: (50, 800), ..TROUBLED };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The even seeds are of one origin, the odd ones of several.
fn seeds(first: u64) -> impl Iterator<Item = u64> {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let from = number("SIM_FIRST").unwrap_or(0);
            from..from + number("SIM_SEEDS").unwrap_or(SEEDS)
        }
    };
    seeds.filter(move |seed| seed % 2 == first)
}

fn run(seed: u64, setting: Setting) -> Seen {
    let setting = Setting { is_traced: number("SIM_SEED").is_some(), ..setting };
    World::run(seed, setting).unwrap_or_else(|violation| panic!("{violation}"))
}

/// What some timelines together have shown.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    seeds: u64,
    answers: u64,
    fresh: u64,
    flagged: u64,
    flagged_at_edge: u64,
    fallback: u64,
    oldest_ms: u64,
    elections: Figures,
}

impl Sum {
    fn of(setting: Setting, seeds: impl Iterator<Item = u64>) -> Self {
        let mut sum = Self::default();
        for seed in seeds {
            let Seen { checks, elections } = run(seed, setting);
            sum.seeds += 1;
            sum.answers += checks.answers;
            sum.fresh += checks.fresh_prices;
            sum.flagged += checks.flagged_prices;
            sum.flagged_at_edge += checks.flagged_at_edge;
            sum.fallback += checks.fallback_prices;
            sum.oldest_ms = sum.oldest_ms.max(checks.oldest_fresh_ms);
            sum.elections.add(&elections);
        }
        sum
    }

    /// The line for the fault matrix. Any lie would have ended the run.
    fn tell(&self, more: &[(&str, u64)]) {
        let Self { seeds, answers, oldest_ms, .. } = self;
        let more: String =
            more.iter().map(|(name, value)| format!(r#","{name}":{value}"#)).collect();
        println!(
            r#"figures: {{"seeds":{seeds},"probed":{answers},"lies":0,"longest_unflagged_ms":{oldest_ms}{more}}}"#
        );
    }

    fn tell_elections(&self) {
        let seen = self.elections;
        self.tell(&[
            ("elections", seen.elections),
            ("writes_refused", seen.writes_refused),
            ("takeovers", seen.takeovers),
            ("takeover_ms_max", seen.takeover_ms_max),
            ("step_downs", seen.step_downs),
            ("step_down_ms_max", seen.step_down_ms_max),
            ("two_clients_ms", seen.two_clients_ms),
            ("flagged_at_edge", self.flagged_at_edge),
        ]);
    }

    /// A world in which nothing ever goes wrong proves nothing.
    fn was_troubled(&self) {
        if self.seeds >= 100 {
            let Self { fresh, flagged, fallback, oldest_ms, .. } = *self;
            assert!(flagged * 50 > fresh, "too few stale prices: the faults do not bite");
            assert!(fallback * 20 > fresh, "too few fallbacks: the faults do not bite");
            assert!(oldest_ms > 3_500, "nothing ever came near the limit");
        }
    }
}

#[test]
fn the_six_promises_hold_in_every_timeline() {
    let sum = Sum::of(TROUBLED, seeds(0));
    sum.tell(&[]);
    sum.was_troubled();
}

#[test]
fn several_origins_keep_the_promises_and_one_of_them_speaks_to_the_exchanges() {
    let sum = Sum::of(CLUSTER, seeds(1));
    sum.tell_elections();
    sum.was_troubled();
    if sum.seeds >= 100 {
        assert!(sum.elections.takeovers >= 50, "too few takeovers: {:?}", sum.elections);
        assert!(sum.elections.writes_refused >= 100, "the fence is idle: {:?}", sum.elections);
    }
}

// ── One trouble at a time ──────────────────────────────────────────────────────────────────

const SCRIPTED_SEEDS: u64 = 20;
const EMPTIED: Trouble = Trouble::Redis(RedisState::Up, ComesBack::Empty { clock_ms: 0 });

/// A failover brings back an old leader's lease, and the new clock may be behind.
const FAILOVERS: &[(u64, u64, Trouble)] = &[
    (12_000, 9_000, Trouble::LeaderKilled),
    (13_800, 100, replica(2_000, -1_900)),
    (25_000, 100, replica(700, 1_000)),
    (25_500, 100, replica(300, -1_500)),
];

const fn replica(lost_ms: u64, clock_ms: i64) -> Trouble {
    Trouble::Redis(RedisState::Mute, ComesBack::Replica { lost_ms, clock_ms })
}

/// That script in twenty seeds of several origins.
fn play(script: &'static [(u64, u64, Trouble)]) -> Sum {
    let setting = Setting { length_ms: 40_000, troubles: Troubles::Script(script), ..CLUSTER };
    let sum = Sum::of(setting, 0..SCRIPTED_SEEDS);
    sum.tell_elections();
    sum
}

/// The same, of which clients must see nothing.
fn play_unseen(script: &'static [(u64, u64, Trouble)]) -> Figures {
    let sum = play(script);
    assert_eq!(sum.flagged_at_edge, 0, "the exchanges were there all the time");
    sum.elections
}

#[test]
fn a_leader_that_was_killed_is_replaced_within_two_seconds() {
    let seen = play_unseen(&[(12_000, 5_000, Trouble::LeaderKilled)]);
    assert_eq!(seen.takeovers, SCRIPTED_SEEDS, "{seen:?}");
}

/// It was stopped, and another was elected meanwhile.
fn is_replaced_and_follows(script: &'static [(u64, u64, Trouble)]) {
    let seen = play(script).elections;
    assert_eq!((seen.takeovers, seen.step_downs), (SCRIPTED_SEEDS, SCRIPTED_SEEDS), "{seen:?}");
    assert!(seen.writes_refused >= SCRIPTED_SEEDS, "{seen:?}");
    assert!(seen.step_down_ms_max <= 300, "{seen:?}");
}

#[test]
fn a_leader_that_was_stopped_for_ten_seconds_finds_its_writes_refused_and_follows() {
    is_replaced_and_follows(&[(12_000, 10_000, Trouble::LeaderStopped)]);
}

#[test]
fn a_leader_whose_executor_was_blocked_for_two_seconds_finds_its_writes_refused_and_follows() {
    is_replaced_and_follows(&[(12_000, 2_000, Trouble::LeaderStopped)]);
}

#[test]
fn a_leader_that_hears_nothing_from_redis_keeps_its_lease_by_its_writes() {
    let seen = play_unseen(&[(12_000, 10_000, Trouble::LeaderCut(Cut::Answers))]);
    assert_eq!(seen.elections, SCRIPTED_SEEDS, "{seen:?}");
    assert_eq!((seen.step_downs, seen.two_clients_ms), (0, 0), "{seen:?}");
}

#[test]
fn a_leader_that_has_not_heard_of_the_loss_of_its_lease_follows_as_soon_as_it_does() {
    let seen =
        play_unseen(&[(12_000, 10_000, Trouble::LeaderCut(Cut::Answers)), (15_000, 1, EMPTIED)]);
    assert_eq!((seen.elections, seen.step_downs), (2 * SCRIPTED_SEEDS, SCRIPTED_SEEDS), "{seen:?}");
    assert!(seen.step_down_ms_max <= 300, "{seen:?}");
}

#[test]
fn two_that_believe_they_lead_are_never_both_believed() {
    let seen = play(&[
        (12_000, 9_000, Trouble::LeaderCut(Cut::Both)),
        (16_000, 3_000, Trouble::LeaderStopped),
        (24_000, 4_000, Trouble::LeaderStopped),
        (26_000, 4_000, Trouble::LeaderCut(Cut::Both)),
    ])
    .elections;
    assert!(seen.two_clients_ms > 0 && seen.writes_refused > SCRIPTED_SEEDS, "{seen:?}");
    assert!(seen.step_down_ms_max <= 300, "{seen:?}");
}

#[test]
fn a_redis_that_forgets_everything_changes_nobody() {
    let seen = play_unseen(&[(12_000, 1, EMPTIED), (18_037, 1, EMPTIED), (24_111, 1, EMPTIED)]);
    assert_eq!(seen.elections, 4 * SCRIPTED_SEEDS, "the incumbent retakes each time: {seen:?}");
    assert_eq!((seen.step_downs, seen.two_clients_ms), (0, 0), "{seen:?}");
}

#[test]
fn a_leader_lost_with_its_disk_learns_from_the_others_what_the_emptied_redis_cannot_tell() {
    const EMPTY: ComesBack = ComesBack::Empty { clock_ms: 0 };
    let seen = play(&[
        (12_000, 2_000, Trouble::Redis(RedisState::Mute, EMPTY)),
        (12_500, 1_000, Trouble::LeaderLost),
        (24_000, 2_000, Trouble::Redis(RedisState::Refuses, EMPTY)),
        (25_000, 1_200, Trouble::LeaderLost),
    ])
    .elections;
    assert_eq!(seen.elections, 3 * SCRIPTED_SEEDS, "{seen:?}");
}

#[test]
fn a_leader_told_to_go_gives_the_lease_back_and_is_replaced_within_the_grace_and_a_little() {
    let seen = play_unseen(&[(12_000, 5_000, Trouble::LeaderToldToGo)]);
    assert_eq!(seen.takeovers, SCRIPTED_SEEDS, "{seen:?}");
    assert!(seen.takeover_ms_max < 1_000, "{seen:?}");
}

#[test]
fn a_redis_that_is_down_slow_or_read_only_changes_nobody() {
    const BACK: ComesBack = ComesBack::Unharmed;
    let seen = play_unseen(&[
        (5_000, 4_000, Trouble::Redis(RedisState::Slow, BACK)),
        (10_000, 3_000, Trouble::Redis(RedisState::Refuses, BACK)),
        (15_000, 3_000, Trouble::Redis(RedisState::Mute, BACK)),
        (20_000, 5_000, Trouble::Redis(RedisState::Stalls, BACK)),
        (28_000, 3_000, Trouble::Redis(RedisState::ReadOnly, BACK)),
        (34_000, 700, Trouble::Redis(RedisState::Mute, BACK)),
    ]);
    assert_eq!((seen.step_downs, seen.two_clients_ms), (0, 0), "{seen:?}");
}

#[test]
fn an_edge_that_asks_a_follower_finds_the_leader_when_redis_dies() {
    // The edge stays with the first that has prices, the leader; after its death half find a follower.
    let sum = play(&[
        (12_000, 4_000, Trouble::LeaderKilled),
        (20_000, 15_000, Trouble::Redis(RedisState::Mute, ComesBack::Unharmed)),
    ]);
    assert_eq!(sum.flagged_at_edge, 0, "the leader had live prices all the time");
}

#[test]
fn the_fence_survives_a_failover_that_loses_the_last_writes() {
    let seen = play_unseen(FAILOVERS);
    assert_eq!((seen.step_downs, seen.two_clients_ms), (0, 0), "{seen:?}");
    assert!(seen.elections > 3 * SCRIPTED_SEEDS, "{seen:?}");
}

#[test]
fn after_eight_hours_without_an_exchange_a_price_is_back_within_five_seconds() {
    const HOUR_MS: u64 = 3_600_000;
    const SCRIPT: &[(u64, u64, Trouble)] = &[(60_000, 8 * HOUR_MS, Trouble::NoMarket)];
    let setting = Setting {
        length_ms: 8 * HOUR_MS + 180_000,
        isolates: Some(1),
        pause_ms: (2_000, 6_000),
        troubles: Troubles::Script(SCRIPT),
        ..TROUBLED
    };
    let checks = run(0, setting).checks;
    let attempts = &checks.connected_at;
    let in_ten_minutes = |nth: usize, at: u64| {
        attempts.iter().skip(nth).take_while(|&&later| later < at + 600_000).count() as u64
    };
    let most = attempts.iter().enumerate().map(|(nth, &at)| in_ten_minutes(nth, at)).max();
    let (most, polls) = (most.unwrap_or(0), checks.polls);
    let back_ms = checks.back_ms_max.unwrap();
    println!(
        r#"figures: {{"probed":{},"lies":0,"connection_attempts":{},"attempts_per_10_min_max":{most},"polls":{polls},"first_price_ms":{back_ms}}}"#,
        checks.answers,
        attempts.len(),
    );
    assert!(back_ms <= 5_000, "{back_ms} ms");
    assert!(most <= 60, "{most} connection attempts in ten minutes");
    assert!(
        polls <= 8 * 3_600 / 2 + 1_000,
        "{polls} polls: one every 2 s while the breaker is open"
    );
}

// ── What the checks would miss ─────────────────────────────────────────────────────────────

/// In how many of twenty seeds something that was taken out is missed, by the checks that say so.
fn missed(mutation: Mutation, setting: Setting, told: &str) -> usize {
    let setting = Setting { mutation: Some(mutation), ..setting };
    let violations: Vec<_> = (0..20).filter_map(|seed| World::run(seed, setting).err()).collect();
    let count = violations.iter().filter(|violation| violation.contains(told)).count();
    println!("{mutation:?}: {} of 20 seeds fail, {count} with {told:?}", violations.len());
    let name = mutation.as_str();
    println!(r#"figures: {{"failing_of_20_{name}":{}}}"#, violations.len());
    count
}

#[test]
fn without_the_fence_a_seed_of_twenty_fails() {
    assert!(missed(Mutation::WritesAreNotFenced, CLUSTER, "was stored after") > 0);
}

#[test]
fn without_the_grace_a_seed_of_twenty_fails() {
    assert!(missed(Mutation::NoGrace, CLUSTER, "all speak to the exchanges") > 0);
}

#[test]
fn if_incumbents_give_way_a_seed_of_twenty_fails() {
    assert!(missed(Mutation::IncumbentsGiveWay, CLUSTER, "lost its lease") > 0);
}

#[test]
fn with_epochs_forgotten_a_seed_of_twenty_fails() {
    let setting = Setting { troubles: Troubles::Script(FAILOVERS), ..CLUSTER };
    assert!(missed(Mutation::EpochsAreForgotten, setting, "that knew of") > 0);
}

#[test]
fn publishing_at_once_after_standing_still_fails_in_a_seed_of_twenty() {
    assert!(missed(Mutation::PublishesAtOnce, CLUSTER, "which is over") > 0);
}

#[test]
fn with_looks_that_write_nothing_a_seed_of_twenty_fails() {
    const READ_ONLY: Trouble = Trouble::Redis(RedisState::ReadOnly, ComesBack::Unharmed);
    const SCRIPT: &[(u64, u64, Trouble)] = &[
        (10_000, 1_850, READ_ONLY),
        (15_000, 1_940, READ_ONLY),
        (20_000, 2_030, READ_ONLY),
        (25_000, 2_120, READ_ONLY),
    ];
    let setting = Setting { length_ms: 30_000, troubles: Troubles::Script(SCRIPT), ..CLUSTER };
    assert!(missed(Mutation::LooksOnlyRead, setting, "all speak to the exchanges") > 0);
}

#[test]
fn a_frame_taken_for_as_young_as_its_arrival_lies_within_twenty_seeds() {
    let setting = Setting { dates_frames: false, ..TROUBLED };
    let found: Vec<_> = (0..20).filter_map(|seed| World::run(seed, setting).err()).collect();
    assert!(found.iter().any(|told| told.contains("shown fresh, left")), "{found:?}");
}

#[test]
fn a_seed_replays_bit_for_bit() {
    let seen = |setting| {
        let checks = run(7, Setting { length_ms: 30_000, ..setting }).checks;
        (checks.answers, checks.fingerprint())
    };
    for setting in [TROUBLED, CLUSTER] {
        assert_eq!(seen(setting), seen(setting));
    }
    assert_ne!(seen(CLUSTER), seen(Setting { pause_ms: (50, 801), ..CLUSTER }));
}

#[test]
fn a_data_centre_makes_about_one_fetch_a_second_however_many_isolates_and_requests_it_has() {
    const WARM_UP_MS: u64 = 5_000;
    const LENGTH_MS: u64 = 35_000;
    for (isolates, pause_ms) in
        [(1, (1, 10)), (2, (1, 3)), (5, (1, 3)), (5, (500, 3_000)), (20, (2, 10)), (50, (20, 60))]
    {
        for seed in 0..5 {
            let setting = Setting {
                length_ms: LENGTH_MS,
                isolates: Some(isolates),
                pause_ms,
                troubles: Troubles::None,
                ..TROUBLED
            };
            let seen = run(seed, setting).checks;
            let steady = seen.fetches.iter().filter(|&&at| at >= WARM_UP_MS).count() as u64;
            let allowed = (LENGTH_MS - WARM_UP_MS) / 1_000 * 6 / 5;
            assert!(
                steady <= allowed,
                "seed {seed}: {isolates} isolates, {pause_ms:?} ms: {steady} fetches in 30 s"
            );
        }
    }
}
