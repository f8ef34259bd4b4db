//! Faults by name: what can go wrong, on which venue, with which parameters.
//!
//! This module decides whether a fault makes sense and which are active; each face reads the
//! [`FaultBoard`] and misbehaves accordingly.

mod board;
mod distort;
mod spec;

pub(crate) use board::{ActiveFault, FaultBoard};
pub(crate) use distort::{crash_ppm, said};
pub use spec::{BadNumber, FaultSpec, SpecError, Target};

use crate::market::{VENUES, Venue};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, on $venues:expr, symbol $symbol:literal,
       params $params:expr;)*) => {
        /// A fault, by the name it has in the control API and in scripts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Fault {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Fault {
            /// Every fault, in the order of the README's table.
            pub const ALL: &[Fault] = &[$(Fault::$variant,)*];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Fault::$variant => $name,)* }
            }

            /// The venues it exists on.
            #[must_use]
            pub fn venues(self) -> &'static [Venue] {
                match self { $(Fault::$variant => $venues,)* }
            }

            /// Whether it can be confined to one symbol.
            #[must_use]
            pub fn takes_symbol(self) -> bool {
                match self { $(Fault::$variant => $symbol,)* }
            }

            /// Names of its optional parameters.
            #[must_use]
            pub fn params(self) -> &'static [&'static str] {
                match self { $(Fault::$variant => $params,)* }
            }
        }
    };
}

const BOTH: &[Venue] = &VENUES;
const KRAKEN: &[Venue] = &[Venue::Kraken];
const COINBASE: &[Venue] = &[Venue::Coinbase];

faults! {
    /// Sockets stay open and nothing is sent, not even acks; on clearing everything goes on and
    /// what was asked meanwhile is answered. New sockets are accepted and stay mute.
    Silence = "silence", on BOTH, symbol false, params &[];
    /// The sockets open or opened meanwhile are never answered again, even after clearing.
    HalfOpen = "half-open", on BOTH, symbol false, params &[];
    /// A TCP RST of every open socket, once; with `seconds`, of each new one too.
    Reset = "reset", on BOTH, symbol false, params &[];
    /// New connections get a RST, or the HTTP `status`; open ones go on.
    Refuse = "refuse", on BOTH, symbol false, params &["status"];
    /// Connections drop `ms` after they are made (Kraken); every other request is cut (Coinbase).
    Flap = "flap", on BOTH, symbol false, params &["ms"];
    /// Everything leaves `ms` late.
    Slow = "slow", on BOTH, symbol false, params &["ms"];
    /// Noise instead of ticker frames, or instead of the body.
    Garbage = "garbage", on BOTH, symbol false, params &[];
    /// Subscriptions are accepted and nothing follows: no snapshot, no update, no heartbeat unless
    /// `heartbeats` says so.
    AckButNoData = "ack-but-no-data", on KRAKEN, symbol false, params &["heartbeats"];
    /// The feed of a symbol stands still while the truth moves: no frames on Kraken (a new
    /// subscription is acked without a snapshot, unless `snapshots` says so), the same price and
    /// volume on Coinbase.
    FrozenSymbol = "frozen-symbol", on BOTH, symbol true, params &["snapshots"];
    /// `system: maintenance` and no ticker updates; products disabled.
    Maintenance = "maintenance", on BOTH, symbol false, params &[];
    /// `system: cancel_only` and no ticker updates; products `cancel_only`.
    CancelOnly = "cancel-only", on BOTH, symbol false, params &[];
    /// `system: post_only` and no ticker updates; products `post_only`.
    PostOnly = "post-only", on BOTH, symbol false, params &[];
    /// A `system`, or a product `status`, that no documentation knows.
    UnknownSystem = "unknown-system", on BOTH, symbol false, params &[];
    /// The symbol does not exist: subscriptions refused, product unknown.
    RejectSymbol = "reject-symbol", on BOTH, symbol true, params &[];
    /// The symbol ends: its subscription goes quiet and a new one is refused; product `delisted`.
    DelistSymbol = "delist-symbol", on BOTH, symbol true, params &[];
    /// Prices `percent` too high on this venue only.
    Spike = "spike", on BOTH, symbol true, params &["percent"];
    /// The decimal point `power` digits too far right on this venue only.
    DecimalShift = "decimal-shift", on BOTH, symbol true, params &["power"];
    /// The market itself moves by `percent`, on both venues, for as long as the fault lasts.
    CrashOnBoth = "crash-on-both", on BOTH, symbol true, params &["percent"];
    /// Zero, negative and other impossible prices, in turn or only the `number` named.
    BadNumber = "bad-number", on BOTH, symbol true, params &["number"];
    /// The best bid is above the best ask; the last trade is what it was.
    CrossedBook = "crossed-book", on BOTH, symbol true, params &[];
    /// Nobody sells; the last trade is what it was.
    OneSidedBook = "one-sided-book", on BOTH, symbol true, params &[];
    /// Each ticker frame comes twice, after the one before it once more.
    DuplicateFrames = "duplicate-frames", on KRAKEN, symbol false, params &[];
    /// Fields, values and messages no documentation knows, beside all that is known.
    Novelties = "novelties", on BOTH, symbol false, params &[];
    /// 429 with `Retry-After: retry_after_s` to requests and upgrades.
    TooManyRequests = "429", on BOTH, symbol false, params &["retry_after_s"];
    /// Cloudflare's page for a banned address, a 429, to requests and upgrades.
    Banned = "cloudflare-1015", on BOTH, symbol false, params &["retry_after_s"];
    /// A server error, `status`, to requests and upgrades.
    ServerError = "5xx", on BOTH, symbol false, params &["status"];
    /// An HTML page with `status` to requests and upgrades.
    Html = "html", on BOTH, symbol false, params &["status"];
    /// A body, or one frame to each socket, of `bytes`.
    HugeBody = "huge-body", on BOTH, symbol false, params &["bytes"];
    /// Event times and answer times are `skew_ms` off.
    SkewedClock = "skewed-clock", on BOTH, symbol false, params &["skew_ms"];
    /// A 200 without a body; an empty frame instead of each ticker.
    EmptyBody = "empty-body", on BOTH, symbol false, params &[];
    /// A small gzip body that unpacks to `bytes`.
    GzipBomb = "gzip-bomb", on COINBASE, symbol false, params &["bytes"];
    /// Every answer, and every ticker frame, repeats what was true when the fault began, times
    /// included. With `every`, only each so many-th answer does; the 24 h volume moves on if
    /// `volume_moves` says so.
    StaleBackend = "stale-backend", on BOTH, symbol true, params &["every", "volume_moves"];
    /// Half a body, then the connection closes; half of each ticker frame.
    TruncatedBody = "truncated-body", on BOTH, symbol false, params &[];
    /// JSON called `text/plain`; ticker frames sent as binary.
    WrongContentType = "wrong-content-type", on BOTH, symbol false, params &[];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_describes_every_fault_and_parameter() {
        let readme = include_str!("../../README.md");
        let table = readme.split("## Faults").nth(1).unwrap();
        for fault in Fault::ALL {
            let name = format!("`{fault}`");
            let row = table.lines().find(|line| line.starts_with('|') && line.contains(&name));
            let row = row.unwrap_or_else(|| panic!("{fault} is missing"));
            for param in fault.params() {
                assert!(row.contains(&format!("`{param}`")), "{fault}: {param} is missing");
            }
            assert_eq!(row.contains("`symbol`"), fault.takes_symbol(), "{fault}: symbol");
        }
    }
}
