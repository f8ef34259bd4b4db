//! The simulator over real sockets: both protocols, every fault, the control endpoint.
//!
//! Each test starts a simulator of its own on a free port.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure here is a failed test"
)]

mod client;
mod coinbase;
mod control;
mod faults_coinbase;
mod faults_kraken;
mod faults_kraken_frames;
mod kraken;
