//! What the origin says at any moment of a run, and the truth about it: its clock is the model's
//! clock, so the age of a price is known exactly.

use std::sync::Arc;

use pricecast_core::{
    ChangePct, PerSource, Price, PricePoint, Snapshot, Source, SourceReport, SourceStatus, Symbol,
    UnixMillis, Version,
};

use crate::chance::Chance;
use crate::scenario::{Reach, Scenario};

/// The model's clock at the beginning of a run, for stamps that look like stamps.
pub(crate) const BEGAN_AT_MS: u64 = 1_763_700_000_000;
/// It publishes this often where prices move all the time …
const PUBLISHES_EVERY_MS: u64 = 100;
/// … and this often where none does: with each of Kraken's heartbeats.
const HEARTBEATS_EVERY_MS: u64 = 1_000;
/// A live price was confirmed this long before it was published: by the last ping that was answered,
/// one of which leaves every 500 ms, and its way there and back.
const CONFIRMED_BEFORE_MS: (u64, u64) = (100, 700);
/// Without a word for this long Kraken is not live, and Coinbase's price is published. (The origin counts
/// from the last confirmation: this errs towards older, by the lag.)
const SILENCE_DEADLINE_MS: u64 = 3_000;
/// Live again for this long without a break, Kraken's price is published again.
const HOLD_DOWN_MS: u64 = 10_000;
/// Coinbase is asked this often; an answer confirms the moment it was asked for …
const POLLS_EVERY_MS: u64 = 1_000;
/// … and comes this much later.
const POLL_TAKES_MS: u64 = 150;

/// The origin during one run.
#[derive(Debug)]
pub(crate) struct Origin {
    scenario: Scenario,
    publishes_every_ms: u64,
    published: Vec<Arc<Snapshot>>,
}

/// The instant of the origin's clock at `at_ms` of the run.
pub(crate) const fn clock(at_ms: u64) -> UnixMillis {
    UnixMillis::from_ms(BEGAN_AT_MS + at_ms)
}

/// The moment of the run at which the price was confirmed. The one price there is stands for the
/// one of the list that was confirmed longest ago.
pub(crate) fn confirmed_ms(snapshot: &Snapshot) -> u64 {
    let confirmed_at = snapshot.prices.first().map(|price| price.confirmed_at);
    confirmed_at.unwrap_or_default().as_ms().saturating_sub(BEGAN_AT_MS)
}

impl Origin {
    /// Its whole timeline.
    pub(crate) fn new(scenario: Scenario, seed: u64) -> Self {
        let mut chance = Chance::new(seed, &[0x0419]);
        let mut confirmed_at = clock(0).minus_ms(CONFIRMED_BEFORE_MS.1);
        let mut published = vec![];
        let publishes_every_ms = match scenario {
            Scenario::QuietMarket => HEARTBEATS_EVERY_MS,
            _ => PUBLISHES_EVERY_MS,
        };
        for seq in 0..=scenario.lasts_ms() / publishes_every_ms {
            let at_ms = seq * publishes_every_ms;
            let lag_ms = chance.between(CONFIRMED_BEFORE_MS.0, CONFIRMED_BEFORE_MS.1);
            confirmed_at = confirmed_at.max(confirmed_by(scenario, at_ms, lag_ms));
            let epoch = 1 + u64::from(scenario.heals_at_ms().is_some_and(|heals| at_ms >= heals));
            published.push(Arc::new(snapshot(Version { epoch, seq }, confirmed_at)));
        }
        Self { scenario, publishes_every_ms, published }
    }

    /// Whether it can be asked.
    pub(crate) fn reach(&self, at_ms: u64) -> Reach {
        self.scenario.reach(at_ms)
    }

    /// What it says to a request that arrives at `at_ms`.
    pub(crate) fn says(&self, at_ms: u64) -> Option<Arc<Snapshot>> {
        let latest = usize::try_from(at_ms / self.publishes_every_ms).ok()?;
        self.published.get(latest).or(self.published.last()).map(Arc::clone)
    }
}

