//! How this instance stands among the others, for `/ready`.

use super::failure::CallFailure;

/// What is known of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redis {
    /// It has not answered yet.
    Unknown,
    /// It answers.
    Answers,
    /// It did not, last time.
    Fails(CallFailure),
}

impl Redis {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Answers => "answers",
            Self::Fails(failure) => failure.as_str(),
        }
    }
}

/// How this instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The epoch it leads under, if it leads.
    pub leads: Option<u64>,
    /// The highest epoch it knows of.
    pub seen_epoch: u64,
    /// Whether Redis answers.
    pub redis: Redis,
    /// Why the snapshot in Redis is not taken over, if it is not.
    pub refused: Option<&'static str>,
}
