//! How well the promise is kept: measured ages, the error budget of the objective, and incidents. Nothing
//! is judged here that is not judged elsewhere: whether a price is fresh, a source connected, a symbol
//! suspected frozen.

mod ages;
mod budget;
mod histogram;
mod incident;

use std::collections::BTreeSet;

pub use ages::{AgeRing, AgeRings, Ages, SeenAt};
pub use budget::{BadRun, Budget, BudgetReport, GOOD_OF_10_000, WINDOW_MINUTES};
pub use histogram::{AgeHistogram, AgeSummary};
pub use incident::{Change, Incident, Incidents, Trouble};

use crate::snapshot::{FRESH_FOR_MS, Snapshot};
use crate::source::{Source, SourceStatus};
use crate::symbol::Symbol;
use crate::time::UnixMillis;

/// How often [`Objective::note`] wants to be called.
pub const LOOK_EVERY_MS: u64 = 100;

/// What is measured at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What is served.
    pub served: Option<&'a Snapshot>,
    /// When each source last proved each price; empty where this instance does not ingest.
    pub confirmations: &'a [(Symbol, Source, UnixMillis)],
    /// The symbols whose price on Kraken is suspected frozen.
    pub suspected: &'a [Symbol],
}

/// Everything that is kept of it.
#[derive(Clone, Debug, Default)]
pub struct Objective {
    /// By symbol and place.
    pub ages: Ages,
    /// Of the minutes.
    pub budget: Budget,
    /// Open and past.
    pub incidents: Incidents,
}

impl Objective {
    /// Takes what is measured at `now`, and tells which incidents have begun or ended with it.
    pub fn note(&mut self, now: UnixMillis, evidence: &Evidence<'_>) -> Vec<Change> {
        let prices = || evidence.served.iter().flat_map(|snapshot| &snapshot.prices);
        for price in prices() {
            let age_ms = now.ms_since(price.confirmed_at);
            self.ages.note(now, price.symbol, SeenAt::Served, age_ms);
            if evidence.confirmations.is_empty() {
                self.ages.note(now, price.symbol, SeenAt::Source(price.source), age_ms);
            }
        }
        for &(symbol, source, confirmed_at) in evidence.confirmations {
            let age_ms = now.ms_since(confirmed_at);
            self.ages.note(now, symbol, SeenAt::Source(source), age_ms);
        }
        let is_fresh_throughout =
            prices().all(|price| now.ms_since(price.confirmed_at) <= FRESH_FOR_MS);
        self.budget.note(now, prices().next().is_some() && is_fresh_throughout);
        let troubles = self.troubles(now, evidence);
        self.incidents.note(now, &troubles)
    }

    /// Notes how old a price was in an answer of the public address.
    pub fn note_at_edge(&mut self, now: UnixMillis, symbol: Symbol, age_ms: u64) {
        self.ages.note(now, symbol, SeenAt::Edge, age_ms);
    }

    fn troubles(&self, now: UnixMillis, evidence: &Evidence<'_>) -> BTreeSet<Trouble> {
        let mut troubles = BTreeSet::new();
        let is_any_fresh = evidence.served.is_some_and(|snapshot| snapshot.any_fresh(now));
        if !is_any_fresh {
            troubles.insert(Trouble::AllStale);
        }
        if let Some(snapshot) = evidence.served {
            let stale = snapshot.prices.iter().filter(|price| price.is_stale(now));
            // While all are, that is one incident and not one for each symbol.
            let told = stale
                .map(|price| Trouble::SymbolStale(price.symbol))
                .filter(|&trouble| is_any_fresh || self.incidents.is_open(trouble));
            troubles.extend(told);
            for source in Source::ALL {
                if snapshot.sources.get(source).status_at(now) != SourceStatus::Connected {
                    troubles.insert(Trouble::SourceDown(source));
                }
            }
        }
        troubles.extend(evidence.suspected.iter().copied().map(Trouble::SymbolFrozen));
        troubles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{PricePoint, SourceReport, Version};
    use crate::source::PerSource;
    use crate::test_support::{at, price, quote, symbol};

    /// BTC and ETH, each confirmed at its moment, both sources connected.
    fn snapshot(btc_at: UnixMillis, eth_at: UnixMillis) -> Snapshot {
        let point = |text, confirmed_at| PricePoint {
            symbol: symbol(text),
            price: price("1"),
            change_24h: quote("1").change_24h,
            source: Source::Kraken,
            as_of: confirmed_at,
            confirmed_at,
            uncertain: false,
        };
        let last_update = Some(btc_at.max(eth_at));
        let report = SourceReport { status: SourceStatus::Connected, reason: None, last_update };
        Snapshot {
            version: Version { epoch: 1, seq: 1 },
            data_at: btc_at,
            prices: vec![point("BTC", btc_at), point("ETH", eth_at)],
            unavailable: vec![],
            sources: PerSource { kraken: report, coinbase: report },
            poll_after_ms: 2_500,
        }
    }

    fn serving(snapshot: &Snapshot) -> Evidence<'_> {
        Evidence { served: Some(snapshot), confirmations: &[], suspected: &[] }
    }

