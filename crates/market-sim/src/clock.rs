//! The simulator's one clock: wall time read once, then advanced by the monotonic clock, so that
//! a step of the machine's clock never bends the price history.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall clock of the simulator, and microseconds since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimClock {
    start: Instant,
    start_epoch_us: i64,
}

impl SimClock {
    /// Starts now.
    #[must_use]
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { start: Instant::now(), start_epoch_us: micros(since_epoch) }
    }

    /// Microseconds since the start.
    #[must_use]
    pub(crate) fn elapsed_us(&self) -> i64 {
        micros(self.start.elapsed())
    }

    /// Epoch microseconds at the start.
    #[must_use]
    pub(crate) fn start_epoch_us(&self) -> i64 {
        self.start_epoch_us
    }

    /// Epoch microseconds now.
    #[must_use]
    pub(crate) fn now_us(&self) -> i64 {
        self.start_epoch_us.saturating_add(self.elapsed_us())
    }

    /// Epoch milliseconds now.
    #[must_use]
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_us() / 1000
    }

    /// The instant at which `elapsed_us` is reached.
    #[must_use]
    pub(crate) fn instant_at(&self, elapsed_us: i64) -> Instant {
        self.start + Duration::from_micros(u64::try_from(elapsed_us).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with microseconds, as both exchanges write it: `2026-09-25T17:48:26.844359Z`.
#[must_use]
pub(crate) fn rfc3339_us(epoch_us: i64) -> String {
    match jiff::Timestamp::from_microsecond(epoch_us) {
        Ok(timestamp) => format!("{timestamp:.6}"),
        Err(_) => String::from("1970-01-01T00:00:00.000000Z"),
    }
}

/// Epoch microseconds of an RFC 3339 text with any number of digits, if it is one.
#[must_use]
pub(crate) fn parse_rfc3339_us(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_six_digits_and_read_back() {
        for text in ["2026-09-25T17:48:26.844359Z", "2026-09-25T17:48:26.000000Z"] {
            let us = parse_rfc3339_us(text).unwrap();
            assert_eq!(rfc3339_us(us), text);
        }
        assert_eq!(parse_rfc3339_us("2025-06-21 00:01:00+00:00"), Some(1_750_464_060_000_000));
        assert_eq!(parse_rfc3339_us("yesterday"), None);
    }
}
