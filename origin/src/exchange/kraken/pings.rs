//! The application pings of one connection. Their answers come in the order of the stream, so
//! each dates what follows it: said after that ping had left, however late it arrives.
//! <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ping.md> (2026-11)

use std::collections::VecDeque;

use pricecast_core::UnixMillis;

/// As often as confirmations are published: a price is said to be at most that much, and the
/// round trip, older than it is.
const EVERY_MS: u64 = 500;
/// What arrives is at least that old: a new connection has no backlog.
const LAG_MS: u64 = 10_000;

/// Which pings are under way, and the newest that was answered.
#[derive(Debug)]
pub(super) struct Pings {
    last_id: u64,
    due_at: UnixMillis,
    /// Identifier and time of each ping that has left, oldest first. [`LAG_MS`] bounds them.
    unanswered: VecDeque<(u64, UnixMillis)>,
    /// When the newest answered one left; before that, when the connection began.
    answered_at: UnixMillis,
}

impl Pings {
    /// Of a connection that opens at `now`.
    pub(super) const fn new(now: UnixMillis) -> Self {
        Self {
            last_id: 0,
            due_at: now.plus_ms(EVERY_MS),
            unanswered: VecDeque::new(),
            answered_at: now,
        }
    }

    /// When the next one is to leave.
    pub(super) const fn due_at(&self) -> UnixMillis {
        self.due_at
    }

    /// The identifier of the ping to send at `now`, if one is due; counts as sent.
    pub(super) fn next(&mut self, now: UnixMillis) -> Option<u64> {
        if now < self.due_at {
            return None;
        }
        self.due_at = now.plus_ms(EVERY_MS);
        self.last_id = self.last_id.wrapping_add(1);
        self.unanswered.push_back((self.last_id, now));
        Some(self.last_id)
    }

    /// Takes the answer to the ping `id`. Returns when that ping left; `None` if it is not one of
    /// ours, or answered already, itself or a later one.
    pub(super) fn answer(&mut self, id: u64) -> Option<UnixMillis> {
        let place = self.unanswered.iter().position(|&(asked, _)| asked == id)?;
        let (_, sent_at) = self.unanswered.drain(..=place).next_back()?;
        self.answered_at = sent_at;
        Some(sent_at)
    }

    /// When what arrives will be too old to wait for anything newer on this connection.
    pub(super) const fn lag_due(&self) -> UnixMillis {
        self.answered_at.plus_ms(LAG_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis::from_ms(1_000_000 + ms)
    }

    #[test]
    fn one_leaves_every_half_second_and_an_answer_tells_when_its_ping_left() {
        let mut pings = Pings::new(at(0));
        assert_eq!(pings.next(at(499)), None);
        assert_eq!(pings.next(at(500)), Some(1));
        assert_eq!(pings.next(at(999)), None);
        assert_eq!(pings.next(at(1_010)), Some(2), "late by its owner's fault");
        assert_eq!(pings.due_at(), at(1_510));
        assert_eq!(pings.answer(1), Some(at(500)));
        assert_eq!(pings.answer(2), Some(at(1_010)));
    }

    #[test]
    fn an_answer_answers_all_before_it_and_each_only_once() {
        let mut pings = Pings::new(at(0));
        for ms in [500, 1_000, 1_500] {
            assert!(pings.next(at(ms)).is_some());
        }
        assert_eq!(pings.answer(2), Some(at(1_000)));
        for id in [0, 1, 2, 4, u64::MAX] {
            assert_eq!(pings.answer(id), None, "{id}");
        }
        assert_eq!(pings.answer(3), Some(at(1_500)));
    }

    #[test]
    fn the_lag_counts_from_the_newest_answered_ping_or_the_beginning() {
        let mut pings = Pings::new(at(0));
        assert_eq!(pings.lag_due(), at(10_000));
        assert!(pings.next(at(700)).is_some());
        assert_eq!(pings.lag_due(), at(10_000));
        assert!(pings.answer(1).is_some());
        assert_eq!(pings.lag_due(), at(10_700));
    }
}
