//! The last known prices on disk, so that a restart begins with them. The file is a body of the
//! contract.

use std::io;
use std::path::{Path, PathBuf};

use pricecast_core::{
    FRESH_FOR_MS, PerSource, PricePoint, Snapshot, SourceReport, Symbol, UnixMillis,
};
use pricecast_wire::{ParseError, parse, render};

use crate::state_file::StateFile;

/// Its name carries the major version of the contract: a later one writes another file.
const FILE_NAME: &str = "prices.v1.json";
/// That of a market that is not the real one: its prices must never come back as real ones.
const CUSTOM_FILE_NAME: &str = "prices.v1.custom.json";

/// Where the file lives.
#[derive(Clone, Debug)]
pub struct StateDir {
    file: StateFile,
}

/// What was found at the start.
#[derive(Debug)]
pub enum Found {
    /// No file: a first start.
    Nothing,
    /// The last known prices.
    Snapshot(Box<Snapshot>),
    /// A file that could not be used.
    Unusable {
        /// Why.
        error: StateError,
        /// Where it was put.
        kept_as: Option<PathBuf>,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is no snapshot we understand.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl StateDir {
    /// The directory at `path`; it need not exist yet. Each kind of market has its own file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, is_real_market: bool) -> Self {
        let file_name = if is_real_market { FILE_NAME } else { CUSTOM_FILE_NAME };
        Self { file: StateFile::new(path, file_name) }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.directory()
    }

    /// Reads the last known prices. `now` only names a file that is put aside.
    #[must_use]
    pub fn load(&self, now: UnixMillis) -> Found {
        let read = || Ok(self.file.read()?.map(|body| parse(&body)).transpose()?);
        match read() {
            Ok(Some(snapshot)) => Found::Snapshot(Box::new(snapshot)),
            Ok(None) => Found::Nothing,
            Err(error) => Found::Unusable { error, kept_as: self.file.put_aside(now) },
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn save(&self, snapshot: &Snapshot, now: UnixMillis) -> io::Result<()> {
        self.file.replace(render(snapshot, now).as_bytes())
    }
}

/// The same snapshot where nobody knows how old it is: its stamps are of another clock than `now`. None
/// of its prices may pass as fresh.
#[must_use]
pub fn aged(mut snapshot: Snapshot, now: UnixMillis) -> Snapshot {
    let old = now.minus_ms(FRESH_FOR_MS);
    for point in &mut snapshot.prices {
        point.confirmed_at = point.confirmed_at.min(old);
        point.as_of = point.as_of.min(old);
    }
    for report in [&mut snapshot.sources.kraken, &mut snapshot.sources.coinbase] {
        report.last_update = report.last_update.map(|at| at.min(old));
    }
    snapshot
}

/// The prices of an earlier run as they may be taken over at `now`: with their true age. One from
/// our future (the clock was set back in between) has no known age, so it must not pass as fresh.
#[must_use]
pub fn restorable(snapshot: &Snapshot, now: UnixMillis) -> Vec<PricePoint> {
    let old = now.minus_ms(FRESH_FOR_MS);
    let restore = |point: &PricePoint| {
        if point.confirmed_at <= now {
            return *point;
        }
        PricePoint { confirmed_at: old, as_of: point.as_of.min(old), ..*point }
    };
    snapshot.prices.iter().map(restore).collect()
}

/// The publication of an earlier run as it may be served at `now`, before anything newer is known:
/// with its true age, and of what is configured now. `None` if no price is left.
#[must_use]
pub fn restored(last: &Snapshot, symbols: &[Symbol], now: UnixMillis) -> Option<Snapshot> {
    let prices = restorable(last, now);
    let of = |symbol: &Symbol| prices.iter().find(|price| price.symbol == *symbol).copied();
    let known: Vec<_> = symbols.iter().filter_map(of).collect();
    let report = |report: SourceReport| SourceReport {
        last_update: report
            .last_update
            .map(|at| if at <= now { at } else { now.minus_ms(FRESH_FOR_MS) }),
        ..report
    };
    let restored = Snapshot {
        data_at: last.data_at.min(now),
        unavailable: symbols.iter().filter(|symbol| of(symbol).is_none()).copied().collect(),
        sources: PerSource {
            kraken: report(last.sources.kraken),
            coinbase: report(last.sources.coinbase),
        },
        prices: known,
        ..last.clone()
    };
    (!restored.prices.is_empty()).then_some(restored)
}

/// The epoch of this run: later than every earlier one, also after the clock was set back.
#[must_use]
pub fn next_epoch(now: UnixMillis, last: Option<&Snapshot>) -> u64 {
    let after_last = last.map_or(0, |snapshot| snapshot.version.epoch.saturating_add(1));
    now.as_ms().max(after_last)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pricecast_core::SourceStatus;

    use super::*;
    use crate::test_support::{at, snapshot};

    fn empty() -> (tempfile::TempDir, StateDir) {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::new(directory.path().join("made/when/needed"), true);
        (directory, state)
    }

    #[test]
    fn the_file_has_the_name_under_which_every_release_of_v1_looks_for_it() {
        for (is_real_market, name) in [(true, "prices.v1.json"), (false, "prices.v1.custom.json")] {
            let directory = tempfile::tempdir().unwrap();
            let state = StateDir::new(directory.path(), is_real_market);
            state.save(&snapshot(3, at(0)), at(0)).unwrap();
            let body = fs::read_to_string(directory.path().join(name)).unwrap();
            assert_eq!(body, render(&snapshot(3, at(0)), at(0)));
        }
    }

    #[test]
    fn what_is_saved_is_found_again() {
        let (_directory, state) = empty();
        assert!(matches!(state.load(at(0)), Found::Nothing));
        for seq in [1, 2] {
            state.save(&snapshot(seq, at(0)), at(0)).unwrap();
            let Found::Snapshot(found) = state.load(at(9)) else { panic!("not found") };
            assert_eq!(*found, snapshot(seq, at(0)));
        }
    }

    #[test]
    fn prices_of_another_market_never_come_back_as_real_ones() {
        let (_directory, real) = empty();
        let custom = StateDir::new(real.path(), false);
        custom.save(&snapshot(1, at(0)), at(0)).unwrap();
        assert!(matches!(real.load(at(0)), Found::Nothing));
        assert!(matches!(custom.load(at(0)), Found::Snapshot(_)));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_put_aside_and_said_so() {
        for body in ["", "{", "{\"prices\":[]}", "\u{0}\u{1}"] {
            let (_directory, state) = empty();
            fs::create_dir_all(state.path()).unwrap();
            fs::write(state.path().join(FILE_NAME), body).unwrap();
            let Found::Unusable { kept_as, .. } = state.load(at(0)) else { panic!("{body:?}") };
            assert_eq!(fs::read_to_string(kept_as.unwrap()).unwrap(), body);
            assert!(matches!(state.load(at(0)), Found::Nothing));
        }
    }

    #[test]
    fn a_half_written_file_never_takes_the_place_of_the_last_good_one() {
        let (_directory, state) = empty();
        state.save(&snapshot(1, at(0)), at(0)).unwrap();
        fs::write(state.path().join("prices.v1.json.tmp"), "{\"pri").unwrap();
        assert!(matches!(state.load(at(0)), Found::Snapshot(_)));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error_and_no_more() {
        let (directory, _) = empty();
        let file = directory.path().join("a file");
        fs::write(&file, "").unwrap();
        assert!(StateDir::new(file.join("below"), true).save(&snapshot(1, at(0)), at(0)).is_err());
    }

    #[test]
    fn prices_keep_their_true_age_and_those_from_the_future_are_old() {
        let last = snapshot(1, at(1_000));
        assert_eq!(restorable(&last, at(2_000)), last.prices);
        let [restored] = restorable(&last, at(999))[..] else { panic!() };
        assert!(restored.is_stale(at(999)));
        assert!(restored.as_of <= at(999));
    }

    #[test]
    fn prices_with_stamps_of_another_clock_are_old_whatever_that_clock_said() {
        for (confirmed_ms, now_ms) in [(1_000, 1_000), (1_000, 3_500), (9_000, 1_000)] {
            let last = aged(snapshot(1, at(confirmed_ms)), at(now_ms));
            assert!(!last.any_fresh(at(now_ms)), "{confirmed_ms} {now_ms}");
            assert_eq!(last.sources.kraken.status_at(at(now_ms)), SourceStatus::Stale);
        }
        let long_ago = snapshot(1, at(1_000));
        assert_eq!(aged(long_ago.clone(), at(60_000)), long_ago);
    }

    #[test]
    fn what_is_served_before_anything_is_known_is_of_the_symbols_configured_now() {
        let last = snapshot(3, at(1_000));
        let [btc, eth] = ["BTC", "ETH"].map(|text| Symbol::parse(text).unwrap());
        let served = restored(&last, &[eth, btc], at(2_000)).unwrap();
        assert_eq!((&served.prices, &served.unavailable), (&last.prices, &vec![eth]));
        assert_eq!(served.version, last.version);
        assert_eq!(restored(&last, &[eth], at(2_000)), None);
    }

    #[test]
    fn a_source_that_spoke_in_our_future_does_not_pass_as_connected() {
        let last = snapshot(3, at(1_000));
        let btc = [Symbol::parse("BTC").unwrap()];
        for (now_ms, status) in [(1_000, SourceStatus::Connected), (999, SourceStatus::Stale)] {
            let served = restored(&last, &btc, at(now_ms)).unwrap();
            assert_eq!(served.sources.kraken.status_at(at(now_ms)), status, "{now_ms}");
            assert!(served.data_at <= at(now_ms));
        }
    }

    #[test]
    fn an_epoch_is_later_than_the_last_one_whatever_the_clock_says() {
        let last = snapshot(1, at(0));
        assert_eq!(next_epoch(at(5), None), at(5).as_ms());
        for (now, epoch) in [(3, 8), (7, 8), (8, 8), (9, 9)] {
            assert_eq!(last.version.epoch, 7);
            assert_eq!(next_epoch(UnixMillis::from_ms(now), Some(&last)), epoch);
        }
    }
}
