//! What a month costs at Cloudflare, from one dated table of list prices. The origin's own machine
//! is not in it.

mod bill;
mod prices;

pub use bill::{Bill, Line, PaidDelivery, Usage, UsageError, ZonePlan};
pub use prices::{ListPrice, NEXT_CHANGE, PRICES, READ_ON};