/// Until when the price published at `at_ms` is confirmed.
fn confirmed_by(scenario: Scenario, at_ms: u64, lag_ms: u64) -> UnixMillis {
    match scenario.silence_ms() {
        Some((from, until)) if (from..until + HOLD_DOWN_MS).contains(&at_ms) => {
            if at_ms < from + SILENCE_DEADLINE_MS {
                return clock(0);
            }
            let answered_ms = at_ms.saturating_sub(POLL_TAKES_MS);
            clock(answered_ms - answered_ms % POLLS_EVERY_MS)
        }
        _ => clock(0).plus_ms(at_ms).minus_ms(lag_ms),
    }
}

fn snapshot(version: Version, confirmed_at: UnixMillis) -> Snapshot {
    let report = SourceReport { status: SourceStatus::Connected, reason: None, last_update: None };
    let price = PricePoint {
        symbol: Symbol::parse("BTC").expect("three letters"),
        price: Price::parse("67432.15").expect("a plain decimal"),
        change_24h: ChangePct::parse("2.34").expect("a plain decimal"),
        source: Source::Kraken,
        as_of: confirmed_at,
        confirmed_at,
        uncertain: false,
    };
    Snapshot {
        version,
        data_at: confirmed_at,
        prices: vec![price],
        unavailable: vec![],
        sources: PerSource { kraken: report, coinbase: report },
        poll_after_ms: 2_500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::TROUBLE_AT_MS;

    fn age_ms(origin: &Origin, at_ms: u64) -> u64 {
        at_ms - confirmed_ms(&origin.says(at_ms).unwrap())
    }

    #[test]
    fn a_live_price_is_at_most_the_lag_and_one_publication_old() {
        let origin = Origin::new(Scenario::NormalDay, 1);
        let ages = (1_000..30_000).map(|at_ms| age_ms(&origin, at_ms));
        assert!(ages.clone().all(|age_ms| (100..800).contains(&age_ms)));
        assert!(ages.max() > Some(700));
    }

    #[test]
    fn a_quiet_market_s_price_is_at_most_the_lag_and_one_heartbeat_old() {
        let origin = Origin::new(Scenario::QuietMarket, 1);
        let ages = (1_000..30_000).map(|at_ms| age_ms(&origin, at_ms));
        assert!(ages.clone().all(|age_ms| (100..1_700).contains(&age_ms)));
        assert!(ages.max() > Some(1_500));
    }

    #[test]
    fn kraken_s_silence_makes_prices_three_seconds_old_and_then_coinbase_s_are_told() {
        let origin = Origin::new(Scenario::KrakenSilent, 1);
        let (from, until) = Scenario::KrakenSilent.silence_ms().unwrap();
        let oldest = (from..until).map(|at_ms| age_ms(&origin, at_ms)).max().unwrap();
        assert!((3_000..=3_800).contains(&oldest), "{oldest}");
        let later = (from + 4_000..until + HOLD_DOWN_MS).map(|at_ms| age_ms(&origin, at_ms));
        assert!(later.clone().max() > Some(1_000) && later.max() < Some(1_350));
        assert!(age_ms(&origin, until + HOLD_DOWN_MS + 200) < 800);
    }

    #[test]
    fn a_dead_origin_refuses_then_hangs_then_answers_under_a_new_epoch() {
        let origin = Origin::new(Scenario::OriginDead, 1);
        let heals_at_ms = Scenario::OriginDead.heals_at_ms().unwrap();
        assert_eq!(origin.reach(TROUBLE_AT_MS - 1), Reach::Answers);
        assert_eq!(origin.reach(TROUBLE_AT_MS), Reach::Refuses);
        assert_eq!(origin.reach(heals_at_ms - 1), Reach::Hangs);
        assert_eq!(origin.reach(heals_at_ms), Reach::Answers);
        let version = |at_ms| origin.says(at_ms).unwrap().version;
        assert_eq!(version(heals_at_ms).epoch, version(TROUBLE_AT_MS).epoch + 1);
    }
}
