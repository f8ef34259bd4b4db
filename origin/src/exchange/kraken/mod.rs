//! Kraken: one WebSocket, protocol v2, channel `ticker`.
//! <https://docs.kraken.com/exchange/guides/websockets/introduction.md> (2026-11)
//!
//! | what | limit |
//! |---|---|
//! | connections | about 150 attempts in 10 minutes, then a ban of 10 minutes |
//! | subscriptions | one message for all symbols; later ones of many are dropped |
//! | silence | heartbeats about once a second, once anything is subscribed |
//! | messages | no number is documented ("dynamic"); we send two pings a second |

pub mod dial;
pub mod messages;
mod pings;
pub mod reconnect;
mod requests;
mod said;
pub mod session;
mod stream;
mod subscription;

pub use reconnect::Reconnect;
pub use stream::KrakenStream;
