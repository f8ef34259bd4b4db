//! One configured value as it was written, and its reading into a type. Each parser answers with
//! advice for the person who wrote it.

use std::fmt;
use std::time::Duration;

/// A value before it has a type. The environment knows only text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(String),
    Bool(bool),
    List(Vec<String>),
    /// Anything no key takes; its TOML type.
    Other(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(digits) => f.write_str(digits),
            Self::Bool(value) => value.fmt(f),
            Self::List(items) => write!(f, "{items:?}"),
            Self::Other(kind) => write!(f, "<{kind}>"),
        }
    }
}

pub(super) type Parsed<T> = Result<T, String>;
/// Of a list every mistake is told.
pub(super) type ParsedList<T> = Result<Vec<T>, Mistakes>;

/// Each with its advice.
#[derive(Debug)]
pub(super) struct Mistakes(pub(super) Vec<String>);

impl From<String> for Mistakes {
    fn from(advice: String) -> Self {
        Self(vec![advice])
    }
}

/// The items, where all of them will do.
pub(super) fn all_or_mistakes<T>(outcomes: Vec<Parsed<T>>) -> ParsedList<T> {
    let (mut items, mut mistakes) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(item) => items.push(item),
            Err(advice) => mistakes.push(advice),
        }
    }
    if mistakes.is_empty() { Ok(items) } else { Err(Mistakes(mistakes)) }
}

impl Value {
    /// A text as it is.
    pub(super) fn text(&self) -> Parsed<&str> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err("must be a text in quotes".to_owned()),
        }
    }

    /// A duration with its unit.
    pub(super) fn duration(&self, example: &str) -> Parsed<Duration> {
        let digits_only = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::Text(text) if !text.is_empty() && digits_only(text) => {
                Err(format!("needs a unit, e.g. {example:?}"))
            }
            Self::Text(text) => humantime::parse_duration(text.trim())
                .map_err(|_| format!("is no duration, e.g. {example:?}")),
            Self::Integer(_) => Err(format!("needs a unit and quotes, e.g. {example:?}")),
            _ => Err(format!("is no duration, e.g. {example:?}")),
        }
    }

    /// A whole number within bounds.
    pub(super) fn integer(&self, min: u64, max: u64) -> Parsed<u64> {
        let digits = match self {
            Self::Text(text) | Self::Integer(text) => text.trim(),
            _ => "",
        };
        let bounds = || format!("must be a whole number from {min} to {max}, e.g. {max}");
        digits.parse().ok().filter(|value| (min..=max).contains(value)).ok_or_else(bounds)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Parsed<bool> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::Text(text) if text == "true" => Ok(true),
            Self::Text(text) if text == "false" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        }
    }

    /// A list; in the environment its items are parted by commas.
    pub(super) fn list(&self, example: &str) -> Parsed<Vec<String>> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
            Self::Text(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
            _ => Err(format!("must be a list, e.g. {example}")),
        }
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Parsed<T> {
        let found = match self {
            Self::Text(text) => choices.iter().find(|(word, _)| word == text),
            _ => None,
        };
        found.map(|&(_, choice)| choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
            format!("must be {}", words.join(" or "))
        })
    }
}
