//! `pricecast replay`: a record of the origin's run again, and what came of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use pricecast_origin::record::{Replay, ReplayError, Report, WARM_UP_MS, segments};

use crate::text::{instant, thousands};

/// Runs a record of the origin's again: the same core on what the exchanges said must publish the
/// same prices, to the byte.
///
/// The record is in `record` below the origin's `state_dir`. Exit code: 0 if all is the same, 1 if
/// not, 65 if it cannot be read.
#[derive(Debug, Args)]
pub(crate) struct ReplayFlags {
    /// Segments of the record, or the folder of all of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Also print each body, as it was published.
    #[arg(long)]
    print: bool,
}

/// What keeps a record from being replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayFailure {
    #[error("read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error(
        "{path} has no segment of a record (record-….ndjson) in it; give the folder `record` below the origin's state_dir"
    )]
    Empty { path: PathBuf },
    #[error("{path} is no record of the origin's, or of a later version: {error}")]
    Line { path: PathBuf, error: ReplayError },
    #[error("no feed begins in the record, so there is nothing to replay")]
    NoBeginning,
    #[error("write what is published: {0}")]
    Write(#[from] io::Error),
}

impl ReplayFlags {
    /// Replays, and tells `out`. Returns whether all is the same.
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<bool, ReplayFailure> {
        let paths = self.segments()?;
        let mut replay = Replay::default();
        let mut torn = 0_u64;
        for path in &paths {
            torn += u64::from(self.replay(&mut replay, path, out)?);
        }
        let report = replay.report();
        out.write_all(
            told(report, paths.len(), torn).ok_or(ReplayFailure::NoBeginning)?.as_bytes(),
        )?;
        Ok(report.is_identical())
    }

    fn segments(&self) -> Result<Vec<PathBuf>, ReplayFailure> {
        let mut all = vec![];
        for path in &self.paths {
            if !path.is_dir() {
                all.push(path.clone());
                continue;
            }
            let found = segments(path)
                .map_err(|error| ReplayFailure::Read { path: path.clone(), error })?;
            if found.is_empty() {
                return Err(ReplayFailure::Empty { path: path.clone() });
            }
            all.extend(found);
        }
        Ok(all)
    }

    /// Replays one segment; whether its last line is torn, as a process that is killed leaves it.
    fn replay(
        &self,
        replay: &mut Replay,
        path: &Path,
        out: &mut impl Write,
    ) -> Result<bool, ReplayFailure> {
        let read = |error| ReplayFailure::Read { path: path.to_owned(), error };
        let mut lines = BufReader::new(File::open(path).map_err(read)?);
        let mut line = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line).map_err(read)? == 0 {
                return Ok(false);
            }
            match replay.take(line.trim_end()) {
                Ok(Some(body)) if self.print => writeln!(out, "{body}")?,
                Ok(_) => {}
                Err(_) if !line.ends_with('\n') => return Ok(true),
                Err(error) => return Err(ReplayFailure::Line { path: path.to_owned(), error }),
            }
        }
    }
}

fn told(report: &Report, segments: usize, torn: u64) -> Option<String> {
    let (from, to) = report.span?;
    let versions = report.versions.join(", then ");
    if versions.is_empty() {
        return None;
    }
    let mut lines = vec![format!(
        "record        {segments} segments, {} to {}, written by version {versions}",
        instant(from),
        instant(to)
    )];
    lines.push(format!(
        "frames        {} as they came; of {} quotes made of them {} are read today as they were then",
        thousands(report.frames),
        thousands(report.quotes),
        thousands(report.read_alike)
    ));
    lines.push(format!(
        "publications  {} compared, {} identical to the byte",
        thousands(report.publications),
        thousands(report.identical)
    ));
    if report.warming_up > 0 {
        lines.push(format!(
            "warming up    {} publications not compared: for {} s after a beginning in the middle of a run",
            thousands(report.warming_up),
            WARM_UP_MS / 1_000
        ));
    }
    if report.lost > 0 {
        lines.push(format!(
            "missing       {} lines, as the record says itself",
            thousands(report.lost)
        ));
    }
    if torn > 0 {
        lines.push(format!(
            "torn          {torn} segments end in the middle of a line: the process was killed"
        ));
    }
    if let Some((at, symbol)) = report.misread {
        lines.push(format!(
            "misread       first {symbol} at {}: its frame says another thing today",
            instant(at)
        ));
    }
    if let Some(difference) = &report.difference {
        let recorded = difference.recorded.map_or("nothing was published".to_owned(), |version| {
            format!("epoch {} seq {} was published", version.epoch, version.seq)
        });
        let replayed = difference.replayed.as_deref().unwrap_or("nothing");
        lines.push(format!(
            "different     first at {}: {recorded}, the replay publishes {replayed}",
            instant(difference.at)
        ));
    }
    lines.push(if report.is_identical() { "identical" } else { "NOT identical" }.to_owned());
    Some(lines.join("\n") + "\n")
}
