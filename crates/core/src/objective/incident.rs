//! Troubles that last become incidents, with a beginning and an end; what flaps is one incident.

use std::collections::{BTreeSet, VecDeque};

use crate::source::Source;
use crate::symbol::Symbol;
use crate::time::UnixMillis;

/// A source that is back within this time has only reconnected.
const SOURCE_DOWN_AFTER_MS: u64 = 10_000;
/// Likewise prices that were flagged: a restart begins with old ones.
const STALE_AFTER_MS: u64 = 5_000;
/// An incident is over when nothing was seen of it for this long …
const CALM_MS: u64 = 30_000;
/// … and where the same trouble had ended so shortly before it began, for this long: it flaps.
const RESTLESS_MS: u64 = 600_000;
/// So many past incidents are known.
const PAST_MAX: usize = 50;

/// What is wrong, as core has judged it elsewhere; here it is only given a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No price is fresh, or none is known.
    AllStale,
    /// The price of one symbol is flagged, while others are fresh.
    SymbolStale(Symbol),
    /// Kraken says nothing of a symbol whose price moves on Coinbase.
    SymbolFrozen(Symbol),
    /// A source is not `connected`.
    SourceDown(Source),
}

impl Trouble {
    /// What kind it is, in the contract and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllStale => "all_stale",
            Self::SymbolStale(_) => "symbol_stale",
            Self::SymbolFrozen(_) => "symbol_frozen",
            Self::SourceDown(_) => "source_down",
        }
    }

    /// The symbol concerned, if one is.
    #[must_use]
    pub const fn symbol(self) -> Option<Symbol> {
        match self {
            Self::SymbolStale(symbol) | Self::SymbolFrozen(symbol) => Some(symbol),
            Self::AllStale | Self::SourceDown(_) => None,
        }
    }

    /// The source concerned, if one is.
    #[must_use]
    pub const fn source(self) -> Option<Source> {
        match self {
            Self::SourceDown(source) => Some(source),
            _ => None,
        }
    }

    /// The trouble of that kind with that symbol or source.
    #[must_use]
    pub fn from_parts(kind: &str, symbol: Option<Symbol>, source: Option<Source>) -> Option<Self> {
        let trouble = match kind {
            "all_stale" => Self::AllStale,
            "symbol_stale" => Self::SymbolStale(symbol?),
            "symbol_frozen" => Self::SymbolFrozen(symbol?),
            "source_down" => Self::SourceDown(source?),
            _ => return None,
        };
        Some(trouble)
    }

    /// How long it must last to be an incident. That a price is frozen is concluded slowly enough.
    const fn lasts_ms(self) -> u64 {
        match self {
            Self::AllStale | Self::SymbolStale(_) => STALE_AFTER_MS,
            Self::SymbolFrozen(_) => 0,
            Self::SourceDown(_) => SOURCE_DOWN_AFTER_MS,
        }
    }
}

/// A trouble that lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// What was wrong.
    pub trouble: Trouble,
    /// When it was seen first.
    pub began_at: UnixMillis,
    /// When it was seen last.
    pub seen_at: UnixMillis,
}

/// What became of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has lasted long enough to be one.
    Began(Incident),
    /// It is over.
    Ended(Incident),
}

#[derive(Clone, Copy, Debug)]
struct Open {
    incident: Incident,
    /// Until then it may still pass without being one.
    has_lasted: bool,
    is_restless: bool,
}

/// Those that last, and those that are over.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    open: Vec<Open>,
    past: VecDeque<Incident>,
}

impl Incidents {
    /// What [`Self::open`] and [`Self::past`] told once. Nobody is told again of those that last.
    #[must_use]
    pub fn restored(
        open: impl IntoIterator<Item = Incident>,
        past: impl IntoIterator<Item = Incident>,
    ) -> Self {
        let mut incidents = Self::default();
        for incident in past {
            incidents.remember(incident);
        }
        let lasting = |incident| Open { incident, has_lasted: true, is_restless: false };
        incidents.open = open.into_iter().map(lasting).collect();
        incidents
    }

