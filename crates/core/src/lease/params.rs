//! How long things last and how often they are done.

/// The timing of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseParams {
    /// How long a lease lasts without a write.
    pub ttl_ms: u64,
    /// The leader writes at least this often.
    pub renew_every_ms: u64,
    /// A follower looks this often.
    pub look_every_ms: u64,
    /// The adapter gives a call up after this.
    pub call_timeout_ms: u64,
    /// Pause after a failed call.
    pub retry_after_ms: u64,
    /// A follower acquires a lease only after having seen it missing for this long. It covers
    /// a timed-out call of the incumbent, the pause after it and its two next calls; or the same
    /// calls of a follower that brings what it knows.
    pub grace_ms: u64,
}

impl Default for LeaseParams {
    fn default() -> Self {
        Self {
            ttl_ms: 1_000,
            renew_every_ms: 250,
            look_every_ms: 100,
            call_timeout_ms: 200,
            retry_after_ms: 50,
            grace_ms: 300,
        }
    }
}
