//! What the adapters tell the aggregator, and what it asks of them.

use crate::quote::{Quote, RejectReason};
use crate::source::SourceReason;
use crate::symbol::Symbol;
use crate::time::UnixMillis;

/// Something an exchange adapter saw. Always handed over with the time it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// From the WebSocket.
    Kraken(KrakenEvent),
    /// From the REST poller.
    Coinbase(CoinbaseEvent),
}

/// What the Kraken adapter saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KrakenEvent {
    /// A new connection is up and about to subscribe. Nothing is confirmed on it yet.
    Connected,
    /// The exchange told the state of its engine.
    System(SystemStatus),
    /// The symbol was refused: it is not listed there.
    Unsupported(Symbol),
    /// A ticker item that passed the normaliser.
    Tick {
        /// What it says.
        quote: Quote,
        /// Whether it is the snapshot that answers a subscription.
        is_snapshot: bool,
    },
    /// A ticker item that did not.
    TickRefused {
        /// Of what.
        symbol: Symbol,
        /// Why.
        reason: RejectReason,
    },
    /// A heartbeat, or a ticker frame of which nothing concerns us.
    Heartbeat,
    /// A ping was answered. Proves nothing by itself, but dates what follows on this connection.
    Pong {
        /// Our clock when that ping left: whatever comes after its answer was said later.
        sent_at: UnixMillis,
    },
    /// A frame that cannot be read: anything may have been in it.
    Undecodable,
    /// The connection ended or could not be made.
    Disconnected(SourceReason),
}

/// The engine state in Kraken's `status` channel.
/// <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status.md> (2026-11)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemStatus {
    /// Markets operate normally.
    Online,
    /// No trading; the reason says which way. Heartbeats go on.
    NotTrading(SourceReason),
}

/// What the Coinbase adapter saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoinbaseEvent {
    /// One request was answered.
    Answered {
        /// Our clock when the request left: what it proves, it proves for that moment.
        sent_at: UnixMillis,
        /// Each asked product found in the answer, or why it was refused.
        products: Vec<Result<Quote, (Symbol, RejectReason)>>,
    },
    /// The product is not listed there: left out of an answer or refused when asked alone.
    Unsupported(Symbol),
    /// A request failed.
    Failed(SourceReason),
    /// The breaker opened (`true`) or closed (`false`).
    BreakerOpen(bool),
}

/// What the aggregator wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Unsubscribe and subscribe these anew on the present connection: the snapshot is the proof.
    ResubscribeKraken(Vec<Symbol>),
    /// Close the connection and make a new one.
    ReconnectKraken,
}
