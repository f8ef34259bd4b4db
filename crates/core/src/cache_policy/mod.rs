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
pub use turn::Turn;

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
