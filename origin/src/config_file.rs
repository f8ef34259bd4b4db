//! Finds the configuration's file and hands its text and the environment to [`Config`].

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;

use crate::config::{Config, FileText};

/// Read when it is there and no other file is named.
const DEFAULT_FILE: &str = "pricecast.toml";

/// The file to read: the one named, else the one in the working directory.
#[must_use]
pub fn file_in(named: Option<&Path>) -> Option<&Path> {
    named.or(Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()))
}

/// The configuration in force: the file, then the environment, which wins.
///
/// # Errors
/// When the file cannot be read, or with every mistake in what was read.
pub fn load(named: Option<&Path>) -> anyhow::Result<Config> {
    let path = file_in(named);
    let name = path.map(|path| path.display().to_string()).unwrap_or_default();
    let text = match path {
        Some(path) => Some(std::fs::read_to_string(path).with_context(|| {
            format!("config: read {name}, named by --config or found in the working directory")
        })?),
        None => None,
    };
    let file = text.as_deref().map(|text| FileText { name: &name, text });
    let is_text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    Ok(Config::load(file, std::env::vars_os().filter_map(is_text))?)
}
