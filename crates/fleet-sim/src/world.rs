//! What every part of a simulation shares: the time, what is still to come, chance, the origin,
//! and what has been measured.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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

struct Due {
    at_ms: u64,
    turn: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.turn).cmp(&(other.at_ms, other.turn))
    }
}

/// The shared part of a simulation.
pub(crate) struct World<'a> {
    /// Milliseconds since the run began.
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) origin: &'a Origin,
    pub(crate) measure: Measure,
    due: BinaryHeap<Reverse<Due>>,
    turns: u64,
}

impl<'a> World<'a> {
    pub(crate) fn new(origin: &'a Origin, chance: Chance, measure: Measure) -> Self {
        Self { now: 0, chance, origin, measure, due: BinaryHeap::new(), turns: 0 }
    }

    /// `event` happens after `ms`; of two at the same moment the one that was asked for first.
    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.turns += 1;
        self.due.push(Reverse(Due { at_ms: self.now + ms, turn: self.turns, event }));
    }

    /// The next event, once the time has moved to it; none after `until_ms`.
    pub(crate) fn next(&mut self, until_ms: u64) -> Option<Event> {
        if self.due.peek().is_none_or(|Reverse(due)| due.at_ms > until_ms) {
            self.now = until_ms;
            return None;
        }
        let Reverse(due) = self.due.pop()?;
        self.now = due.at_ms;
        Some(due.event)
    }
}
