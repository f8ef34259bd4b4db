//! The venue's own one-second cache, product by product as the real one.

use crate::market::Quote;
use std::sync::{Arc, Mutex, PoisonError};

const LIVES_MS: i64 = 1_000;

/// What was last read of each product, and when.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    rows: Mutex<Vec<(i64, Arc<Quote>)>>,
}

impl Cache {
    /// The rows to answer with: those of the cache while they live, unless the client asked for
    /// fresh ones.
    pub(crate) fn serve(&self, now_ms: i64, live: Vec<Arc<Quote>>, fresh: bool) -> Vec<Arc<Quote>> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() != live.len() {
            *rows = live.iter().map(|quote| (now_ms, Arc::clone(quote))).collect();
        }
        for (row, quote) in rows.iter_mut().zip(live) {
            if fresh || now_ms - row.0 >= LIVES_MS {
                *row = (now_ms, quote);
            }
        }
        rows.iter().map(|(_, quote)| Arc::clone(quote)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{Generator, Pace, Venue};

    #[test]
    fn a_second_old_answer_is_repeated_unless_no_cache_is_asked_for() {
        let pace = Pace { seed: 1, speed: 1, update_hz: None, epoch_us: 0 };
        let mut market = Generator::market(&["BTC".to_owned()], pace);
        let live = |market: &crate::market::Market| {
            vec![Arc::clone(market.quote(Venue::Coinbase, 0).unwrap())]
        };
        let cache = Cache::default();
        let first = cache.serve(0, live(&market), false);
        market.advance(60_000_000);
        let second = live(&market);
        assert_ne!(first, second);
        assert_eq!(cache.serve(999, second.clone(), false), first);
        assert_eq!(cache.serve(1_000, second.clone(), false), second);
        market.advance(120_000_000);
        let third = live(&market);
        assert_eq!(cache.serve(1_001, third.clone(), true), third);
        assert_eq!(cache.serve(1_002, second, false), third, "no-cache also fills the cache");
    }
}
