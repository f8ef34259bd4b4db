//! The rules of the house that a machine can check: who may depend on whom, how long a file may
//! be, what may not stand anywhere.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this holds a second idea.
const FILE_LINES_MAX: usize = 420;
/// A list is one idea, however long.
const LIST: &str = "scripts/faults/matrix.mjs";

/// Each crate, and which of ours it may use outside its tests.
const MAY_DEPEND_ON: [(&str, &[&str]); 7] = [
    ("crates/core", &[]),
    ("crates/wire", &["pricecast-core"]),
    ("crates/market-sim", &[]),
    ("crates/fleet-sim", &["pricecast-core"]),
    ("origin", &["pricecast-core", "pricecast-wire"]),
    ("edge", &["pricecast-core", "pricecast-wire"]),
    ("cli", &["fleet-sim", "pricecast-core", "pricecast-origin", "pricecast-wire"]),
];

/// All that core may use of others: no clock, no I/O, no async, no serde.
const CORE_MAY_USE: [&str; 2] = ["rust_decimal", "thiserror"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn dependencies(folder: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let per_target = manifest.get("target").and_then(|t| t.as_table());
    let mut tables = vec![&manifest];
    tables.extend(per_target.into_iter().flat_map(|t| t.values()).filter_map(|t| t.as_table()));
    let sections = ["dependencies", "build-dependencies"];
    let named = tables.into_iter().flat_map(|table| sections.map(|name| table.get(name)));
    let named = named.flatten().filter_map(|section| section.as_table());
    named.flat_map(|section| section.keys().cloned()).collect()
}

/// Every file git tracks or would track, without lock files.
fn files() -> Vec<PathBuf> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let is_ours = |name: &&str| !name.ends_with("lock") && !name.ends_with("package-lock.json");
    let files: Vec<_> = listed.lines().filter(is_ours).map(|name| root().join(name)).collect();
    assert!(files.len() > 50, "git lists {} files", files.len());
    files.into_iter().filter(|path| path.is_file()).collect()
}

#[test]
fn crates_depend_only_on_whom_they_may() {
    let ours: Vec<String> = MAY_DEPEND_ON
        .iter()
        .map(|(folder, _)| {
            let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
            text.parse::<toml::Table>().unwrap()["package"]["name"].as_str().unwrap().to_owned()
        })
        .collect();
    for (folder, allowed) in MAY_DEPEND_ON {
        for name in dependencies(folder).into_iter().filter(|name| ours.contains(name)) {
            assert!(allowed.contains(&name.as_str()), "{folder} may not depend on {name}");
        }
    }
}

#[test]
fn core_uses_nothing_but_decimals_and_error_derives() {
    for name in dependencies("crates/core") {
        assert!(CORE_MAY_USE.contains(&name.as_str()), "core may not use {name}");
    }
}

#[test]
fn the_workspace_has_no_crate_these_rules_do_not_know() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let mut members: Vec<_> = manifest["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect();
    members.sort();
    let mut known: Vec<_> = MAY_DEPEND_ON.iter().map(|(folder, _)| (*folder).to_owned()).collect();
    known.sort();
    assert_eq!(members, known);
}

#[test]
fn json_numbers_keep_their_digits_because_nobody_unifies_arbitrary_precision() {
    for path in files().into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("arbitrary_precision"), "{}", path.display());
    }
}

#[test]
fn no_source_file_holds_two_ideas() {
    for path in files() {
        let is_source = path.extension().is_some_and(|e| e == "rs" || e == "mjs");
        if is_source && !path.ends_with(LIST) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines: split it", path.display());
        }
    }
}

#[test]
fn nothing_unfinished_and_no_skipped_test_is_left_behind() {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["#[ign", "ore"], ["todo", "!("]];
    let marks = marks.map(|halves| halves.concat());
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} contains {mark}", path.display());
        }
    }
}
