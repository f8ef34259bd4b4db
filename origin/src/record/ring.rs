//! The record on disk: segments of lines, the oldest deleted when there are too many.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use pricecast_core::UnixMillis;
use pricecast_wire::render;
use tracing::{info, warn};
use xxhash_rust::xxh3::xxh3_64;

use super::key::{Key, begins};
use super::line::{Beat, Line, Published, Said};
use super::{Entry, What};

/// A segment is this part of the whole: what goes at once when it is too much.
const SEGMENTS: u64 = 8;
/// Every start begins a segment. However often that is, there are not more of them.
const FILES_MAX: usize = 64;
/// After a failure the disk is left alone for so long.
const TRY_AGAIN_MS: u64 = 10_000;
const PREFIX: &str = "record-";
const SUFFIX: &str = ".ndjson";

/// A bounded record in a folder of its own.
#[derive(Debug)]
pub struct Ring {
    folder: PathBuf,
    segment_bytes: u64,
    file: Option<BufWriter<File>>,
    written_bytes: u64,
    key: Key,
    lost: u64,
    try_again_at: UnixMillis,
    is_failing: bool,
}

/// The segments in `folder`, the oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            found.push(path);
        }
    }
    // The names carry the time, in as many digits for three centuries.
    found.sort();
    Ok(found)
}

impl Ring {
    /// Keeps about `bytes_max` in `folder`, which need not exist yet.
    #[must_use]
    pub fn new(folder: PathBuf, bytes_max: u64) -> Self {
        Self {
            folder,
            segment_bytes: bytes_max / SEGMENTS,
            file: None,
            written_bytes: 0,
            key: Key::default(),
            lost: 0,
            try_again_at: UnixMillis::default(),
            is_failing: false,
        }
    }

    /// Notes that so many entries did not get here. A new segment says so, and can be replayed.
    pub(super) fn note_lost(&mut self, count: u64) {
        if count > 0 {
            self.lost += count;
            self.flush();
            self.file = None;
        }
    }

    /// Writes `entry`; whether it was written. A failure is told once, and tried again later.
    pub(super) fn write(&mut self, entry: &Entry) -> bool {
        let outcome = self.try_write(entry);
        self.key.note(entry);
        match outcome {
            Ok(is_written) => {
                if is_written && std::mem::take(&mut self.is_failing) {
                    info!("the record is written to {} again", self.folder.display());
                }
                is_written
            }
            Err(error) => {
                self.file = None;
                self.lost += 1;
                self.try_again_at = entry.at.plus_ms(TRY_AGAIN_MS);
                if !std::mem::replace(&mut self.is_failing, true) {
                    let folder = self.folder.display();
                    warn!(error = %error, "write the record to {folder}: {error}; serving goes on, what happens now cannot be replayed");
                }
                false
            }
        }
    }

    /// Hands what is written to the system. A failure shows at the next line.
    pub(super) fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && file.flush().is_err()
        {
            self.file = None;
            self.lost += 1;
        }
    }

    fn try_write(&mut self, entry: &Entry) -> io::Result<bool> {
        if self.file.is_none() && entry.at < self.try_again_at {
            self.lost += 1;
            return Ok(false);
        }
        if self.file.is_none() || self.written_bytes >= self.segment_bytes {
            self.begin_segment(entry)?;
        }
        self.write_line(entry.at, said(entry))?;
        Ok(true)
    }

    fn begin_segment(&mut self, entry: &Entry) -> io::Result<()> {
        self.flush();
        self.file = None;
        fs::create_dir_all(&self.folder)?;
        self.make_room()?;
        let path = self.folder.join(format!("{PREFIX}{:014}{SUFFIX}", entry.at.as_ms()));
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        self.written_bytes = 0;
        self.file = Some(BufWriter::new(file));
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            self.write_line(entry.at, Said::Lost(lost))?;
        }
        if !matches!(entry.what, What::Begins { .. })
            && let Some(begins) = self.key.begins()
        {
            self.write_line(entry.at, Said::Begins(begins))?;
        }
        Ok(())
    }

    /// Deletes the oldest segments until there is room for another one.
    fn make_room(&self) -> io::Result<()> {
        let mut kept_bytes = 0;
        for (nth, path) in segments(&self.folder)?.iter().rev().enumerate() {
            kept_bytes += fs::metadata(path)?.len();
            if nth + 1 >= FILES_MAX || kept_bytes > self.segment_bytes * (SEGMENTS - 1) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn write_line(&mut self, at: UnixMillis, what: Said) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(&Line { at: at.as_ms(), what })?;
        line.push(b'\n');
        self.written_bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        file.write_all(&line)
    }
}

/// `entry` as it is written down.
fn said(entry: &Entry) -> Said {
    match &entry.what {
        What::Begins { feed, epoch, last } => {
            Said::Begins(begins(feed, *epoch, last.as_deref(), None))
        }
        What::Frame(text) => Said::Kraken(text.to_string()),
        What::Answer { sent_at, symbols, body } => Said::Coinbase {
            sent_at: sent_at.as_ms(),
            symbols: symbols.iter().map(ToString::to_string).collect(),
            body: String::from_utf8_lossy(body).into_owned(),
        },
        What::Event(event) => Said::Event(event.into()),
        What::Beat { epoch, published } => Said::Beat(Beat {
            epoch: *epoch,
            published: published.as_ref().map(|snapshot| Published {
                epoch: snapshot.version.epoch,
                seq: snapshot.version.seq,
                xxh3: hash(&render(snapshot, entry.at)),
            }),
        }),
    }
}

/// A body in short.
pub(super) fn hash(body: &str) -> String {
    format!("{:016x}", xxh3_64(body.as_bytes()))
}
