//! Finds the configuration's file and hands its text and the environment to [`Config`].

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::config::{Config, FileText};

/// Read when it is there and no other file is named.
const DEFAULT_FILE: &str = "pricecast.toml";

/// The file to read: the one named, else the one in the working directory.
#[must_use]
pub fn file_in(named: Option<&Path>) -> Option<&Path> {
    named.or(Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()))
}

/// The configuration in force: the file, then the environment, which wins, then `more` variables, which
/// win over both.
///
/// # Errors
/// When the file cannot be read, or with every mistake in what was read.
pub fn load(named: Option<&Path>, more: &[(String, String)]) -> anyhow::Result<Config> {
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
    let is_overruled = |name: &str| more.iter().any(|(known, _)| known == name);
    let variables = std::env::vars_os().filter_map(is_text).filter(|(name, _)| !is_overruled(name));
    Ok(Config::load(file, variables.chain(more.iter().cloned()))?)
}

/// The variables in a file of lines `NAME=value`, as systemd's `EnvironmentFile` reads it: `#` begins a
/// comment, quotes around a value are left out.
///
/// # Errors
/// When it cannot be read, or with the first line that is none.
pub fn variables_in(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("read {name}"))?;
    let mut found = vec![];
    for (nth, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself may hold a secret.
        let Some((variable, value)) = line.split_once('=') else {
            bail!("{name}:{}: is no NAME=value", nth + 1);
        };
        let quoted = ['"', '\'']
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        found.push((variable.to_owned(), quoted.unwrap_or(value).to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_systemd_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.env");
        let text = "# a comment\n\nA=one=1\nB=\"two 2\"\n  C='three'\nD=\n";
        std::fs::write(&file, text).unwrap();
        let found = variables_in(&file).unwrap();
        let expected = [("A", "one=1"), ("B", "two 2"), ("C", "three"), ("D", "")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        std::fs::write(&file, "A=1\na secret alone\n").unwrap();
        let error = variables_in(&file).unwrap_err().to_string();
        assert!(error.ends_with("secret.env:2: is no NAME=value"), "{error}");
    }
}
