//! The one process clock, and the only place in the origin that reads the machine's clocks.
//!
//! Wall time is read once and from then on advanced by the monotonic clock. A wall clock that is
//! set anew moves our stamps by at most 50 ms per second and never backwards: so an age is
//! always a difference of honest instants, whatever an operator or NTP does to the machine.
//!
//! Several instances that share a Redis take its clock in place of the wall's, so that all mean
//! the same by "now". While it tells nothing, the clock runs on by itself.

mod told;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use pricecast_core::UnixMillis;

use self::told::Following;
pub use self::told::{Asked, Told};

/// How fast the process clock may be moved towards the wall clock.
const SLEW_US_PER_S: i64 = 50_000;
/// A correction lasts so long and no longer: if nobody corrects any more, the clock runs true.
const CORRECTION_LASTS_US: i64 = 1_000_000;
/// How often the clock is to be compared with the one it follows.
pub const CORRECT_EVERY: Duration = Duration::from_secs(1);

/// The clocks of a machine. A test in virtual time brings its own.
pub trait Readings: fmt::Debug + Send + Sync {
    /// What never goes back, in µs.
    fn monotonic_us(&self) -> i64;
    /// What people set, in µs since the epoch.
    fn wall_us(&self) -> i64;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
struct Machine;

impl Readings for Machine {
    fn monotonic_us(&self) -> i64 {
        monotonic_us()
    }

    fn wall_us(&self) -> i64 {
        wall_us()
    }
}

/// A stretch of the clock: where it stood when the stretch began, and how fast it is slewed.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Monotonic reading at which it began, µs.
    since_us: i64,
    /// What the process clock said then, µs since the epoch.
    began_at_us: i64,
    /// Added per second during the first [`CORRECTION_LASTS_US`], µs.
    slew_us_per_s: i64,
}

impl Stretch {
    /// What the process clock says when the monotonic clock reads `mono_us`.
    fn at(&self, mono_us: i64) -> i64 {
        let elapsed_us = mono_us.saturating_sub(self.since_us).max(0);
        let slewed_us = elapsed_us.min(CORRECTION_LASTS_US) * self.slew_us_per_s / 1_000_000;
        self.began_at_us.saturating_add(elapsed_us).saturating_add(slewed_us)
    }

    /// The stretch that begins at `true_us`, or goes on if that is past.
    fn advanced(&self, mono_us: i64, true_us: i64) -> Self {
        let began_at_us = self.at(mono_us).max(true_us);
        Self { since_us: mono_us, began_at_us, slew_us_per_s: 0 }
    }

    /// The stretch that follows when the clock to follow is seen to read `true_us`.
    fn corrected(&self, mono_us: i64, true_us: i64) -> Self {
        let now_us = self.at(mono_us);
        let error_us = true_us.saturating_sub(now_us);
        let slew_us_per_s = error_us.clamp(-SLEW_US_PER_S, SLEW_US_PER_S);
        Self { since_us: mono_us, began_at_us: now_us, slew_us_per_s }
    }
}

/// The process clock. Cheap to clone and to read; all clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    readings: Box<dyn Readings>,
    stretch: ArcSwap<Stretch>,
    follows: Follows,
    /// The latest instant told: two threads reading around a correction must not see it go back.
    latest_ms: AtomicU64,
}

#[derive(Debug)]
enum Follows {
    Wall,
    Told(Mutex<Following>),
}

