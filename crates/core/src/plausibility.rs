//! Plausibility of a price: a big jump is a candidate, not a price, until something speaks for
//! it. Nothing is ever clamped or averaged: a price is published as said, or not at all.

use crate::price::Price;
use crate::quote::Quote;
use crate::time::UnixMillis;

/// A price further than this from the reference is a candidate (10 %).
pub(crate) const JUMP_MAX_BP: u32 = 1_000;
/// Two sources this close agree (2 %); a ratio this close to a power of ten is a shifted point.
pub(crate) const AGREEMENT_BP: u32 = 200;
/// How long a candidate must stand, uncontradicted, while the other source is not live.
const STANDING_MS: u64 = 3_000;
/// The same for a shifted decimal point of a coin that only one source lists.
const SHIFT_STANDING_MS: u64 = 600_000;
/// A price the other source said longer ago than this, and no longer confirms, cannot speak for
/// a candidate: agreement with an hour-old price is a coincidence.
pub(crate) const AGREEMENT_WINDOW_MS: u64 = 10_000;

/// What the other source says of the same symbol.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OtherView {
    /// Its price, if live.
    pub(crate) live: Option<Price>,
    /// Its latest received price, candidate or not, if recent or still confirmed.
    pub(crate) latest: Option<Price>,
    /// What it stands for at the moment: its live price, or the candidate that took its place.
    pub(crate) says: Option<Price>,
    /// Whether it lists the symbol, as far as we know.
    pub(crate) lists: bool,
}

/// A price that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) quote: Quote,
    /// The moment it was proved for, should it be accepted.
    pub(crate) confirmed_at: UnixMillis,
    /// The decimal point seems to have moved.
    pub(crate) is_decimal_shift: bool,
    /// Since when it has stood with no live price of the other source against it.
    unopposed_since: Option<UnixMillis>,
}

/// The gate of one symbol on one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    accepted: Option<Price>,
    received: Option<(Price, UnixMillis)>,
    candidate: Option<Candidate>,
}

/// What the gate says to a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is a price.
    Accepted,
    /// It waits, and did not before.
    Quarantined {
        /// What it was measured against.
        reference: Price,
    },
    /// It waits on.
    Waiting,
}

impl Gate {
    /// Judges a quote that arrived at `at` and would confirm for `confirmed_at`.
    pub(crate) fn judge(
        &mut self,
        at: UnixMillis,
        confirmed_at: UnixMillis,
        quote: Quote,
        other: OtherView,
    ) -> Verdict {
        let price = quote.price;
        self.received = Some((price, at));
        let reference = match self.accepted.or(other.live) {
            Some(reference) if !price.is_within_bp(reference, JUMP_MAX_BP) => reference,
            _ => return self.accept(price),
        };
        if agrees(price, other) {
            return self.accept(price);
        }
        let standing = self.candidate.filter(|c| price.is_within_bp(c.quote.price, AGREEMENT_BP));
        self.candidate = Some(Candidate {
            quote,
            confirmed_at,
            is_decimal_shift: price.is_decimal_shift_of(reference, AGREEMENT_BP),
            unopposed_since: standing
                .map_or(Some(at), |c| c.unopposed_since)
                .filter(|_| other.live.is_none()),
        });
        if standing.is_some() { Verdict::Waiting } else { Verdict::Quarantined { reference } }
    }

    /// Whether the waiting candidate may pass by now. `proved_at`: the last moment the source
    /// proved that it still says so; standing counts up to there, not up to now.
    pub(crate) fn review(&mut self, proved_at: UnixMillis, other: OtherView) -> Option<Candidate> {
        let candidate = self.candidate.as_mut()?;
        let stood_ms = if other.live.is_some() {
            candidate.unopposed_since = None;
            0
        } else {
            proved_at.ms_since(*candidate.unopposed_since.get_or_insert(proved_at))
        };
        let has_stood = match (candidate.is_decimal_shift, other.lists) {
            (false, _) => stood_ms >= STANDING_MS,
            (true, false) => stood_ms >= SHIFT_STANDING_MS,
            (true, true) => false,
        };
        if !has_stood && !agrees(candidate.quote.price, other) {
            return None;
        }
        let accepted = *candidate;
        self.accept(accepted.quote.price);
        Some(accepted)
    }

    /// Forgets the candidate: what it rested on is gone.
    pub(crate) fn drop_candidate(&mut self) {
        self.candidate = None;
    }

    pub(crate) const fn is_waiting(&self) -> bool {
        self.candidate.is_some()
    }

    /// When the candidate was last said by a poll.
    pub(crate) fn received_at(&self) -> Option<UnixMillis> {
        self.received.map(|(_, at)| at)
    }

    /// The latest price said, candidate or not, while it can still speak for another.
    pub(crate) fn latest(&self, now: UnixMillis, is_live: bool) -> Option<Price> {
        self.received
            .filter(|&(_, at)| is_live || now.ms_since(at) <= AGREEMENT_WINDOW_MS)
            .map(|(price, _)| price)
    }

    fn accept(&mut self, price: Price) -> Verdict {
        self.accepted = Some(price);
        self.candidate = None;
        Verdict::Accepted
    }
}