    /// Those that last.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.iter().filter(|open| open.has_lasted).map(|open| &open.incident)
    }

    /// The last 50 that are over, in the order of their ends.
    pub fn past(&self) -> impl Iterator<Item = &Incident> {
        self.past.iter()
    }

    /// Whether an incident of that trouble lasts.
    #[must_use]
    pub fn is_open(&self, trouble: Trouble) -> bool {
        self.open().any(|incident| incident.trouble == trouble)
    }

    /// Takes what is wrong at `now`, and tells what has become of it.
    pub fn note(&mut self, now: UnixMillis, troubles: &BTreeSet<Trouble>) -> Vec<Change> {
        for &trouble in troubles {
            if !self.open.iter().any(|open| open.incident.trouble == trouble) {
                let incident = Incident { trouble, began_at: now, seen_at: now };
                let is_restless = self.is_restless(trouble, now);
                self.open.push(Open { incident, has_lasted: false, is_restless });
            }
        }
        let mut changes = Vec::new();
        let mut over = Vec::new();
        self.open.retain_mut(|open| {
            let Incident { trouble, began_at, seen_at } = &mut open.incident;
            if troubles.contains(trouble) {
                *seen_at = now;
                if !open.has_lasted && now.ms_since(*began_at) >= trouble.lasts_ms() {
                    open.has_lasted = true;
                    changes.push(Change::Began(open.incident));
                }
                return true;
            }
            let calm_ms = if open.is_restless { RESTLESS_MS } else { CALM_MS };
            let is_over = now.ms_since(*seen_at) >= calm_ms;
            if open.has_lasted && is_over {
                over.push(open.incident);
            }
            open.has_lasted && !is_over
        });
        for incident in over {
            self.remember(incident);
            changes.push(Change::Ended(incident));
        }
        changes
    }

    fn is_restless(&self, trouble: Trouble, now: UnixMillis) -> bool {
        let mut same = self.past.iter().filter(|past| past.trouble == trouble);
        same.any(|past| now.ms_since(past.seen_at) < RESTLESS_MS)
    }

    fn remember(&mut self, incident: Incident) {
        if self.past.len() == PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(incident);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{at, symbol};

    const KRAKEN: Trouble = Trouble::SourceDown(Source::Kraken);

    /// Looks every 100 ms of the span, and returns when each thing was told, in ms.
    fn look(
        incidents: &mut Incidents,
        span_ms: std::ops::Range<u64>,
        troubles: &[Trouble],
    ) -> Vec<(u64, &'static str)> {
        let troubles = troubles.iter().copied().collect();
        let mut told = Vec::new();
        for ms in span_ms.step_by(100) {
            for change in incidents.note(at(ms), &troubles) {
                told.push(match change {
                    Change::Began(incident) => (ms, incident.trouble.as_str()),
                    Change::Ended(_) => (ms, "over"),
                });
            }
        }
        told
    }

    #[test]
    fn a_trouble_is_an_incident_once_it_has_lasted_and_not_before() {
        for (trouble, after_ms) in [
            (KRAKEN, 10_000),
            (Trouble::AllStale, 5_000),
            (Trouble::SymbolStale(symbol("BTC")), 5_000),
            (Trouble::SymbolFrozen(symbol("BTC")), 0),
        ] {
            let mut incidents = Incidents::default();
            assert_eq!(look(&mut incidents, 0..after_ms, &[trouble]), [], "{trouble:?}");
            assert_eq!(incidents.open().count(), 0);
            let told = look(&mut incidents, after_ms..after_ms + 100, &[trouble]);
            assert_eq!(told, [(after_ms, trouble.as_str())]);
            assert_eq!(incidents.open().next().unwrap().began_at, at(0), "from its beginning on");
        }
    }

    #[test]
    fn one_that_passes_before_leaves_no_trace() {
        let mut incidents = Incidents::default();
        for round in 0..20 {
            let from = round * 10_000;
            assert_eq!(look(&mut incidents, from..from + 9_900, &[KRAKEN]), []);
            assert_eq!(look(&mut incidents, from + 9_900..from + 10_000, &[]), []);
        }
        assert_eq!(incidents.past().count(), 0);
    }

    #[test]
    fn an_incident_is_over_after_half_a_minute_of_calm_and_ended_when_it_was_seen_last() {
        let mut incidents = Incidents::default();
        look(&mut incidents, 0..20_000, &[KRAKEN]);
        assert_eq!(look(&mut incidents, 20_000..49_900, &[]), []);
        assert!(incidents.is_open(KRAKEN));
        assert_eq!(look(&mut incidents, 49_900..60_000, &[]), [(49_900, "over")]);
        let past: Vec<_> = incidents.past().copied().collect();
        assert_eq!(past, [Incident { trouble: KRAKEN, began_at: at(0), seen_at: at(19_900) }]);
        assert!(!incidents.is_open(KRAKEN));
    }

    #[test]
    fn what_comes_and_goes_within_half_a_minute_is_one_incident() {
        let mut incidents = Incidents::default();
        let mut told = Vec::new();
        for round in 0..10 {
            let from = round * 40_000;
            told.extend(look(&mut incidents, from..from + 11_000, &[KRAKEN]));
            told.extend(look(&mut incidents, from + 11_000..from + 40_000, &[]));
        }
        assert_eq!(told, [(10_000, "source_down")]);
    }

    #[test]
    fn what_comes_and_goes_more_slowly_is_told_twice_and_then_needs_ten_minutes_of_calm() {
        let mut incidents = Incidents::default();
        let mut told = Vec::new();
        for round in 0..30 {
            let from = round * 60_000;
            told.extend(look(&mut incidents, from..from + 20_000, &[KRAKEN]));
            told.extend(look(&mut incidents, from + 20_000..from + 60_000, &[]));
        }
        assert_eq!(told, [(10_000, "source_down"), (49_900, "over"), (70_000, "source_down")]);
        let end = 29 * 60_000 + 19_900;
        assert_eq!(look(&mut incidents, 30 * 60_000..end + 600_000, &[]), []);
        assert_eq!(look(&mut incidents, end + 600_000..end + 600_100, &[]).len(), 1);
    }

    #[test]
    fn the_next_one_ten_minutes_later_is_told_as_the_first_was() {
        for (later_ms, calm_ms) in [(599_900, 600_000), (600_000, 30_000)] {
            let mut incidents = Incidents::default();
            look(&mut incidents, 0..20_000, &[KRAKEN]);
            let again = 19_900 + later_ms;
            look(&mut incidents, 20_000..again, &[]);
            look(&mut incidents, again..again + 20_000, &[KRAKEN]);
            let end = again + 19_900 + calm_ms;
            assert_eq!(look(&mut incidents, again + 20_000..end, &[]), [], "{later_ms}");
            assert_eq!(look(&mut incidents, end..end + 100, &[]), [(end, "over")], "{later_ms}");
        }
    }

    #[test]
    fn troubles_are_told_apart_by_what_they_concern() {
        let mut incidents = Incidents::default();
        let of = |text| Trouble::SymbolFrozen(symbol(text));
        assert_eq!(look(&mut incidents, 0..100, &[of("BTC")]).len(), 1);
        assert_eq!(look(&mut incidents, 100..200, &[of("BTC"), of("ETH")]).len(), 1);
        assert_eq!(incidents.open().count(), 2);
    }

    #[test]
    fn one_that_lasts_over_a_restart_is_not_told_again() {
        let mut incidents = Incidents::default();
        look(&mut incidents, 0..20_000, &[KRAKEN]);
        let open: Vec<_> = incidents.open().copied().collect();
        let mut again = Incidents::restored(open.clone(), []);
        assert_eq!(look(&mut again, 60_000..80_000, &[KRAKEN]), []);
        assert_eq!(again.open().next().unwrap().began_at, at(0));
        let mut over = Incidents::restored(open, []);
        assert_eq!(look(&mut over, 60_000..60_100, &[]), [(60_000, "over")]);
        assert_eq!(over.past().next().unwrap().seen_at, at(19_900));
    }

    #[test]
    fn the_last_fifty_are_known() {
        let incident = |n| Incident { trouble: KRAKEN, began_at: at(n), seen_at: at(n) };
        let incidents = Incidents::restored([], (0..60).map(incident));
        assert_eq!(incidents.past().count(), 50);
        assert_eq!(incidents.past().last(), Some(&incident(59)));
    }

    #[test]
    fn a_trouble_comes_back_from_its_name_and_what_it_concerns() {
        for trouble in [
            Trouble::AllStale,
            Trouble::SymbolStale(symbol("BTC")),
            Trouble::SymbolFrozen(symbol("ETH")),
            KRAKEN,
        ] {
            let again = Trouble::from_parts(trouble.as_str(), trouble.symbol(), trouble.source());
            assert_eq!(again, Some(trouble));
        }
        assert_eq!(Trouble::from_parts("source_down", None, None), None);
        assert_eq!(Trouble::from_parts("flood", None, None), None);
    }
}