impl Clock {
    /// Reads the wall clock, starts from there and follows it.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on(Machine)
    }

    /// The same on other clocks than this machine's.
    #[must_use]
    pub fn start_on(readings: impl Readings + 'static) -> Self {
        let wall_us = readings.wall_us();
        Self::starting(readings, wall_us, Follows::Wall)
    }

    /// Starts from what another clock told, or else from the wall, and follows what
    /// [`Self::note`] is given.
    #[must_use]
    pub fn start_following(told: Option<Told>) -> Self {
        let began_at_us = told.map_or_else(wall_us, |told| told.at(monotonic_us()));
        let following = Following { best: None, is_known: told.is_some() };
        Self::starting(Machine, began_at_us, Follows::Told(Mutex::new(following)))
    }

    fn starting(readings: impl Readings + 'static, began_at_us: i64, follows: Follows) -> Self {
        let since_us = readings.monotonic_us();
        let stretch = Stretch { since_us, began_at_us, slew_us_per_s: 0 };
        let shared = Shared {
            readings: Box::new(readings),
            stretch: ArcSwap::from_pointee(stretch),
            follows,
            latest_ms: 0.into(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Another clock is being asked.
    #[must_use]
    pub fn ask(&self) -> Asked {
        Asked { mono_us: self.shared.readings.monotonic_us() }
    }

    /// The clock that is followed has answered with `their_us`, µs since the epoch. Of several
    /// answers within a second the quickest counts. Until the first one the time was a guess: if
    /// that was behind, it is set right at once, which makes what is held older, never younger.
    pub fn note(&self, asked: Asked, their_us: i64) {
        let Follows::Told(following) = &self.shared.follows else { return };
        let Some(told) = asked.answered(self.shared.readings.monotonic_us(), their_us) else {
            return;
        };
        let mut following = following.lock().unwrap_or_else(PoisonError::into_inner);
        if following.note(told) {
            let mono_us = self.shared.readings.monotonic_us();
            let stretch = **self.shared.stretch.load();
            self.shared.stretch.store(Arc::new(stretch.advanced(mono_us, told.at(mono_us))));
        }
    }

    /// The present instant. Never earlier than one already told.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let now_us = self.shared.stretch.load().at(self.shared.readings.monotonic_us());
        let now_ms = u64::try_from(now_us / 1_000).unwrap_or(0);
        let latest_ms = self.shared.latest_ms.fetch_max(now_ms, Ordering::Relaxed);
        UnixMillis::from_ms(latest_ms.max(now_ms))
    }

    /// Compares with the clock that is followed and slews towards it for the next second. Returns
    /// how far that one was ahead, in milliseconds; `None` if it has told nothing since.
    pub fn correct(&self) -> Option<i64> {
        let readings = &self.shared.readings;
        let mono_us = readings.monotonic_us();
        let true_us = match &self.shared.follows {
            Follows::Wall => readings.wall_us(),
            Follows::Told(following) => {
                let mut following = following.lock().unwrap_or_else(PoisonError::into_inner);
                following.best.take()?.at(mono_us)
            }
        };
        let stretch = **self.shared.stretch.load();
        self.shared.stretch.store(Arc::new(stretch.corrected(mono_us, true_us)));
        Some(true_us.saturating_sub(stretch.at(mono_us)) / 1_000)
    }

    /// Whose time it follows, for messages.
    #[must_use]
    pub fn follows(&self) -> &'static str {
        match self.shared.follows {
            Follows::Wall => "the wall clock",
            Follows::Told(_) => "Redis's clock",
        }
    }

    /// How long from now until `deadline`; zero when it has passed.
    #[must_use]
    pub fn until(&self, deadline: UnixMillis) -> Duration {
        Duration::from_millis(deadline.ms_since(self.now()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock; everything else asks Clock"
)]
fn wall_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// Time since boot, suspended time included: a price does not stay fresh in a sleeping machine.
#[cfg(target_os = "linux")]
fn monotonic_us() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}

#[cfg(not(target_os = "linux"))]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the monotonic clock; everything else asks Clock"
)]
fn monotonic_us() -> i64 {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    i64::try_from(START.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// Another clock is being asked, and ours does not run yet.
#[must_use]
pub fn ask_early() -> Asked {
    Asked { mono_us: monotonic_us() }
}

/// What the other clock has told, asked by [`ask_early`]; `None` if it took too long.
#[must_use]
pub fn told_early(asked: Asked, their_us: i64) -> Option<Told> {
    asked.answered(monotonic_us(), their_us)
}

/// Tells a jump of the clock that is followed once, not every second meanwhile.
#[derive(Debug, Default)]
pub struct JumpWatch {
    was_far: bool,
}

impl JumpWatch {
    /// Below this a difference is ordinary NTP work.
    const WORTH_TELLING_MS: u64 = 1_000;

    /// Whether it is news that the other clock is `ahead_ms` ahead.
    pub const fn is_news(&mut self, ahead_ms: i64) -> bool {
        let is_far = ahead_ms.unsigned_abs() > Self::WORTH_TELLING_MS;
        let is_news = is_far && !self.was_far;
        self.was_far = is_far;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use pricecast_core::Mode;

    use super::*;
    use crate::snapshot::Store;
    use crate::test_support::snapshot;

    const WALL: i64 = 1_706_900_000_000_000;
    const SECOND: i64 = 1_000_000;

    fn start() -> Stretch {
        Stretch { since_us: 0, began_at_us: WALL, slew_us_per_s: 0 }
    }

    #[test]
    fn it_advances_with_the_monotonic_clock_alone() {
        assert_eq!(start().at(7 * SECOND), WALL + 7 * SECOND);
    }

    #[test]
    fn a_small_error_is_gone_after_one_second() {
        let corrected = start().corrected(SECOND, WALL + SECOND + 20_000);
        assert_eq!(corrected.at(2 * SECOND), WALL + 2 * SECOND + 20_000);
        assert_eq!(corrected.at(9 * SECOND), WALL + 9 * SECOND + 20_000, "and no further");
    }

    #[test]
    fn a_step_of_an_hour_moves_it_by_fifty_milliseconds_per_second() {
        for (hour, moved) in [(3_600 * SECOND, 50_000), (-3_600 * SECOND, -50_000)] {
            let mut stretch = start();
            for second in 1..=10 {
                let mono = second * SECOND;
                let before = stretch.at(mono);
                stretch = stretch.corrected(mono, WALL + mono + hour);
                assert_eq!(stretch.at(mono), before, "no step at the correction itself");
                assert_eq!(stretch.at(mono + SECOND) - before, SECOND + moved);
            }
        }
    }

    #[test]
    fn it_never_runs_backwards_while_it_is_slewed_back() {
        let mut stretch = start();
        let mut latest = 0;
        for ms in 0..5_000 {
            if ms % 700 == 0 {
                stretch = stretch.corrected(ms * 1_000, WALL - 3_600 * SECOND);
            }
            let now = stretch.at(ms * 1_000);
            assert!(now >= latest, "{now} after {latest}");
            latest = now;
        }
    }

    #[test]
    fn a_reading_before_the_stretch_began_is_its_beginning() {
        let corrected = start().corrected(SECOND, WALL);
        assert_eq!(corrected.at(0), WALL + SECOND);
    }

    /// Clocks that stand where they are put.
    #[derive(Clone, Debug, Default)]
    struct Hands {
        mono_us: Arc<AtomicI64>,
        wall_us: Arc<AtomicI64>,
    }

    impl Readings for Hands {
        fn monotonic_us(&self) -> i64 {
            self.mono_us.load(Ordering::Relaxed)
        }

        fn wall_us(&self) -> i64 {
            self.wall_us.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_machine_that_slept_wakes_to_prices_of_their_true_age_wherever_its_wall_clock_stands() {
        for wall_moved in [3_600 * SECOND, 0, -3_600 * SECOND] {
            let hands = Hands::default();
            hands.wall_us.store(WALL, Ordering::Relaxed);
            let clock = Clock::start_on(hands.clone());
            let store = Store::new(0);
            let confirmed_at = clock.now();
            store.publish(snapshot(1, confirmed_at), confirmed_at);
            let mode = || store.at(clock.now()).unwrap().snapshot().mode(clock.now());
            assert_eq!(mode(), Mode::Live);
            // Time since boot goes on while nothing runs.
            hands.mono_us.fetch_add(3_600 * SECOND, Ordering::Relaxed);
            hands.wall_us.fetch_add(wall_moved, Ordering::Relaxed);
            assert_eq!(clock.now().ms_since(confirmed_at), 3_600_000);
            clock.correct();
            assert_eq!(mode(), Mode::Frozen);
            let publication = store.at(clock.now()).unwrap();
            let body = publication.forms().get(pricecast_wire::Encoding::Identity).body_text();
            assert!(body.contains("\"frozen\""));
        }
    }

    #[test]
    fn it_starts_from_the_clock_it_follows_and_runs_on_when_that_is_silent() {
        let clock = Clock::start_following(told_early(ask_early(), WALL));
        let began = clock.now();
        assert!(began.ms_since(UnixMillis::from_ms(1_706_900_000_000)) < 1_000, "{began}");
        assert_eq!(clock.correct(), None);
        clock.note(clock.ask(), WALL + 3_600 * SECOND);
        let ahead_ms = clock.correct().unwrap();
        assert!((3_590_000..=3_600_000).contains(&ahead_ms), "{ahead_ms}");
        assert!(clock.now().ms_since(began) < 1_000, "no step");
        assert_eq!(clock.correct(), None, "each reading counts once");
    }

    #[test]
    fn one_that_started_from_a_guess_is_set_forward_by_the_first_reading_and_never_back() {
        for (ahead, is_set) in [(3_600, true), (-3_600, false)] {
            let clock = Clock::start_following(None);
            let began = clock.now();
            clock.note(clock.ask(), wall_us() + ahead * SECOND);
            let moved_ms = clock.now().ms_since(began);
            assert_eq!(moved_ms > 3_500_000, is_set, "{moved_ms} ms");
            clock.correct();
            clock.note(clock.ask(), wall_us() + (ahead + 3_600) * SECOND);
            assert!(clock.now().ms_since(began) < 3_700_000, "only by the first");
        }
    }

    #[test]
    fn of_several_readings_the_quickest_counts() {
        let clock = Clock::start_following(told_early(ask_early(), wall_us()));
        let asked_us_ago = |us| Asked { mono_us: monotonic_us() - us };
        clock.note(asked_us_ago(10_000), wall_us() + 60 * SECOND);
        clock.note(asked_us_ago(40_000), wall_us());
        assert!(clock.correct().unwrap() > 50_000);
    }

    #[test]
    fn the_real_clock_is_close_to_the_wall_and_does_not_go_back() {
        let clock = Clock::start();
        let mut latest = clock.now();
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now >= latest);
            latest = now;
        }
        assert!(clock.correct().unwrap().abs() < 1_000);
        assert_eq!(clock.until(latest.minus_ms(1)), Duration::ZERO);
    }
}