fn agrees(price: Price, other: OtherView) -> bool {
    other.latest.is_some_and(|latest| price.is_within_bp(latest, AGREEMENT_BP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{at, price, quote};

    const NOBODY: OtherView = OtherView { live: None, latest: None, says: None, lists: true };

    fn live(text: &str) -> OtherView {
        let says = Some(price(text));
        OtherView { live: says, latest: says, says, lists: true }
    }

    fn gate_at(text: &str) -> Gate {
        let mut gate = Gate::default();
        assert_eq!(gate.judge(at(0), at(0), quote(text), NOBODY), Verdict::Accepted);
        gate
    }

    #[test]
    fn ten_per_cent_passes_and_more_waits() {
        for (next, verdict) in [
            ("110", Verdict::Accepted),
            ("110.1", Verdict::Quarantined { reference: price("100") }),
            ("90", Verdict::Accepted),
            ("89.9", Verdict::Quarantined { reference: price("100") }),
        ] {
            assert_eq!(gate_at("100").judge(at(1), at(1), quote(next), NOBODY), verdict, "{next}");
        }
    }

    #[test]
    fn without_a_price_of_its_own_it_is_measured_against_the_other_sources_live_one() {
        let verdict = Gate::default().judge(at(0), at(0), quote("120"), live("100"));
        assert_eq!(verdict, Verdict::Quarantined { reference: price("100") });
        let verdict = Gate::default().judge(at(0), at(0), quote("120"), NOBODY);
        assert_eq!(verdict, Verdict::Accepted);
    }

    #[test]
    fn a_crash_the_other_source_has_seen_too_passes_at_once() {
        let agreeing = OtherView { latest: Some(price("40.8")), ..NOBODY };
        assert_eq!(gate_at("100").judge(at(1), at(1), quote("40"), agreeing), Verdict::Accepted);
        let beyond = OtherView { latest: Some(price("40.9")), ..agreeing };
        assert_ne!(gate_at("100").judge(at(1), at(1), quote("40"), beyond), Verdict::Accepted);
    }

    #[test]
    fn alone_it_passes_after_standing_three_seconds_and_not_before() {
        let mut gate = gate_at("100");
        gate.judge(at(1_000), at(1_000), quote("40"), NOBODY);
        assert!(gate.review(at(3_999), NOBODY).is_none());
        assert!(gate.review(at(4_000), NOBODY).is_some());
        assert!(!gate.is_waiting());
    }

    #[test]
    fn against_a_live_other_that_disagrees_it_waits_for_ever() {
        let mut gate = gate_at("100");
        gate.judge(at(1_000), at(1_000), quote("40"), live("100"));
        assert!(gate.review(at(9_000_000), live("100")).is_none());
        assert!(gate.review(at(9_000_000), live("40.5")).is_some());
    }

    #[test]
    fn standing_counts_only_from_when_the_other_is_no_longer_live() {
        let mut gate = gate_at("100");
        gate.judge(at(1_000), at(1_000), quote("40"), live("100"));
        assert!(gate.review(at(20_000), live("100")).is_none());
        assert!(gate.review(at(20_100), NOBODY).is_none());
        assert!(gate.review(at(23_099), NOBODY).is_none());
        assert!(gate.review(at(23_100), NOBODY).is_some());
    }

    #[test]
    fn a_tick_back_at_the_old_price_ends_the_candidate() {
        let mut gate = gate_at("100");
        gate.judge(at(1_000), at(1_000), quote("40"), NOBODY);
        assert_eq!(gate.judge(at(2_000), at(2_000), quote("100"), NOBODY), Verdict::Accepted);
        assert!(gate.review(at(60_000), NOBODY).is_none());
    }

    #[test]
    fn a_candidate_that_moves_on_by_more_than_two_per_cent_starts_anew() {
        let mut gate = gate_at("100");
        gate.judge(at(0), at(0), quote("40"), NOBODY);
        assert_eq!(gate.judge(at(2_000), at(2_000), quote("40.8"), NOBODY), Verdict::Waiting);
        assert_ne!(gate.judge(at(2_500), at(2_500), quote("42"), NOBODY), Verdict::Waiting);
        assert!(gate.review(at(5_499), NOBODY).is_none());
        assert!(gate.review(at(5_500), NOBODY).is_some());
    }

    #[test]
    fn a_shifted_point_needs_the_other_source_or_ten_minutes_where_there_is_none() {
        let mut gate = gate_at("100");
        gate.judge(at(0), at(0), quote("1000"), NOBODY);
        assert!(gate.review(at(3_600_000), NOBODY).is_none(), "the other lists it");
        let unlisted = OtherView { lists: false, ..NOBODY };
        assert!(gate.review(at(599_999), unlisted).is_none());
        assert!(gate.review(at(600_000), unlisted).is_some_and(|c| c.is_decimal_shift));
    }

    #[test]
    fn an_old_word_of_the_other_source_does_not_speak_for_a_candidate() {
        let gate = gate_at("100");
        assert_eq!(gate.latest(at(10_000), false), Some(price("100")));
        assert_eq!(gate.latest(at(10_001), false), None);
        assert_eq!(gate.latest(at(10_001), true), Some(price("100")), "still confirmed");
    }
}
