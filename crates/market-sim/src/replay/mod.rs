//! Recorded markets: candles whose path is walked, and frames that are said again.

mod candles;
mod frames;
mod path;

pub(crate) use frames::Recording;
pub(crate) use path::CandlePath;

use candles::Candle;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}, line {line}: {problem}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is readable but of no use.
    #[error("{path}: {problem}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
}

/// A recording that has been read and understood.
#[derive(Debug)]
pub(crate) enum Replay {
    /// A price path per symbol, in the file's order.
    Candles(Vec<(String, CandlePath)>),
    /// Kraken ticker frames.
    Frames(Recording),
}

impl Replay {
    /// Reads a `.csv` of candles or an `.ndjson` of frames; `symbols`, when given, are those wanted.
    pub(crate) fn read(path: &Path, symbols: Option<&[String]>) -> Result<Self, ReplayError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ReplayError::Read { path: path.to_owned(), source })?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        let replay = match extension {
            Some("csv") => Self::Candles(candle_paths(path, &text)?),
            Some("ndjson" | "jsonl") => Self::Frames(Recording::parse(path, &text)?),
            _ => {
                let problem = "a replay is a .csv of candles or an .ndjson of frames".to_owned();
                return Err(ReplayError::Content { path: path.to_owned(), problem });
            }
        };
        replay.only(path, symbols)
    }

    /// The symbols in the recording.
    pub(crate) fn symbols(&self) -> Vec<String> {
        match self {
            Self::Candles(paths) => paths.iter().map(|(symbol, _)| symbol.clone()).collect(),
            Self::Frames(recording) => recording.symbols(),
        }
    }

    fn only(mut self, path: &Path, symbols: Option<&[String]>) -> Result<Self, ReplayError> {
        let Some(wanted) = symbols else { return Ok(self) };
        let known = self.symbols();
        let missing: Vec<&str> =
            wanted.iter().filter(|symbol| !known.contains(symbol)).map(String::as_str).collect();
        if !missing.is_empty() {
            let problem =
                format!("no data for {}; it has {}", missing.join(", "), known.join(", "));
            return Err(ReplayError::Content { path: path.to_owned(), problem });
        }
        match &mut self {
            Self::Candles(paths) => paths.retain(|(symbol, _)| wanted.contains(symbol)),
            Self::Frames(recording) => recording.keep(wanted),
        }
        Ok(self)
    }
}

fn candle_paths(path: &Path, text: &str) -> Result<Vec<(String, CandlePath)>, ReplayError> {
    let mut order = Vec::new();
    let mut by_symbol: BTreeMap<String, Vec<Candle>> = BTreeMap::new();
    for (symbol, candle) in candles::parse(path, text)? {
        let known = by_symbol.entry(symbol.clone()).or_default();
        if known.is_empty() {
            order.push(symbol);
        }
        known.push(candle);
    }
    if order.is_empty() {
        let problem = "no candle in it".to_owned();
        return Err(ReplayError::Content { path: path.to_owned(), problem });
    }
    // One start for all, so that the symbols stay side by side.
    let begin_us = by_symbol.values().flatten().map(|candle| candle.start_us).min().unwrap_or(0);
    let of = |symbol: String| {
        let candles = by_symbol.remove(&symbol).unwrap_or_default();
        (symbol, CandlePath::new(candles, begin_us))
    };
    Ok(order.into_iter().map(of).collect())
}
