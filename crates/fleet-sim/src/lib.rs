//! Millions of phones and hundreds of data centres in virtual time, on the real cache policy and
//! the real poll rule of `pricecast-core`.
//!
//! ```text
//! fleet ─▶ site: one simulation ─▶ crowd (phones) ◀─last mile─▶ centre │ tiers │ stream ─▶ origin
//!                                     └───────────── measure ◀──────────────────────────┘
//! ```
//!
//! Everything is seeded; time is whole milliseconds; the origin's clock is the truth. What is
//! absent here, on purpose: a policy of its own. Where a figure is bad, the policy or the rule is.

mod centre;
mod chance;
mod clocks;
pub mod cost;
mod crowd;
mod delivery;
mod fleet;
mod measure;
mod origin;
mod population;
#[cfg(test)]
mod promises;
mod report;
mod scenario;
mod shared;
mod site;
mod stream;
mod tiers;
mod world;

pub use delivery::Delivery;
pub use fleet::{Figures, Run, simulate_all};
pub use report::{Report, Row};
pub use scenario::Scenario;
pub use tiers::AgeAcrossTiers;
