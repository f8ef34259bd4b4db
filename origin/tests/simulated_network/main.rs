//! The real stream loop of Kraken over a simulated network in virtual time: what it does when
//! connections break, stall, lag, lose bytes or lead elsewhere. Real too are the session, the
//! aggregator and the publisher; Coinbase is a task that answers each second.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod bytes;
mod links;
mod market;
mod names;
mod venue;
mod wire;
mod world;
