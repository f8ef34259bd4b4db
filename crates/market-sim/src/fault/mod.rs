//! Faults by name: what can go wrong, on which venue, with which parameters.
//!
//! This module decides whether a fault makes sense and which are active; each face reads the
//! [`FaultBoard`] and misbehaves accordingly.

mod board;
mod spec;

pub(crate) use board::{ActiveFault, FaultBoard};
pub use spec::{FaultSpec, SpecError, Target};

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

faults! {
    /// Sockets stay open and nothing is sent, not even acks; on clearing everything goes on and
    /// what was asked meanwhile is answered.
    Silence = "silence", on BOTH, symbol false, params &[];
    /// As `silence`, but the sockets open or opened meanwhile are never answered again.
    HalfOpen = "half-open", on BOTH, symbol false, params &[];
    /// A TCP RST of every open socket, once; with `seconds`, of each new one too.
    Reset = "reset", on BOTH, symbol false, params &[];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
