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
/// What is written is handed to the system this much later.
const FLUSH_EVERY_MS: u64 = 1_000;
/// After a failure the disk is left alone for so long.
const TRY_AGAIN_MS: u64 = 10_000;
/// A segment that got no further before the disk failed goes again: on a disk that fails on and on such
/// crumbs would push out the good ones.
const WORTH_KEEPING_BYTES: u64 = 65_536;
const PREFIX: &str = "record-";
const SUFFIX: &str = ".ndjson";

/// A bounded record in a folder of its own.
#[derive(Debug)]
pub struct Ring {
    folder: PathBuf,
    segment_bytes: u64,
    open: fn(&Path) -> io::Result<File>,
    segment: Option<Segment>,
    key: Key,
    /// Lines that are missing, not told in a segment yet.
    lost: u64,
    /// The same, not counted yet.
    uncounted: u64,
    try_again_at: UnixMillis,
    is_failing: bool,
}

/// The segment that is being written.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    lines: u64,
    /// Those that only we have yet.
    unflushed: u64,
    flushed_at: UnixMillis,
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
    // The names begin with a count: a clock may be set back.
    found.sort();
    Ok(found)
}

/// The count in the name of a segment.
fn count_of(path: &Path) -> u64 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let count = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    count.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).append(true).open(path)
}

impl Ring {
    /// Keeps about `bytes_max` in `folder`, which need not exist yet.
    #[must_use]
    pub fn new(folder: PathBuf, bytes_max: u64) -> Self {
        Self::opening(folder, bytes_max, create)
    }

    /// The same with files that `open` opens.
    pub(super) fn opening(
        folder: PathBuf,
        bytes_max: u64,
        open: fn(&Path) -> io::Result<File>,
    ) -> Self {
        Self {
            folder,
            segment_bytes: bytes_max / SEGMENTS,
            open,
            segment: None,
            key: Key::default(),
            lost: 0,
            uncounted: 0,
            try_again_at: UnixMillis::default(),
            is_failing: false,
        }
    }

    /// Notes that so many entries did not get here. A new segment will say so, and can be replayed.
    pub(super) fn note_lost(&mut self, count: u64) {
        if count > 0 {
            self.flush();
            self.segment = None;
            self.lose(count);
        }
    }

    /// Takes note of an entry without writing it down.
    pub(super) fn skip(&mut self, entry: &Entry) {
        self.key.note(entry);
        self.lose(1);
    }

    /// Writes `entry`. A failure is told once, and tried again later.
    pub(super) fn write(&mut self, entry: &Entry) {
        if self.segment.is_none() && entry.at < self.try_again_at {
            self.skip(entry);
            return;
        }
        if let Err(error) = self.try_write(entry) {
            self.fail(entry.at, &error);
            self.lose(1);
        }
        let is_due = |segment: &Segment| entry.at.ms_since(segment.flushed_at) >= FLUSH_EVERY_MS;
        if self.segment.as_ref().is_some_and(is_due)
            && let Err(error) = self.flush_for(entry.at)
        {
            self.fail(entry.at, &error);
        }
        self.key.note(entry);
    }

    /// Hands what is written to the system.
    pub(super) fn flush(&mut self) {
        let Some(segment) = &mut self.segment else { return };
        let at = segment.flushed_at;
        match segment.flush(at) {
            Ok(()) => self.note_success(),
            Err(error) => self.fail(at, &error),
        }
    }

    /// Lines lost since this was asked last.
    pub(super) const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.uncounted, 0)
    }

    const fn lose(&mut self, count: u64) {
        self.lost += count;
        self.uncounted += count;
    }

    fn try_write(&mut self, entry: &Entry) -> io::Result<()> {
        if self.segment.as_ref().is_none_or(|segment| segment.bytes >= self.segment_bytes) {
            self.flush_for(entry.at)?;
            self.segment = None;
            self.begin_segment(entry)?;
        }
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.line(entry.at, said(entry))?;
        segment.lines += 1;
        segment.unflushed += 1;
        Ok(())
    }

    fn flush_for(&mut self, at: UnixMillis) -> io::Result<()> {
        if let Some(segment) = &mut self.segment {
            segment.flush(at)?;
            self.note_success();
        }
        Ok(())
    }

    fn begin_segment(&mut self, entry: &Entry) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let next = self.make_room()?;
        let name = format!("{PREFIX}{next:08}-{}{SUFFIX}", entry.at.as_ms());
        let path = self.folder.join(name);
        let file = BufWriter::new((self.open)(&path)?);
        let segment =
            Segment { path, file, bytes: 0, lines: 0, unflushed: 0, flushed_at: entry.at };
        let segment = self.segment.insert(segment);
        if self.lost > 0 {
            segment.line(entry.at, Said::Lost(self.lost))?;
        }
        if !matches!(entry.what, What::Begins { .. })
            && let Some(begins) = self.key.begins()
        {
            segment.line(entry.at, Said::Begins(begins))?;
        }
        // What is missing is told for good once it is on the disk.
        segment.flush(entry.at)?;
        self.lost = 0;
        Ok(())
    }

    /// Deletes the oldest segments until there is room for another one; returns its count.
    fn make_room(&self) -> io::Result<u64> {
        let all = segments(&self.folder)?;
        let mut kept_bytes = 0;
        for (nth, path) in all.iter().rev().enumerate() {
            kept_bytes += fs::metadata(path)?.len();
            if nth + 1 >= FILES_MAX || kept_bytes > self.segment_bytes * (SEGMENTS - 1) {
                fs::remove_file(path)?;
            }
        }
        Ok(all.last().map_or(0, |last| count_of(last) + 1))
    }

    fn note_success(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            info!("the record is written to {} again", self.folder.display());
        }
    }

    fn fail(&mut self, at: UnixMillis, error: &io::Error) {
        if let Some(segment) = self.segment.take() {
            let is_kept =
                segment.bytes >= WORTH_KEEPING_BYTES || fs::remove_file(&segment.path).is_err();
            self.lose(if is_kept { segment.unflushed } else { segment.lines });
        }
        self.try_again_at = at.plus_ms(TRY_AGAIN_MS);
        if !std::mem::replace(&mut self.is_failing, true) {
            let folder = self.folder.display();
            warn!(error = %error, "write the record to {folder}: {error}; serving goes on, what happens now cannot be replayed");
        }
    }
}

impl Segment {
    fn line(&mut self, at: UnixMillis, what: Said) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { at: at.as_ms(), what })?;
        line.push(b'\n');
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.file.write_all(&line)?;
        Ok(())
    }

    fn flush(&mut self, at: UnixMillis) -> io::Result<()> {
        self.file.flush()?;
        self.unflushed = 0;
        self.flushed_at = at;
        Ok(())
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
