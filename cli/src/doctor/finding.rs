//! What the doctor has found: one line for each thing looked at.

use std::fmt;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing, and no reason not to go on.
    Note,
    /// Must be mended.
    Bad,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// What was looked at.
    pub(crate) of: &'static str,
    /// What was seen; of what must be mended also how.
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn good(of: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, of, text: text.into() }
    }

    pub(crate) fn note(of: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, of, text: text.into() }
    }

    pub(crate) fn bad(of: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, of, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Good => "ok  ",
            Verdict::Note => "note",
            Verdict::Bad => "FAIL",
        };
        write!(f, "{mark}  {:<16} {}", self.of, self.text)
    }
}
