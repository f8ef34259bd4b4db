//! What origin and edge say of themselves, as far as it is read here.

use std::fmt;

use serde::Deserialize;

/// `GET /ready` of an origin.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) reasons: Vec<Told>,
    pub(super) warnings: Vec<Told>,
}

/// Why it is not ready, or what is not well.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    code: String,
    detail: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// `GET /health` of an edge.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    pub(super) status: String,
    pub(super) origin: Fetches,
    pub(super) unknown_variables: Vec<String>,
}

/// How its fetches go.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fetches {
    pub(super) reachable: Option<bool>,
    pub(super) last_failure: Option<String>,
    pub(super) configured: usize,
}
