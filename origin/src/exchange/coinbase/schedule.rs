//! When to ask Coinbase what, and what its answers mean. Pure: time, answers and whether any
//! source is live come from the caller, who sends one request at a time.

use std::collections::HashMap;

use pricecast_core::{
    Breaker, CoinbaseEvent, Quote, RejectReason, SourceReason, Symbol, UnixMillis,
};

use super::client::Fetched;
use super::listing::Listing;
use super::messages;

/// Products in one request. 100 of them take about 120 kB.
const BATCH_LEN_MAX: usize = 100;
/// Lone requests are at least this far apart: 5 a second, half of what is allowed.
const ALONE_EVERY_MS: u64 = 200;
/// A refused batch has a product asked alone at most this often.
const SAME_ALONE_EVERY_MS: u64 = 60_000;
/// An answer about other products shows that the service works for one interval and this long.
const PROOF_MARGIN_MS: u64 = 2_000;
/// Pause after a 429 that names none.
const RATE_LIMITED_MS: u64 = 10_000;
/// Longest pause a `Retry-After` can impose.
const RATE_LIMITED_MS_MAX: u64 = 300_000;
/// While the breaker is open, look again so often whether it lets a probe through.
const BREAKER_LOOK_MS: u64 = 100;

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this request and report its answer.
    Ask(Ask),
    /// Come back at that time.
    Wait(UnixMillis),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The products.
    pub symbols: Vec<Symbol>,
    kind: AskKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskKind {
    /// The ordinary poll.
    Batch,
    /// One product: to find out which of a refused batch is to blame, or whether one that was
    /// not listed is now.
    Alone,
}

/// Lone requests to find the culprit of a refused batch.
#[derive(Debug)]
struct Round {
    opened_at: UnixMillis,
    /// The refused batch; no batch asks for these until the round is over.
    batch: Vec<Symbol>,
    /// Those still to be answered alone.
    pending: Vec<Symbol>,
    refused: Vec<Symbol>,
    any_answered: bool,
}

/// The poller's plan.
#[derive(Debug)]
pub struct Schedule {
    interval_ms: u64,
    listing: Listing,
    breaker: Breaker,
    was_tripped: bool,
    next_batch_at: UnixMillis,
    batch: usize,
    next_alone_at: UnixMillis,
    paused_until: UnixMillis,
    rounds: Vec<Round>,
    /// When each product was last found in an answer.
    found_at: HashMap<Symbol, UnixMillis>,
    /// When each product was last in a batch that came back empty.
    empty_at: HashMap<Symbol, UnixMillis>,
    /// When each product was last asked alone.
    alone_at: HashMap<Symbol, UnixMillis>,
}

impl Schedule {
    /// Polls `symbols` every `interval_ms`, from `now` on.
    #[must_use]
    pub fn new(symbols: &[Symbol], interval_ms: u64, now: UnixMillis) -> Self {
        Self {
            interval_ms,
            listing: Listing::new(symbols),
            breaker: Breaker::default(),
            was_tripped: false,
            next_batch_at: now,
            batch: 0,
            next_alone_at: now,
            paused_until: now,
            rounds: Vec::new(),
            found_at: HashMap::new(),
            empty_at: HashMap::new(),
            alone_at: HashMap::new(),
        }
    }

    /// The breaker's state, for the metrics.
    #[must_use]
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Until when we were asked to wait.
    #[must_use]
    pub const fn paused_until(&self) -> UnixMillis {
        self.paused_until
    }

    /// Waits until `until` at least, as an earlier plan was asked to.
    pub fn pause_until(&mut self, until: UnixMillis) {
        self.paused_until = self.paused_until.max(until);
    }

    /// What to do at `now`. A request handed out counts as sent.
    pub fn next(&mut self, now: UnixMillis, any_source_live: bool) -> Next {
        if now < self.paused_until {
            return Next::Wait(self.paused_until);
        }
        let has_alone = self.listing.has_alone(now);
        let due_at = self.due_at(has_alone);
        if now < due_at {
            return Next::Wait(due_at);
        }
        if !self.breaker.allows(now, any_source_live) {
            return Next::Wait(now.plus_ms(BREAKER_LOOK_MS));
        }
        // Whichever was due first, so that neither starves the other when answers are slow.
        let is_batch = !has_alone || self.next_batch_at < self.next_alone_at;
        if is_batch && let Some(symbols) = self.next_batch(now) {
            return Next::Ask(Ask { symbols, kind: AskKind::Batch });
        }
        if now >= self.next_alone_at
            && let Some(symbol) = self.listing.next_alone()
        {
            self.next_alone_at = now.plus_ms(ALONE_EVERY_MS);
            self.alone_at.insert(symbol, now);
            return Next::Ask(Ask { symbols: vec![symbol], kind: AskKind::Alone });
        }
        Next::Wait(self.due_at(has_alone))
    }

