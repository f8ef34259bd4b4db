//! Which faults are active now. Pure: time is an argument.

use super::{BadNumber, Fault, FaultSpec};
use crate::market::{Quote, Venue};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A fault under way.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ActiveFault {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) spec: FaultSpec,
    #[serde(skip)]
    pub(crate) until_us: Option<i64>,
    /// What both venues said when it began, for the faults that repeat it.
    #[serde(skip)]
    pub(crate) held: Arc<Vec<[Arc<Quote>; 2]>>,
}

impl ActiveFault {
    pub(crate) fn hits(&self, venue: Venue, symbol: &str) -> bool {
        self.spec.target.hits(venue) && self.spec.symbol.as_deref().is_none_or(|s| s == symbol)
    }

    /// Which impossible price it is the turn of.
    pub(crate) fn bad_number(&self, turn: usize) -> BadNumber {
        let all = BadNumber::ALL;
        self.spec.number.or_else(|| all.get(turn % all.len()).copied()).unwrap_or(BadNumber::Zero)
    }
}

/// All active faults, and counters of the faults that must not be missed by a socket that was busy
/// while they came and went.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultBoard {
    active: Vec<Arc<ActiveFault>>,
    next_id: u64,
    resets: [u64; 2],
    half_opens: [u64; 2],
}

impl FaultBoard {
    /// Adds a checked fault; answers with its id. A one-shot fault does not stay.
    pub(crate) fn inject(
        &mut self,
        spec: FaultSpec,
        now_us: i64,
        held: Vec<[Arc<Quote>; 2]>,
    ) -> u64 {
        self.next_id += 1;
        for venue in spec.fault.venues().iter().filter(|venue| spec.target.hits(**venue)) {
            match spec.fault {
                Fault::Reset => *venue.of_mut(&mut self.resets) += 1,
                Fault::HalfOpen => *venue.of_mut(&mut self.half_opens) += 1,
                _ => {}
            }
        }
        let one_shot = spec.fault == Fault::Reset && spec.seconds.is_none();
        if !one_shot {
            let until_us = spec.seconds.map(|s| now_us.saturating_add(micros(s)));
            let held = Arc::new(held);
            self.active.push(Arc::new(ActiveFault { id: self.next_id, spec, until_us, held }));
        }
        self.next_id
    }

    /// Ends everything.
    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// Ends one fault; says whether it was active.
    pub(crate) fn clear_one(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|fault| fault.id != id);
        before != self.active.len()
    }

    /// Ends the faults whose time is up; says whether there were any.
    pub(crate) fn expire(&mut self, now_us: i64) -> bool {
        let before = self.active.len();
        self.active.retain(|fault| fault.until_us.is_none_or(|until| until > now_us));
        before != self.active.len()
    }

    /// When the next fault ends by itself.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        self.active.iter().filter_map(|fault| fault.until_us).min()
    }

    /// The same without the faults that leave the answer with this number alone.
    pub(crate) fn at_turn(&self, turn: u64) -> Self {
        let mut board = self.clone();
        board
            .active
            .retain(|fault| fault.spec.every.is_none_or(|every| turn.is_multiple_of(every)));
        board
    }

    /// Every active fault, oldest first.
    pub(crate) fn active(&self) -> &[Arc<ActiveFault>] {
        &self.active
    }

    /// The newest active fault of this kind on the venue, for any symbol.
    pub(crate) fn find(&self, venue: Venue, fault: Fault) -> Option<&ActiveFault> {
        let mut newest = self.active.iter().rev();
        newest.find(|a| a.spec.fault == fault && a.spec.target.hits(venue)).map(Arc::as_ref)
    }

    /// The newest active fault of this kind that hits `symbol` on the venue.
    pub(crate) fn find_for(
        &self,
        venue: Venue,
        fault: Fault,
        symbol: &str,
    ) -> Option<&ActiveFault> {
        let mut newest = self.active.iter().rev();
        newest.find(|a| a.spec.fault == fault && a.hits(venue, symbol)).map(Arc::as_ref)
    }

    pub(crate) fn has(&self, venue: Venue, fault: Fault) -> bool {
        self.find(venue, fault).is_some()
    }

    /// How far the venue's clock is ahead.
    pub(crate) fn skew_us(&self, venue: Venue) -> i64 {
        let fault = self.find(venue, Fault::SkewedClock);
        fault.map_or(0, |fault| fault.spec.skew_ms.unwrap_or(30_000).saturating_mul(1000))
    }

    /// How late the venue's answers leave.
    pub(crate) fn delay(&self, venue: Venue) -> Duration {
        let fault = self.find(venue, Fault::Slow);
        fault.map_or(Duration::ZERO, |f| Duration::from_millis(f.spec.ms.unwrap_or(2_000)))
    }

    /// The faults that make prices of `symbol` come out wrong.
    pub(crate) fn distortions(&self, symbol: &str) -> Vec<u64> {
        let wrong = [Fault::Spike, Fault::DecimalShift, Fault::BadNumber];
        let hits = |fault: &&Arc<ActiveFault>| {
            wrong.contains(&fault.spec.fault) && fault.hits(Venue::Kraken, symbol)
        };
        self.active.iter().filter(hits).map(|fault| fault.id).collect()
    }

    /// How many resets there have been; a socket that sees the number grow must go.
    pub(crate) fn resets(&self, venue: Venue) -> u64 {
        *venue.of(&self.resets)
    }

    /// How many half-open faults there have been; a socket that sees it grow is dead for good.
    pub(crate) fn half_opens(&self, venue: Venue) -> u64 {
        *venue.of(&self.half_opens)
    }
}

fn micros(seconds: f64) -> i64 {
    let micros = crate::decimal::Decimal::from_f64(seconds, 6).units();
    i64::try_from(micros).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Target;

    #[test]
    fn a_fault_with_seconds_ends_by_itself_and_not_before() {
        let mut board = FaultBoard::default();
        let spec = FaultSpec::new(Target::Kraken, Fault::Silence).seconds(1.5);
        board.inject(spec, 1_000_000, Vec::new());
        board.inject(FaultSpec::new(Target::Both, Fault::Slow), 0, Vec::new());
        assert_eq!(board.next_expiry(), Some(2_500_000));
        assert!(!board.expire(2_499_999));
        assert!(board.expire(2_500_000));
        assert!(!board.has(Venue::Kraken, Fault::Silence));
        assert!(board.has(Venue::Coinbase, Fault::Slow), "the other one stays");
    }

    #[test]
    fn a_reset_without_seconds_is_counted_and_does_not_stay() {
        let mut board = FaultBoard::default();
        board.inject(FaultSpec::new(Target::Kraken, Fault::Reset), 0, Vec::new());
        assert!(board.active().is_empty());
        assert_eq!((board.resets(Venue::Kraken), board.resets(Venue::Coinbase)), (1, 0));
        board.inject(FaultSpec::new(Target::Both, Fault::Reset).seconds(1.0), 0, Vec::new());
        assert!(board.has(Venue::Coinbase, Fault::Reset));
    }

    #[test]
    fn one_fault_can_be_ended_alone() {
        let mut board = FaultBoard::default();
        let id = board.inject(FaultSpec::new(Target::Kraken, Fault::Silence), 0, Vec::new());
        board.inject(FaultSpec::new(Target::Coinbase, Fault::Silence), 0, Vec::new());
        assert!(board.clear_one(id) && !board.clear_one(id));
        assert!(!board.has(Venue::Kraken, Fault::Silence));
        assert!(board.has(Venue::Coinbase, Fault::Silence));
    }
}
