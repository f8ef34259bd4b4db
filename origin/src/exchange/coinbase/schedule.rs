//! When to ask Coinbase what, and what its answers mean. Pure: time, answers and whether any
//! source is live come from the caller, who sends one request at a time.

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
/// A refused batch leads to one round of lone requests, and to no other one within this time.
const ROUND_EVERY_MS: u64 = 60_000;
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
#[derive(Debug, Default)]
struct Round {
    remaining: usize,
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
    round: Option<Round>,
    next_round_at: UnixMillis,
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
            round: None,
            next_round_at: now,
        }
    }

    /// The breaker's state, for the metrics.
    #[must_use]
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What to do at `now`. A request handed out counts as sent.
    pub fn next(&mut self, now: UnixMillis, any_source_live: bool) -> Next {
        if now < self.paused_until {
            return Next::Wait(self.paused_until);
        }
        let alone = self.listing.has_alone(now);
        let is_round = self.round.is_some();
        let due_at = match (alone, is_round) {
            (true, true) => self.next_alone_at,
            (true, false) => self.next_alone_at.min(self.next_batch_at),
            (false, _) => self.next_batch_at,
        };
        if now < due_at {
            return Next::Wait(due_at);
        }
        if !self.breaker.allows(now, any_source_live) {
            return Next::Wait(now.plus_ms(BREAKER_LOOK_MS));
        }
        let lone = alone && now >= self.next_alone_at && (is_round || now < self.next_batch_at);
        if lone && let Some(symbol) = self.listing.next_alone() {
            self.next_alone_at = now.plus_ms(ALONE_EVERY_MS);
            return Next::Ask(Ask { symbols: vec![symbol], kind: AskKind::Alone });
        }
        self.next_batch(now)
    }

    /// The next batch of those that are listed; each comes once per interval.
    fn next_batch(&mut self, now: UnixMillis) -> Next {
        let listed = self.listing.listed();
        let count = listed.len().div_ceil(BATCH_LEN_MAX).max(1);
        let spacing_ms = self.interval_ms / u64::try_from(count).unwrap_or(u64::MAX).max(1);
        // On the grid while we keep up with it; from now on when we do not.
        let next_at = self.next_batch_at.plus_ms(spacing_ms);
        self.next_batch_at = if next_at > now { next_at } else { now.plus_ms(spacing_ms) };
        let index = self.batch % count;
        self.batch = index + 1;
        match listed.chunks(BATCH_LEN_MAX).nth(index) {
            Some(symbols) => Next::Ask(Ask { symbols: symbols.to_vec(), kind: AskKind::Batch }),
            None => Next::Wait(self.next_batch_at),
        }
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
            Fetched::Refused { .. } | Fetched::Failed { .. } => {
                self.fail(now, SourceReason::Failing, &mut events);
            }
        }
        if ask.kind == AskKind::Alone {
            self.close_round(now, &mut events);
        }
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
        let Ok(products) = read(body, &ask.symbols, now) else {
            self.fail(now, SourceReason::Undecodable, events);
            return;
        };
        if products.is_empty() {
            // That nothing at all is listed is an outage in disguise, not a delisting.
            match ask.kind {
                AskKind::Batch => self.fail(now, SourceReason::Failing, events),
                AskKind::Alone => self.handle_refusal(now, ask, events),
            }
            return;
        }
        self.breaker.on_success();
        if let Some(round) = &mut self.round {
            round.any_answered = true;
        }
        let found: Vec<_> = products.iter().map(symbol_of).collect();
        events.push(CoinbaseEvent::Answered { sent_at, products });
        let unlisted = self.listing.note_answer(now, &ask.symbols, &found);
        events.extend(unlisted.into_iter().map(CoinbaseEvent::Unsupported));
    }

    fn handle_refusal(&mut self, now: UnixMillis, ask: &Ask, events: &mut Vec<CoinbaseEvent>) {
        match (ask.kind, &mut self.round) {
            (AskKind::Alone, Some(round)) => round.refused.extend(&ask.symbols),
            // A product known as not listed is still not listed.
            (AskKind::Alone, None) => {}
            (AskKind::Batch, _) if now >= self.next_round_at => {
                self.listing.ask_alone(&ask.symbols);
                let remaining = ask.symbols.len();
                self.round = Some(Round { remaining, ..Round::default() });
                self.next_round_at = now.plus_ms(ROUND_EVERY_MS);
            }
            (AskKind::Batch, _) => self.fail(now, SourceReason::Failing, events),
        }
    }

    /// Counts a lone answer; after the last of a round the refused ones are unlisted, unless
    /// all were: then it is the service that fails, and no product goes.
    fn close_round(&mut self, now: UnixMillis, events: &mut Vec<CoinbaseEvent>) {
        let Some(round) = &mut self.round else { return };
        round.remaining = round.remaining.saturating_sub(1);
        if round.remaining > 0 {
            return;
        }
        let Some(round) = self.round.take() else { return };
        self.next_batch_at = self.next_batch_at.max(now);
        if round.any_answered {
            for symbol in round.refused {
                self.listing.note_refused(now, symbol);
                events.push(CoinbaseEvent::Unsupported(symbol));
            }
        } else if !round.refused.is_empty() {
            self.fail(now, SourceReason::Failing, events);
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

type Product = Result<Quote, (Symbol, RejectReason)>;

/// The first row of each product that was asked for.
fn read(
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