    fn due_at(&self, has_alone: bool) -> UnixMillis {
        if has_alone { self.next_alone_at.min(self.next_batch_at) } else { self.next_batch_at }
    }

    /// The products that batches ask for: the listed ones, without those in a round.
    fn in_batches(&self) -> Vec<Symbol> {
        let mut symbols = self.listing.listed();
        symbols.retain(|symbol| !self.rounds.iter().any(|round| round.batch.contains(symbol)));
        symbols
    }

    /// The next batch; each comes once per interval.
    fn next_batch(&mut self, now: UnixMillis) -> Option<Vec<Symbol>> {
        let symbols = self.in_batches();
        let count = symbols.len().div_ceil(BATCH_LEN_MAX).max(1);
        let spacing_ms = self.interval_ms / u64::try_from(count).unwrap_or(u64::MAX).max(1);
        // On the grid while we keep up with it; from now on when we do not.
        let next_at = self.next_batch_at.plus_ms(spacing_ms);
        self.next_batch_at = if next_at > now { next_at } else { now.plus_ms(spacing_ms) };
        let index = self.batch % count;
        self.batch = index + 1;
        symbols.chunks(BATCH_LEN_MAX).nth(index).map(<[Symbol]>::to_vec)
    }

    /// What the answer to `ask` means. It left at `sent_at` and is here at `now`.
    pub fn handle(
        &mut self,
        now: UnixMillis,
        sent_at: UnixMillis,
        ask: &Ask,
        fetched: &Fetched,
    ) -> Vec<CoinbaseEvent> {
        let mut events = Vec::new();
        match fetched {
            Fetched::Body(body) => self.handle_body(now, sent_at, ask, body, &mut events),
            Fetched::Refused { status } if blames_a_product(*status) => {
                self.handle_refusal(now, ask, &mut events);
            }
            Fetched::RateLimited { retry_after_ms } => {
                let pause_ms = retry_after_ms.unwrap_or(RATE_LIMITED_MS);
                self.paused_until = now.plus_ms(pause_ms.clamp(1_000, RATE_LIMITED_MS_MAX));
                self.fail(now, SourceReason::RateLimited, &mut events);
            }
            Fetched::Refused { .. } | Fetched::Failed(_) => {
                self.fail(now, SourceReason::Failing, &mut events);
            }
        }
        if ask.kind == AskKind::Alone {
            for round in &mut self.rounds {
                round.pending.retain(|symbol| !ask.symbols.contains(symbol));
            }
        }
        self.close_rounds(now, &mut events);
        let is_tripped = self.breaker.is_tripped();
        if is_tripped != std::mem::replace(&mut self.was_tripped, is_tripped) {
            events.push(CoinbaseEvent::BreakerOpen(is_tripped));
        }
        events
    }

    fn handle_body(
        &mut self,
        now: UnixMillis,
        sent_at: UnixMillis,
        ask: &Ask,
        body: &[u8],
        events: &mut Vec<CoinbaseEvent>,
    ) {
        let Ok(products) = read_answer(body, &ask.symbols, now) else {
            self.fail(now, SourceReason::Undecodable, events);
            return;
        };
        if products.is_empty() {
            match ask.kind {
                AskKind::Batch => self.handle_empty_batch(now, ask, events),
                AskKind::Alone => self.handle_refusal(now, ask, events),
            }
            return;
        }
        self.breaker.on_success();
        let found: Vec<_> = products.iter().map(symbol_of).collect();
        for round in &mut self.rounds {
            round.any_answered |= found.iter().any(|symbol| round.pending.contains(symbol));
        }
        self.found_at.extend(found.iter().map(|&symbol| (symbol, now)));
        events.push(CoinbaseEvent::Answered { sent_at, products });
        let unlisted = self.listing.note_answer(now, &ask.symbols, &found);
        events.extend(unlisted.into_iter().map(CoinbaseEvent::Unsupported));
    }

    /// That nothing at all is listed is an outage in disguise, unless others have been answered
    /// since this batch last came back empty: then its products were left out.
    fn handle_empty_batch(&mut self, now: UnixMillis, ask: &Ask, events: &mut Vec<CoinbaseEvent>) {
        let empty_at = ask.symbols.iter().filter_map(|symbol| self.empty_at.get(symbol)).max();
        let is_delisting = self.others_answered(now, &ask.symbols, empty_at.copied());
        self.empty_at.extend(ask.symbols.iter().map(|&symbol| (symbol, now)));
        if is_delisting {
            let unlisted = self.listing.note_answer(now, &ask.symbols, &[]);
            events.extend(unlisted.into_iter().map(CoinbaseEvent::Unsupported));
        } else {
            self.fail(now, SourceReason::Failing, events);
        }
    }

