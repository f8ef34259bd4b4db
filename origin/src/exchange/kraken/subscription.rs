//! How far each symbol's subscription has come, and who is to be asked again alone.

use pricecast_core::{Symbol, UnixMillis};

use super::said::Said;

/// A symbol without an ack for this long is asked again, alone.
const ACK_MS: u64 = 5_000;
/// Each further time it waits twice as long, up to this.
const ACK_MS_MAX: u64 = 60_000;
/// Lone requests are at least this far apart.
const LONE_ASK_EVERY_MS: u64 = 200;

/// How far one subscription has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Asked, not answered; to be asked again at that time, after so long a wait.
    Asked { again_at: UnixMillis, wait_ms: u64 },
    /// Answered.
    Acked,
    /// The exchange does not list it; asked again only on the next connection.
    Unsupported,
}

impl Progress {
    const fn asked(now: UnixMillis) -> Self {
        Self::Asked { again_at: now.plus_ms(ACK_MS), wait_ms: ACK_MS }
    }

    const fn again_at(self) -> Option<UnixMillis> {
        match self {
            Self::Asked { again_at, .. } => Some(again_at),
            Self::Acked | Self::Unsupported => None,
        }
    }
}

/// One symbol's.
#[derive(Debug)]
pub(super) struct Subscription {
    symbol: Symbol,
    pub(super) progress: Progress,
    /// What the last frame of it said.
    pub(super) said: Option<Said>,
}

impl Subscription {
    const fn asked(symbol: Symbol, now: UnixMillis) -> Self {
        Self { symbol, progress: Progress::asked(now), said: None }
    }
}

/// Those of every configured symbol.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// Sorted by symbol.
    entries: Vec<Subscription>,
    lone_asked_at: Option<UnixMillis>,
}

impl Subscriptions {
    /// All of them just asked for.
    pub(super) fn asked(symbols: &[Symbol], now: UnixMillis) -> Self {
        let mut entries: Vec<_> = symbols.iter().map(|&s| Subscription::asked(s, now)).collect();
        entries.sort_unstable_by_key(|entry| entry.symbol);
        Self { entries, lone_asked_at: None }
    }

    /// That of `symbol`; `None` if it is not ours.
    pub(super) fn get_mut(&mut self, symbol: Symbol) -> Option<&mut Subscription> {
        let place = self.entries.binary_search_by_key(&symbol, |entry| entry.symbol).ok()?;
        self.entries.get_mut(place)
    }

    /// Those the exchange has not refused.
    pub(super) fn wanted(&self) -> Vec<Symbol> {
        let is_wanted = |entry: &&Subscription| entry.progress != Progress::Unsupported;
        self.entries.iter().filter(is_wanted).map(|entry| entry.symbol).collect()
    }

    /// Notes that `symbols` are asked for anew; returns those of them that make sense.
    pub(super) fn ask_again(&mut self, symbols: &[Symbol], now: UnixMillis) -> Vec<Symbol> {
        let mut asked = Vec::with_capacity(symbols.len());
        for &symbol in symbols {
            if let Some(entry) = self.get_mut(symbol)
                && entry.progress != Progress::Unsupported
            {
                entry.progress = Progress::asked(now);
                asked.push(symbol);
            }
        }
        asked
    }

    /// When the next lone request is due.
    pub(super) fn lone_ask_due(&self) -> Option<UnixMillis> {
        let due = self.entries.iter().filter_map(|entry| entry.progress.again_at()).min()?;
        let spaced = self.lone_asked_at.map(|at| at.plus_ms(LONE_ASK_EVERY_MS));
        Some(spaced.map_or(due, |spaced| due.max(spaced)))
    }

    /// Who is to be asked alone at `now`, if anyone; counts as asked.
    pub(super) fn next_lone_ask(&mut self, now: UnixMillis) -> Option<Symbol> {
        if self.lone_ask_due().is_none_or(|due| now < due) {
            return None;
        }
        let entry = self
            .entries
            .iter_mut()
            .filter(|entry| entry.progress.again_at().is_some())
            .min_by_key(|entry| entry.progress.again_at())?;
        if let Progress::Asked { again_at, wait_ms } = &mut entry.progress {
            *wait_ms = wait_ms.saturating_mul(2).min(ACK_MS_MAX);
            *again_at = now.plus_ms(*wait_ms);
        }
        self.lone_asked_at = Some(now);
        Some(entry.symbol)
    }
}
