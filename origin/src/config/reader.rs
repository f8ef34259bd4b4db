//! Gathers values from file and environment, hands them out by key, and keeps every complaint.

use std::collections::BTreeMap;
use std::fmt;

use super::document::{self, SyntaxError};
use super::value::{Mistakes, Parsed, ParsedList, Value};
use super::{Config, ENV_PREFIX, FileText, RedisUrl};

/// One mistake: which key, what was written, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key and value, e.g. `coinbase.interval = "1"`.
    pub what: String,
    /// File and line, or the variable.
    pub place: String,
    /// What is wrong and how it would be right.
    pub advice: String,
}

/// Every mistake of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of the keys.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "config: {count} {}", if count == 1 { "problem" } else { "problems" })?;
        for Problem { what, place, advice } in &self.problems {
            write!(f, "\n  {what} ({place}): {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    place: String,
}

/// Values by key, and the complaints so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    known: Vec<&'static str>,
    places: BTreeMap<&'static str, Entry>,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn add_file(&mut self, file: FileText<'_>) {
        match document::entries(file.text) {
            Ok(entries) => {
                for entry in entries {
                    let place = format!("{}:{}", file.name, entry.line);
                    self.entries.insert(entry.key, Entry { value: entry.value, place });
                }
            }
            Err(SyntaxError { line, message }) => self.problems.push(Problem {
                what: "the file".to_owned(),
                place: format!("{}:{line}", file.name),
                advice: format!("is no valid TOML: {message}"),
            }),
        }
    }

    pub(super) fn add_variables(&mut self, all: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in all {
            if let Some(rest) = name.strip_prefix(ENV_PREFIX) {
                let key = rest.replace("__", ".").to_ascii_lowercase();
                self.entries.insert(key, Entry { value: Value::Text(value), place: name });
            }
        }
    }

    /// The value of `key`, or `default` where nothing is written or it cannot be read.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> T {
        self.take_or_complain(key, default, |value| parse(value).map_err(Mistakes::from))
    }

    /// The same for a list, of which every mistake is told.
    pub(super) fn take_list<T>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        parse: impl FnOnce(&Value) -> ParsedList<T>,
    ) -> Vec<T> {
        self.take_or_complain(key, default, parse)
    }

    fn take_or_complain<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&Value) -> Result<T, Mistakes>,
    ) -> T {
        self.known.push(key);
        let Some(entry) = self.entries.remove(key) else { return default };
        let parsed = parse(&entry.value);
        self.places.insert(key, entry);
        parsed.unwrap_or_else(|Mistakes(all)| {
            for advice in all {
                self.complain(key, advice);
            }
            default
        })
    }

    /// Notes that the value of `key` will not do.
    pub(super) fn complain(&mut self, key: &'static str, advice: String) {
        let (what, place) = match self.places.get(key) {
            Some(entry) => (shown(key, &entry.value), entry.place.clone()),
            None => (key.to_owned(), "default".to_owned()),
        };
        self.problems.push(Problem { what, place, advice });
    }

    /// Whether something was already said about `key`: one complaint per value is enough.
    pub(super) fn has_complained(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| {
            problem
                .what
                .strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    }

    /// The configuration, unless there is anything to complain about.
    pub(super) fn finish(mut self, config: Config) -> Result<Config, ConfigError> {
        for (key, entry) in std::mem::take(&mut self.entries) {
            let advice = match nearest(&key, &self.known) {
                Some(known) => format!("is no key; did you mean {known}?"),
                None => format!("is no key; there are {}", self.known.join(", ")),
            };
            self.problems.push(Problem { what: key, place: entry.place, advice });
        }
        if self.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { problems: self.problems })
        }
    }
}

fn shown(key: &str, value: &Value) -> String {
    match value {
        _ if key.starts_with("access.") || key == "webhook.url" => format!("{key} = ***"),
        Value::Text(text) if key == "redis.url" => format!("{key} = {:?}", RedisUrl::masked(text)),
        value => format!("{key} = {value}"),
    }
}

/// The known key that is at most three edits away.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let by_edits = known.iter().map(|&candidate| (edits(key, candidate), candidate)).min();
    match by_edits {
        Some((distance, candidate)) if distance <= 3 => Some(candidate),
        _ => known.iter().copied().find(|candidate| last(candidate) == last(key)),
    }
}

/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, byte_b) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            left = (diagonal + usize::from(byte_a != byte_b)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