    /// Whether a product that is not among `symbols` was found just now and after `since`. One
    /// answer thus speaks for the service once, and none from before an outage adds up.
    fn others_answered(
        &self,
        now: UnixMillis,
        symbols: &[Symbol],
        since: Option<UnixMillis>,
    ) -> bool {
        let fresh_ms = self.interval_ms.saturating_add(PROOF_MARGIN_MS);
        self.found_at.iter().any(|(symbol, &at)| {
            Some(at) > since && now.ms_since(at) <= fresh_ms && !symbols.contains(symbol)
        })
    }

    fn handle_refusal(&mut self, now: UnixMillis, ask: &Ask, events: &mut Vec<CoinbaseEvent>) {
        if ask.kind == AskKind::Alone {
            // One that is in no round is known as not listed, and still is not.
            for round in &mut self.rounds {
                round.refused.extend(ask.symbols.iter().filter(|s| round.pending.contains(s)));
            }
            return;
        }
        let is_due = |symbol: &Symbol| {
            let asked_at = self.alone_at.get(symbol);
            asked_at.is_none_or(|&at| now.ms_since(at) >= SAME_ALONE_EVERY_MS)
        };
        let pending: Vec<_> = ask.symbols.iter().copied().filter(is_due).collect();
        if pending.is_empty() {
            self.fail(now, SourceReason::Failing, events);
            return;
        }
        self.listing.ask_alone(&pending);
        self.rounds.push(Round {
            opened_at: now,
            batch: ask.symbols.clone(),
            pending,
            refused: Vec::new(),
            any_answered: false,
        });
    }

    /// Ends the rounds that are decided. The refused products are unlisted if the service
    /// answered for another one meanwhile. If it did not, it is the service that fails, and no
    /// product goes; while other batches may still show that it works, the round waits for them.
    fn close_rounds(&mut self, now: UnixMillis, events: &mut Vec<CoinbaseEvent>) {
        let may_wait = !self.in_batches().is_empty();
        let fresh_ms = self.interval_ms.saturating_add(PROOF_MARGIN_MS);
        for round in std::mem::take(&mut self.rounds) {
            let works = round.any_answered
                || self.others_answered(now, &round.batch, Some(round.opened_at));
            let waits = may_wait && now.ms_since(round.opened_at) < fresh_ms;
            if !round.pending.is_empty() || (!works && !round.refused.is_empty() && waits) {
                self.rounds.push(round);
            } else if works {
                for symbol in round.refused {
                    self.listing.note_refused(now, symbol);
                    events.push(CoinbaseEvent::Unsupported(symbol));
                }
            } else if !round.refused.is_empty() {
                self.fail(now, SourceReason::Failing, events);
            }
        }
    }

    fn fail(&mut self, now: UnixMillis, reason: SourceReason, events: &mut Vec<CoinbaseEvent>) {
        self.breaker.on_failure(now);
        events.push(CoinbaseEvent::Failed(reason));
    }
}

/// Whether a refusal may be about one product of the request, rather than about us: those about
/// us (401, 403, 451, …) would come for every product, and asking each would only hammer.
const fn blames_a_product(status: u16) -> bool {
    matches!(status, 400 | 404 | 410 | 414 | 422)
}

/// What an answer says of a product: a quote, or why it is none.
pub type Product = Result<Quote, (Symbol, RejectReason)>;

/// The first row of each product that was asked for, in an answer that came at `now`.
///
/// # Errors
/// [`messages::Undecodable`] when it is no list of products.
pub fn read_answer(
    body: &[u8],
    asked: &[Symbol],
    now: UnixMillis,
) -> Result<Vec<Product>, messages::Undecodable> {
    let mut found: Vec<Product> = Vec::with_capacity(asked.len());
    for product in messages::decode(body)? {
        let Some(symbol) = product.symbol().filter(|symbol| asked.contains(symbol)) else {
            continue;
        };
        if !found.iter().any(|known| symbol_of(known) == symbol) {
            let quote = product.raw_quote(symbol).normalise(now);
            found.push(quote.map_err(|reason| (symbol, reason)));
        }
    }
    Ok(found)
}

const fn symbol_of(product: &Product) -> Symbol {
    match product {
        Ok(quote) => quote.symbol,
        Err((symbol, _)) => *symbol,
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
