//! The record on disks that are full, fail, or are slow.

use std::fs;
use std::path::Path;

use super::ring::{Ring, segments};
use super::test_market::{Run, feed};
use super::tests::{MIB, replay, text_of, write_down};
use super::*;
use crate::test_support::at;

/// As a disk without room: a file can be opened, and nothing be written.
fn full(_: &Path) -> std::io::Result<fs::File> {
    fs::OpenOptions::new().write(true).open("/dev/full")
}

#[test]
fn the_record_takes_no_more_room_than_it_may_and_keeps_the_latest() {
    let entries = Run::new(1).run(600_000);
    let folder = write_down(&entries, MIB);
    let found = segments(folder.path()).unwrap();
    let bytes: u64 = found.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!((MIB / 2..=MIB + 4_096).contains(&bytes), "{bytes} bytes");
    let report = replay(&text_of(&folder));
    assert_eq!(report.span.unwrap().1, entries.last().unwrap().at);
}

#[test]
fn however_often_it_is_started_there_are_not_more_than_so_many_segments() {
    let folder = tempfile::tempdir().unwrap();
    for nth in 0..80 {
        let mut ring = Ring::new(folder.path().to_owned(), MIB);
        let begins = What::Begins { feed: Box::new(feed()), epoch: nth, last: None };
        ring.write(&Entry { at: at(nth), what: begins });
        ring.flush();
    }
    assert_eq!(segments(folder.path()).unwrap().len(), 64);
}

#[test]
fn a_disk_that_fails_costs_lines_and_nothing_else_and_is_tried_again() {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("record");
    fs::write(&place, "in the way").unwrap();
    let entries = Run::new(6).run(200_000);
    let mut ring = Ring::new(place.clone(), 64 * MIB);
    let (before, after) = entries.split_at(entries.len() / 4);
    before.iter().for_each(|entry| ring.write(entry));
    assert_eq!(ring.take_lost(), u64::try_from(before.len()).unwrap());
    fs::remove_file(&place).unwrap();
    after.iter().for_each(|entry| ring.write(entry));
    ring.flush();
    let lost_later = ring.take_lost();
    assert!(lost_later < u64::try_from(after.len()).unwrap() / 2, "{lost_later}");
    let text: String =
        segments(&place).unwrap().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let report = replay(&text);
    assert_eq!(report.lost, u64::try_from(before.len()).unwrap() + lost_later);
    assert!(report.is_identical() && report.identical > 100, "{report:?}");
}

#[test]
fn a_full_disk_does_not_push_out_what_was_recorded_before() {
    let entries = Run::new(7).run(100_000);
    let folder = write_down(&entries, 64 * MIB);
    let before = text_of(&folder);
    // As long as would make a segment for every one there may be, at one attempt in ten seconds.
    let mut ring = Ring::opening(folder.path().to_owned(), 64 * MIB, full);
    for ms in (100_000..900_000).step_by(100) {
        ring.write(&Entry { at: at(ms), what: What::Frame("{}".into()) });
    }
    assert_eq!(ring.take_lost(), 8_000);
    assert!(text_of(&folder) == before, "what was there is not there any more");
}

#[test]
fn what_is_written_is_on_the_disk_a_second_later_however_steadily_more_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::new(folder.path().to_owned(), MIB);
    let beat = |ms| Entry { at: at(ms), what: What::Beat { epoch: None, published: None } };
    let lines = || text_of(&folder).lines().count();
    for ms in (0..1_000).step_by(100) {
        ring.write(&beat(ms));
    }
    assert_eq!(lines(), 0);
    ring.write(&beat(1_000));
    assert_eq!(lines(), 11);
}

#[test]
fn a_clock_that_was_set_back_does_not_make_the_latest_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    for (epoch, ms) in [(1, 9_000), (2, 1_000), (3, 5_000)] {
        let mut ring = Ring::new(folder.path().to_owned(), MIB);
        let begins = What::Begins { feed: Box::new(feed()), epoch, last: None };
        ring.write(&Entry { at: at(ms), what: begins });
        ring.flush();
    }
    let text = text_of(&folder);
    let places: Vec<_> = (1..=3).map(|e| text.find(&format!(r#""epoch":{e}"#)).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_queue_that_overflows_leaves_one_hole_and_one_new_segment() {
    let folder = tempfile::tempdir().unwrap();
    let entries = Run::new(8).run(150_000);
    let mut ring = Ring::new(folder.path().to_owned(), 64 * MIB);
    let (first, rest) = entries.split_at(entries.len() / 3);
    let (burst, after) = rest.split_at(200);
    let metrics = Metrics::default();
    // Nobody takes anything until all are noted, so of the burst most find no room.
    for (room, entries) in [(first.len(), first), (4, burst), (after.len(), after)] {
        let (queue, received) = sync_channel(room);
        let shared = Arc::<Shared>::default();
        let recorder = Recorder { queue: Some(queue), shared: Arc::clone(&shared) };
        entries.iter().for_each(|entry| recorder.note(entry.at, || entry.what.clone()));
        drop(recorder);
        write(&mut ring, &received, &shared, &metrics);
        assert_eq!(shared.bytes.load(Ordering::Relaxed), 0);
    }
    let report = replay(&text_of(&folder));
    assert_eq!(report.lost, 200);
    assert!(report.is_identical() && report.identical > 50, "{report:?}");
    assert_eq!(segments(folder.path()).unwrap().len(), 2);
}

#[test]
fn what_waits_takes_no_more_memory_than_it_may() {
    let (queue, received) = sync_channel(QUEUE_LEN);
    let recorder = Recorder { queue: Some(queue), shared: Arc::default() };
    let frame: Box<str> = "x".repeat(QUEUE_BYTES_MAX / 4).into();
    for _ in 0..6 {
        recorder.note(at(0), || What::Frame(frame.clone()));
    }
    assert_eq!(received.try_iter().count(), 4);
    assert_eq!(recorder.shared.lost.load(Ordering::Relaxed), 2);
}

#[test]
fn what_is_noted_is_on_the_disk_when_the_writer_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ring = Ring::new(folder.path().to_owned(), MIB);
    let metrics = Arc::<Metrics>::default();
    let (recorder, writer) = Writer::start(ring, metrics).unwrap();
    let entries = Run::new(2).run(10_000);
    for entry in &entries {
        recorder.note(entry.at, || entry.what.clone());
    }
    drop(recorder);
    writer.end();
    let report = replay(&text_of(&folder));
    assert_eq!(report.lost, 0);
    assert_eq!(report.span.unwrap().1, entries.last().unwrap().at);
    assert!(report.is_identical() && report.identical > 10, "{report:?}");
}
