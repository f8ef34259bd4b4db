//! What the clients did to each venue: the proof that there is one well-behaved client.

use crate::market::Venue;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Times of this many recent events are kept per kind.
const KEEP_TIMES: usize = 2_000;

/// Counts of one venue since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VenueStats {
    /// Connections attempted: WebSocket upgrades asked for on Kraken, TCP connections that carried
    /// a request on Coinbase; refused ones count.
    pub attempts: u64,
    /// Sockets open now.
    pub open: u64,
    /// Most sockets open at once.
    pub max_open: u64,
    /// Kraken: messages received. Coinbase: requests received.
    pub requests: u64,
    /// Coinbase: requests being answered now.
    pub in_flight: u64,
    /// Coinbase: most requests being answered at once.
    pub max_in_flight: u64,
    /// Kraken: symbols in subscribe messages, and how many were accepted.
    pub subscribes: u64,
    /// Kraken: subscriptions accepted.
    pub subscribed: u64,
    /// Kraken: frames sent. Coinbase: answers sent.
    pub sent: u64,
    /// Epoch ms of the most recent attempts (at most 2,000), oldest first.
    pub attempt_times: VecDeque<i64>,
    /// Epoch ms of the most recent requests (at most 2,000), oldest first.
    pub request_times: VecDeque<i64>,
}

/// Counts of both venues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The WebSocket face.
    pub kraken: VenueStats,
    /// The REST face.
    pub coinbase: VenueStats,
}

impl Stats {
    /// One venue's counts.
    #[must_use]
    pub fn of(&self, venue: Venue) -> &VenueStats {
        match venue {
            Venue::Kraken => &self.kraken,
            Venue::Coinbase => &self.coinbase,
        }
    }
}

/// The counters all connections share.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    venues: [Mutex<VenueStats>; 2],
}

impl Counters {
    pub(crate) fn count(&self, venue: Venue, change: impl FnOnce(&mut VenueStats)) {
        let mut stats = venue.of(&self.venues).lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut stats);
        stats.max_open = stats.max_open.max(stats.open);
        stats.max_in_flight = stats.max_in_flight.max(stats.in_flight);
    }

    pub(crate) fn attempt(&self, venue: Venue, now_ms: i64) {
        self.count(venue, |stats| {
            stats.attempts += 1;
            keep(&mut stats.attempt_times, now_ms);
        });
    }

    pub(crate) fn request(&self, venue: Venue, now_ms: i64) {
        self.count(venue, |stats| {
            stats.requests += 1;
            keep(&mut stats.request_times, now_ms);
        });
    }

    pub(crate) fn read(&self) -> Stats {
        let read = |venue: Venue| {
            venue.of(&self.venues).lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        Stats { kraken: read(Venue::Kraken), coinbase: read(Venue::Coinbase) }
    }
}

fn keep(times: &mut VecDeque<i64>, now_ms: i64) {
    times.push_back(now_ms);
    if times.len() > KEEP_TIMES {
        times.pop_front();
    }
}

/// Counts a socket as open, or a request as in flight, for as long as it lives.
pub(crate) struct Counted<'a> {
    counters: &'a Counters,
    venue: Venue,
    field: fn(&mut VenueStats) -> &mut u64,
}

impl<'a> Counted<'a> {
    pub(crate) fn open(counters: &'a Counters, venue: Venue) -> Self {
        Self::new(counters, venue, |stats| &mut stats.open)
    }

    pub(crate) fn in_flight(counters: &'a Counters, venue: Venue) -> Self {
        Self::new(counters, venue, |stats| &mut stats.in_flight)
    }

    fn new(counters: &'a Counters, venue: Venue, field: fn(&mut VenueStats) -> &mut u64) -> Self {
        counters.count(venue, |stats| *field(stats) += 1);
        Self { counters, venue, field }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counters.count(self.venue, |stats| {
            let value = (self.field)(stats);
            *value = value.saturating_sub(1);
        });
    }
}
