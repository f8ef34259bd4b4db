//! The edge's policy: what one isolate answers from its memory, when it refreshes, and whose
//! turn it is in a data centre. `decide` → act → settle, with all I/O in between done by the
//! caller; the same code runs in the Worker and in the fleet simulator.
//!
//! ```text
//! request:  decide ─▶ Serve | Wait (look again on its own timer) | Unavailable
//! refresh:  begin ─▶ read snap ─▶ settle_snap ─▶ read turn ─▶ settle_turn
//!                 ─▶ put claim, fetch ─▶ settle_fetch ─▶ put what it says
//! ```
//!
//! Two clocks never meet here: [`EdgeMillis`] is the isolate's own, `UnixMillis` the origin's,
//! and the types keep them apart. Truth never depends on the shared cache, only load does.

mod copy;
mod decision;
mod isolate;
mod turn;

pub use copy::{CopyMeta, EdgeMillis};
pub use decision::{Decision, Served};
pub use isolate::{Attempt, EdgeCache, Flight, NextStep, Settled, WAIT_MAX_MS};
pub use turn::{Turn, mix};

/// How long a shared cache in front may hold a body: what it is told as max-age and as
/// stale-while-revalidate.
pub const CDN_HOLD_MS: u64 = 2_000;

/// What the operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgePolicy {
    /// A copy up to this age is served as it is.
    pub soft_ms: u64,
    /// A copy up to this age is served while one refresh runs; beyond it, requests wait.
    pub hard_ms: u64,
    /// H: how long a cache downstream may hold a body. It is rendered for that much later.
    pub hold_ms: u64,
}

impl Default for EdgePolicy {
    fn default() -> Self {
        Self { soft_ms: 1_000, hard_ms: 2_000, hold_ms: 1_000 }
    }
}

impl EdgePolicy {
    /// That of the status, which tells of minutes and days.
    pub const STATUS: Self = Self { soft_ms: 10_000, hard_ms: 20_000, hold_ms: 0 };

    /// Behind a shared cache ages add up, so the edge holds copies for less. `client_hold_ms` is how
    /// long a client's own cache may hold a body.
    #[must_use]
    pub const fn behind_a_cache(client_hold_ms: u64) -> Self {
        Self { soft_ms: 300, hard_ms: 500, hold_ms: client_hold_ms + CDN_HOLD_MS }
    }
}
