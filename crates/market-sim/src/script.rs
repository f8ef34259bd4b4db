//! Faults that come by themselves, at times after the start.

use crate::fault::FaultSpec;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One fault of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptEntry {
    /// When, after the start.
    pub at: Duration,
    /// What.
    pub spec: FaultSpec,
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file cannot be a script.
    #[error("{path}{problem}")]
    Text {
        /// Which file.
        path: PathBuf,
        /// What is wrong with its text.
        problem: TextError,
    },
}

/// What is wrong with the text of a script.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It is not TOML or JSON of the expected shape.
    #[error(": {0}")]
    Shape(String),
    /// One entry is wrong.
    #[error(", entry {entry}: {problem}")]
    Entry {
        /// Counted from 1.
        entry: usize,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a script: TOML with `[[fault]]` tables, or a JSON list of objects. Each has `at_seconds`
/// and otherwise the fields of `POST /control/faults`. Answers in the order of time.
///
/// # Errors
/// [`ScriptError`] that names the file and the entry.
pub fn read_script(path: &Path) -> Result<Vec<ScriptEntry>, ScriptError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|problem| ScriptError::Text { path: path.to_owned(), problem })
}

/// The text of a script. JSON begins with a list of objects, which no TOML does.
pub(crate) fn parse(text: &str) -> Result<Vec<ScriptEntry>, TextError> {
    let shape = |problem: String| TextError::Shape(problem);
    let is_json = text.trim_start().strip_prefix('[').is_some_and(|rest| {
        let next = rest.trim_start().chars().next();
        matches!(next, Some('{' | ']') | None)
    });
    let list = if is_json {
        serde_json::from_str::<Value>(text).map_err(|e| shape(e.to_string()))?
    } else {
        let mut table: toml::Table = toml::from_str(text).map_err(|e| shape(e.to_string()))?;
        let faults = table.remove("fault").unwrap_or(toml::Value::Array(Vec::new()));
        if let Some(key) = table.keys().next() {
            return Err(shape(format!("unknown key \"{key}\"; a script has [[fault]] tables")));
        }
        serde_json::to_value(faults).map_err(|e| shape(e.to_string()))?
    };
    let Value::Array(entries) = list else {
        return Err(shape("a script is a list of faults".to_owned()));
    };
    let mut script = Vec::new();
    for (index, value) in entries.into_iter().enumerate() {
        let fail = |problem| TextError::Entry { entry: index + 1, problem };
        script.push(entry(value).map_err(fail)?);
    }
    script.sort_by_key(|entry| entry.at);
    Ok(script)
}

fn entry(mut value: Value) -> Result<ScriptEntry, String> {
    let at = value.as_object_mut().and_then(|object| object.remove("at_seconds"));
    let at = at.as_ref().and_then(Value::as_f64);
    let at = at.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let at = at.ok_or("at_seconds must be a number of seconds after the start, e.g. 10")?;
    let spec = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(ScriptEntry { at, spec })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Target};

    #[test]
    fn toml_and_json_say_the_same_in_the_order_of_time() {
        let toml = "[[fault]]\nat_seconds = 20\ntarget = \"both\"\nfault = \"reset\"\n\
            [[fault]]\nat_seconds = 2.5\ntarget = \"kraken\"\nfault = \"spike\"\n\
            symbol = \"BTC\"\nseconds = 3\n";
        let json = r#"[{"at_seconds":20,"target":"both","fault":"reset"},
            {"at_seconds":2.5,"target":"kraken","fault":"spike","symbol":"BTC","seconds":3}]"#;
        let script = parse(toml).unwrap();
        assert_eq!(script, parse(json).unwrap());
        let spike = FaultSpec::new(Target::Kraken, Fault::Spike).symbol("BTC").seconds(3.0);
        assert_eq!(script[0], ScriptEntry { at: Duration::from_millis(2500), spec: spike });
        assert_eq!(script.len(), 2);
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for (text, part) in [
            (r#"[{"target":"both","fault":"reset"}]"#, "entry 1: at_seconds must"),
            (r#"[{"at_seconds":-1,"target":"both","fault":"reset"}]"#, "at_seconds"),
            (r#"[{"at_seconds":1,"target":"both","fault":"rest"}]"#, "unknown variant"),
            ("fault = 1", "a list of faults"),
            ("faults = 1", "unknown key \"faults\""),
            ("fault = ", "TOML parse error"),
            ("[{", "EOF while parsing"),
            ("<html>", "TOML parse error"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(parse(" [ ]").unwrap(), []);
        assert_eq!(parse("# nothing happens").unwrap(), []);
    }
}
