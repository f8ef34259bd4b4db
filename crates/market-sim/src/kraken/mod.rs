//! The fake Kraken: WebSocket v2 with the `ticker` channel.
//!
//! Absent on purpose: every other channel, authentication, compression, v1.

mod link;
mod messages;
mod noise;
mod session;
mod upgrade;

pub(crate) use upgrade::serve;

/// Where the socket is, as on `wss://ws.kraken.com/v2`.
pub(crate) const PATH: &str = "/v2";