    fn kinds(objective: &Objective) -> Vec<&'static str> {
        objective.incidents.open().map(|incident| incident.trouble.as_str()).collect()
    }

    #[test]
    fn five_seconds_are_good_and_a_millisecond_more_is_bad() {
        for (age_ms, bad) in [(5_000, 0), (5_001, 1)] {
            let mut objective = Objective::default();
            objective.note(at(0), &serving(&snapshot(at(0), at(0))));
            let one_is_old = snapshot(at(0), at(age_ms));
            objective.note(at(3_000), &serving(&one_is_old));
            objective.note(at(age_ms), &serving(&one_is_old));
            assert_eq!(objective.budget.report(at(age_ms)).bad_minutes, bad, "{age_ms}");
        }
    }

    #[test]
    fn what_is_served_and_what_each_source_says_have_ages_of_their_own() {
        let mut objective = Objective::default();
        let served = snapshot(at(0), at(0));
        let confirmations = [(symbol("BTC"), Source::Coinbase, at(200))];
        let evidence = Evidence { confirmations: &confirmations, ..serving(&served) };
        objective.note(at(1_000), &evidence);
        objective.note_at_edge(at(1_000), symbol("BTC"), 1_700);
        let of = |seen_at| {
            let rings = objective.ages.rings(symbol("BTC"), seen_at)?;
            Some(rings.last_hour(at(1_000))?.max_ms)
        };
        assert_eq!(SeenAt::ALL.map(of), [Some(1_000), None, Some(800), Some(1_700)]);
        // Who does not ingest knows the source of what it serves, and no other.
        objective.note(at(2_000), &serving(&served));
        let kraken = SeenAt::Source(Source::Kraken);
        let rings = objective.ages.rings(symbol("BTC"), kraken).unwrap();
        assert_eq!(rings.last_hour(at(2_000)).unwrap().max_ms, 2_000);
    }

    #[test]
    fn all_prices_stale_is_one_incident_and_not_one_for_each() {
        let mut objective = Objective::default();
        let served = snapshot(at(0), at(0));
        for ms in (0..20_000).step_by(100) {
            objective.note(at(ms), &serving(&served));
        }
        assert_eq!(kinds(&objective), ["all_stale", "source_down", "source_down"]);
    }

    #[test]
    fn one_stale_price_among_fresh_ones_is_an_incident_that_goes_on_when_all_are() {
        let mut objective = Objective::default();
        for ms in (0..80_000).step_by(100) {
            let eth_at = at(ms.min(20_000));
            objective.note(at(ms), &serving(&snapshot(at(0), eth_at)));
        }
        assert_eq!(kinds(&objective), ["symbol_stale", "all_stale", "source_down", "source_down"]);
        assert_eq!(objective.incidents.past().count(), 0);
    }

    #[test]
    fn nothing_known_at_all_is_told_like_nothing_fresh() {
        let mut objective = Objective::default();
        for ms in (0..=5_000).step_by(100) {
            objective.note(at(ms), &Evidence { served: None, confirmations: &[], suspected: &[] });
        }
        assert_eq!(kinds(&objective), ["all_stale"]);
        assert_eq!(objective.budget.report(at(5_000)).counted_minutes, 0);
    }

    #[test]
    fn a_suspicion_of_the_aggregator_is_an_incident() {
        let mut objective = Objective::default();
        let (served, suspected) = (snapshot(at(0), at(0)), [symbol("ETH")]);
        let changes =
            objective.note(at(0), &Evidence { suspected: &suspected, ..serving(&served) });
        let trouble = Trouble::SymbolFrozen(symbol("ETH"));
        assert_eq!(changes, [Change::Began(objective.incidents.open().next().copied().unwrap())]);
        assert!(objective.incidents.is_open(trouble));
    }
}
