//! Which products Coinbase lists, as far as its answers show.

use std::collections::VecDeque;

use pricecast_core::{Symbol, UnixMillis};

/// So many answers in a row that leave a product out mean it is not listed.
const LEFT_OUT_MAX: u32 = 3;
/// A product that is not listed is asked for again after this long.
const ASK_AGAIN_MS: u64 = 600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Asked for with the others; left out of so many answers in a row.
    Listed { left_out: u32 },
    /// Not asked for until then.
    Unlisted { again_at: UnixMillis },
}

/// The standing of every configured product, and those to be asked for alone.
#[derive(Debug)]
pub(super) struct Listing {
    entries: Vec<(Symbol, Standing)>,
    /// To be asked alone, in this order.
    alone: VecDeque<Symbol>,
}

impl Listing {
    pub(super) fn new(symbols: &[Symbol]) -> Self {
        let listed = |&symbol| (symbol, Standing::Listed { left_out: 0 });
        Self { entries: symbols.iter().map(listed).collect(), alone: VecDeque::new() }
    }

    /// The products to ask for together, in the order of the configuration.
    pub(super) fn listed(&self) -> Vec<Symbol> {
        let listed = self.entries.iter().filter(|(_, s)| matches!(s, Standing::Listed { .. }));
        listed.map(|&(symbol, _)| symbol).collect()
    }

    /// Puts `symbols` in line to be asked alone.
    pub(super) fn ask_alone(&mut self, symbols: &[Symbol]) {
        for &symbol in symbols {
            if !self.alone.contains(&symbol) {
                self.alone.push_back(symbol);
            }
        }
    }

    /// Whether anyone stands in line at `now`; those whose time has come to be asked again join.
    pub(super) fn has_alone(&mut self, now: UnixMillis) -> bool {
        let due = |s: &Standing| matches!(s, Standing::Unlisted { again_at } if now >= *again_at);
        let again: Vec<_> =
            self.entries.iter().filter(|(_, s)| due(s)).map(|&(symbol, _)| symbol).collect();
        for &symbol in &again {
            self.set(symbol, Standing::Unlisted { again_at: now.plus_ms(ASK_AGAIN_MS) });
        }
        self.ask_alone(&again);
        !self.alone.is_empty()
    }

    /// The next in line.
    pub(super) fn next_alone(&mut self) -> Option<Symbol> {
        self.alone.pop_front()
    }

    /// Notes an answer in which something was found: those of `asked` it leaves out come closer
    /// to being unlisted. Returns those that are now.
    pub(super) fn note_answer(
        &mut self,
        now: UnixMillis,
        asked: &[Symbol],
        found: &[Symbol],
    ) -> Vec<Symbol> {
        let mut unlisted = Vec::new();
        for (symbol, standing) in self.entries.iter_mut().filter(|(s, _)| asked.contains(s)) {
            if found.contains(symbol) {
                *standing = Standing::Listed { left_out: 0 };
                continue;
            }
            let Standing::Listed { left_out } = standing else { continue };
            *left_out += 1;
            if *left_out >= LEFT_OUT_MAX {
                *standing = Standing::Unlisted { again_at: now.plus_ms(ASK_AGAIN_MS) };
                unlisted.push(*symbol);
            }
        }
        unlisted
    }

    /// Notes that `symbol` was refused when asked for alone.
    pub(super) fn note_refused(&mut self, now: UnixMillis, symbol: Symbol) {
        self.set(symbol, Standing::Unlisted { again_at: now.plus_ms(ASK_AGAIN_MS) });
    }

    fn set(&mut self, symbol: Symbol, standing: Standing) {
        if let Some(entry) = self.entries.iter_mut().find(|(s, _)| *s == symbol) {
            entry.1 = standing;
        }
    }
}
