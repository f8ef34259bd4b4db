//! What a request is told to do.

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Answer from the copy in memory, rendered for now.
    Serve {
        /// In what standing.
        served: Served,
        /// Whether to start a refresh in the background.
        start_refresh: bool,
    },
    /// Look again in a moment, on the request's own timer.
    Wait {
        /// Whether to start a refresh in the background.
        start_refresh: bool,
    },
    /// No price was ever known here: 503.
    Unavailable {
        /// Whether to start a refresh in the background.
        start_refresh: bool,
    },
}

/// In what standing a copy is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Young enough.
    Hit,
    /// Between soft and hard; a refresh is under way or will be.
    Revalidating,
    /// Beyond hard and nothing newer to be had: the last known, truthfully flagged.
    LastKnown,
}
