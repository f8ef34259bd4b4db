//! What every part of a simulation shares: the time, what is still to come, chance, the origin,
//! and what has been measured.

use pricecast_core::UnixMillis;
use pricecast_core::Version;

use crate::centre::CentreEvent;
use crate::chance::Chance;
use crate::crowd::ClientEvent;
use crate::measure::Measure;
use crate::origin::Origin;
use crate::stream::StreamEvent;
use crate::tiers::TierEvent;

/// What can happen.
#[derive(Debug)]
pub(crate) enum Event {
    Client(ClientEvent),
    Centre(CentreEvent),
    Tier(TierEvent),
    Stream(StreamEvent),
    /// The crowd has come.
    Crowd,
    /// Every isolate and every cache is empty.
    Deploy,
}

/// A request for prices, by whom its answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A phone's: its number, and which of its requests.
    Client { client: usize, request: u64 },
    /// A cache's in front of the Worker.
    Cache,
}

/// An answer with prices, as far as the model cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The snapshot's place in the order.
    pub(crate) version: Version,
    /// When its price was confirmed, in ms of the run.
    pub(crate) confirmed_ms: u64,
    /// `Pricecast-Now`.
    pub(crate) pricecast_now: UnixMillis,
    /// `Age`, where a cache in between states one.
    pub(crate) age_s: Option<u64>,
    /// What the body says.
    pub(crate) is_stale: bool,
}

/// How an ask ended: with prices, or with an error.
pub(crate) type Outcome = Option<Reply>;

/// The shared part of a simulation.
pub(crate) struct World<'a> {
    /// Milliseconds since the run began.
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) origin: &'a Origin,
    pub(crate) measure: Measure,
    /// What is still to come, by the millisecond: time is whole, and the end is known.
    due: Vec<Vec<Event>>,
    /// What is left of the present millisecond.
    present: std::vec::IntoIter<Event>,
}

impl<'a> World<'a> {
    /// A run of `lasts_ms`.
    pub(crate) fn new(origin: &'a Origin, chance: Chance, measure: Measure, lasts_ms: u64) -> Self {
        let moments = usize::try_from(lasts_ms).unwrap_or(0) + 1;
        let due = std::iter::repeat_with(Vec::new).take(moments).collect();
        Self { now: 0, chance, origin, measure, due, present: vec![].into_iter() }
    }

    /// `event` happens after `ms`, unless the run has ended by then; of two at the same moment the
    /// one that was asked for first.
    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        let moment = usize::try_from(self.now + ms).ok();
        if let Some(due) = moment.and_then(|moment| self.due.get_mut(moment)) {
            due.push(event);
        }
    }

    /// The next event, once the time has moved to it; none when the run has ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.present.next() {
                return Some(event);
            }
            let due = self.due.get_mut(usize::try_from(self.now).ok()?)?;
            if due.is_empty() {
                self.now += 1;
            } else {
                self.present = std::mem::take(due).into_iter();
            }
        }
    }
}
