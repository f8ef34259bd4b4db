//! The protocol of one connection to Kraken, without the connection: frames and time in, events
//! and frames to send out. What to do about the events is the aggregator's matter.
//!
//! The owner calls `handle_*`, then drains `poll_event` and `poll_outgoing`, asks `poll_close`,
//! and calls [`Session::handle_timeout`] no later than `poll_timeout` says.

use std::collections::VecDeque;

use pricecast_core::{
    KrakenEvent, Quote, RawQuote, RejectReason, Source, SourceReason, Symbol, SystemStatus,
    Trading, UnixMillis, named,
};

use super::messages::{self, Frame, Noise, Ticker, TickerItem};
use super::pings::Pings;
use super::requests;
use super::said::Said;
use super::subscription::{Progress, Subscriptions};
use crate::exchange::pairs::Spelling;

/// Connect, TLS, upgrade and the first ack together may take this long.
pub const FIRST_ACK_MS: u64 = 5_000;
/// Without a ticker or a heartbeat for this long the connection is given up.
const SILENCE_MS: u64 = 5_000;
/// Frames that cannot be read make us subscribe anew at most this often: garbage must not turn
/// into a storm of requests (Kraken limits the message rate without telling the limit).
const RESUBSCRIBE_ALL_EVERY_MS: u64 = 5_000;
/// A burst of such frames leads to one resubscription, so late after the first of them.
const RESUBSCRIBE_ALL_AFTER_MS: u64 = 250;

/// What a frame was, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// Prices.
    Ticker,
    /// A heartbeat.
    Heartbeat,
    /// The engine's state.
    Status,
    /// A request was accepted.
    Ack,
    /// A request was refused.
    Refused,
    /// The answer to a ping.
    Pong,
    /// Protocol v1.
    V1,
    /// Another channel, or nothing we know.
    Unknown,
    /// Not readable.
    Undecodable,
}

named! {
    FrameKind {
        Ticker = "ticker",
        Heartbeat = "heartbeat",
        Status = "status",
        Ack = "ack",
        Refused = "refused",
        Pong = "pong",
        V1 = "v1",
        Unknown = "unknown",
        Undecodable = "undecodable",
    }
}

/// Why the session wants its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// No subscription was answered in time.
    NoAck,
    /// Neither ticker nor heartbeat for too long.
    Silent,
    /// What arrives is too old, or pings are not answered.
    Lagging,
}

named! {
    CloseReason {
        NoAck = "no_ack",
        Silent = "silent",
        Lagging = "lagging",
    }
}

impl CloseReason {
    /// What the aggregator is told.
    #[must_use]
    pub const fn as_source_reason(self) -> SourceReason {
        match self {
            Self::NoAck | Self::Silent => SourceReason::Silent,
            Self::Lagging => SourceReason::Lagging,
        }
    }
}

/// One connection's protocol state.
#[derive(Debug)]
pub struct Session {
    subscriptions: Subscriptions,
    pings: Pings,
    /// When connecting began; the first ack is due [`FIRST_ACK_MS`] later.
    began_at: UnixMillis,
    /// When the first answer to a subscription came.
    answered_at: Option<UnixMillis>,
    /// The last ticker or heartbeat; armed by the first ack.
    alive_at: Option<UnixMillis>,
    /// When every symbol is to be subscribed anew.
    resubscribe_all_at: Option<UnixMillis>,
    resubscribed_all_at: Option<UnixMillis>,
    is_trading: Option<bool>,
    called_at: UnixMillis,
    events: VecDeque<KrakenEvent>,
    outgoing: VecDeque<String>,
    close: Option<CloseReason>,
}

impl Session {
    /// A connection that is open at `now`; connecting began at `began_at`. Asks for all symbols
    /// in one request.
    #[must_use]
    pub fn new(symbols: &[Symbol], began_at: UnixMillis, now: UnixMillis) -> Self {
        Self {
            subscriptions: Subscriptions::asked(symbols, now),
            pings: Pings::new(now),
            began_at,
            answered_at: None,
            alive_at: None,
            resubscribe_all_at: None,
            resubscribed_all_at: None,
            is_trading: None,
            called_at: now,
            events: VecDeque::from([KrakenEvent::Connected]),
            outgoing: VecDeque::from([requests::subscribe(symbols)]),
            close: None,
        }
    }

    /// When the first subscription was answered, if one was.
    #[must_use]
    pub const fn answered_at(&self) -> Option<UnixMillis> {
        self.answered_at
    }

    /// When the session was last given anything: the stamp of the events it then has.
    #[must_use]
    pub const fn called_at(&self) -> UnixMillis {
        self.called_at
    }

    /// Whether the engine trades; `None` until it has said.
    #[must_use]
    pub const fn is_trading(&self) -> Option<bool> {
        self.is_trading
    }

    /// Takes one text frame, received at `now`.
    pub fn handle_frame(&mut self, now: UnixMillis, text: &str) -> FrameKind {
        self.note_call(now);
        let Ok(frame) = messages::decode(text) else {
            self.handle_undecodable(now);
            return FrameKind::Undecodable;
        };
        match frame {
            Frame::Ticker(ticker) => {
                self.handle_ticker(now, &ticker);
                FrameKind::Ticker
            }
            Frame::Heartbeat => {
                self.alive_at = Some(now);
                self.events.push_back(KrakenEvent::Heartbeat);
                FrameKind::Heartbeat
            }
            Frame::Status(system) => {
                self.handle_status(system.as_ref().map_or("", |text| text.as_str()));
                FrameKind::Status
            }
            Frame::Subscribed { pair } => {
                self.handle_ack(now, pair.as_ref().map_or("", |text| text.as_str()));
                FrameKind::Ack
            }
            Frame::Unsubscribed => FrameKind::Ack,
            Frame::Refused { pair, error } => {
                self.handle_refusal(now, pair.as_ref().map(|text| text.as_str()), error.as_str());
                FrameKind::Refused
            }
            Frame::Pong { id } => {
                let sent_at = id.and_then(|id| self.pings.answer(id));
                self.events.extend(sent_at.map(|sent_at| KrakenEvent::Pong { sent_at }));
                FrameKind::Pong
            }
            Frame::Noise(Noise::V1) => FrameKind::V1,
            Frame::Noise(Noise::Channel | Noise::Unlabelled) => FrameKind::Unknown,
        }
    }

    /// Takes a frame that is not even text: anything may have been in it.
    pub fn handle_undecodable(&mut self, now: UnixMillis) {
        self.note_call(now);
        self.events.push_back(KrakenEvent::Undecodable);
        self.schedule_resubscribe_all(now);
    }

    /// Subscribes `symbols` anew, as the aggregator wants.
    pub fn resubscribe(&mut self, now: UnixMillis, symbols: &[Symbol]) {
        self.note_call(now);
        let symbols = self.subscriptions.ask_again(symbols, now);
        if !symbols.is_empty() {
            self.outgoing.push_back(requests::unsubscribe(&symbols));
            self.outgoing.push_back(requests::subscribe(&symbols));
        }
    }

    /// Does what time alone makes due.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        self.note_call(now);
        if self.resubscribe_all_at.is_some_and(|due| now >= due) {
            self.resubscribe_all_at = None;
            self.resubscribed_all_at = Some(now);
            // Said again: only from here on is nothing confirmed before its snapshot.
            self.events.push_back(KrakenEvent::Undecodable);
            self.resubscribe(now, &self.subscriptions.wanted());
        }
        if self.answered_at.is_some()
            && let Some(symbol) = self.subscriptions.next_lone_ask(now)
        {
            self.outgoing.push_back(requests::subscribe(&[symbol]));
        }
        self.outgoing.extend(self.pings.next(now).map(requests::ping));
        if self.first_ack_due().is_some_and(|due| now >= due) {
            self.close = Some(CloseReason::NoAck);
        }
        if self.silence_due().is_some_and(|due| now >= due) {
            self.close = Some(CloseReason::Silent);
        }
        if now >= self.pings.lag_due() {
            self.close.get_or_insert(CloseReason::Lagging);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> UnixMillis {
        let lone_ask = self.answered_at.and_then(|_| self.subscriptions.lone_ask_due());
        [self.first_ack_due(), self.silence_due(), self.resubscribe_all_at, lone_ask]
            .into_iter()
            .flatten()
            .fold(self.pings.due_at().min(self.pings.lag_due()), UnixMillis::min)
    }

    /// The next event for the aggregator.
    pub fn poll_event(&mut self) -> Option<KrakenEvent> {
        self.events.pop_front()
    }

    /// The next frame to send.
    pub fn poll_outgoing(&mut self) -> Option<String> {
        self.outgoing.pop_front()
    }

    /// Whether the connection is to be closed, and why.
    #[must_use]
    pub const fn poll_close(&self) -> Option<CloseReason> {
        self.close
    }

    fn first_ack_due(&self) -> Option<UnixMillis> {
        self.answered_at.is_none().then(|| self.began_at.plus_ms(FIRST_ACK_MS))
    }

    fn silence_due(&self) -> Option<UnixMillis> {
        self.alive_at.map(|at| at.plus_ms(SILENCE_MS))
    }

    fn handle_ticker(&mut self, now: UnixMillis, ticker: &Ticker<'_>) {
        self.alive_at = Some(now);
        let said = Said::of(ticker.text);
        let mut concerns_us = false;
        for item in &ticker.items {
            let Some(symbol) = Spelling::KrakenV2.symbol(item.pair()) else { continue };
            let Some(subscription) = self.subscriptions.get_mut(symbol) else { continue };
            let is_repetition = subscription.said.replace(said) == Some(said);
            if ticker.is_snapshot {
                subscription.progress = Progress::Acked;
                self.answered_at.get_or_insert(now);
            } else if is_repetition {
                continue;
            }
            concerns_us = true;
            self.events.push_back(tick(now, symbol, item, ticker.is_snapshot));
        }
        if !concerns_us {
            self.events.push_back(KrakenEvent::Heartbeat);
        }
    }

    fn handle_status(&mut self, system: &str) {
        let status = system_status(system);
        self.is_trading = Some(status == SystemStatus::Online);
        self.events.push_back(KrakenEvent::System(status));
    }

    fn handle_ack(&mut self, now: UnixMillis, pair: &str) {
        if let Some(symbol) = Spelling::KrakenV2.symbol(pair)
            && let Some(subscription) = self.subscriptions.get_mut(symbol)
        {
            subscription.progress = Progress::Acked;
            self.answered_at.get_or_insert(now);
            self.alive_at.get_or_insert(now);
        }
    }

    /// A refusal without a pair of ours is of no consequence by itself: whoever still lacks an
    /// ack is asked again alone.
    fn handle_refusal(&mut self, now: UnixMillis, pair: Option<&str>, error: &str) {
        let pair = pair.or_else(|| error.split_whitespace().next_back()).unwrap_or_default();
        let Some(symbol) = Spelling::KrakenV2.symbol(pair) else { return };
        let Some(subscription) = self.subscriptions.get_mut(symbol) else { return };
        match Refusal::of(error) {
            Refusal::Unlisted => {
                subscription.progress = Progress::Unsupported;
                self.answered_at.get_or_insert(now);
                self.events.push_back(KrakenEvent::Unsupported(symbol));
            }
            Refusal::AlreadySubscribed => self.handle_ack(now, pair),
            Refusal::Other => {}
        }
    }

    fn schedule_resubscribe_all(&mut self, now: UnixMillis) {
        let soon = now.plus_ms(RESUBSCRIBE_ALL_AFTER_MS);
        let due = match self.resubscribed_all_at {
            Some(last) => soon.max(last.plus_ms(RESUBSCRIBE_ALL_EVERY_MS)),
            None => soon,
        };
        self.resubscribe_all_at.get_or_insert(due);
    }

    fn note_call(&mut self, now: UnixMillis) {
        self.called_at = self.called_at.max(now);
    }
}

/// What a frame that came at `now` says of prices, whether they concern a session or not.
pub(crate) fn read_ticks(
    now: UnixMillis,
    text: &str,
) -> impl Iterator<Item = Result<Quote, (Symbol, RejectReason)>> {
    let items = match messages::decode(text) {
        Ok(Frame::Ticker(ticker)) => ticker.items,
        _ => vec![],
    };
    items.into_iter().filter_map(move |item| {
        let symbol = Spelling::KrakenV2.symbol(item.pair())?;
        Some(quote(now, symbol, &item).map_err(|reason| (symbol, reason)))
    })
}

fn tick(now: UnixMillis, symbol: Symbol, item: &TickerItem<'_>, is_snapshot: bool) -> KrakenEvent {
    match quote(now, symbol, item) {
        Ok(quote) => KrakenEvent::Tick { quote, is_snapshot },
        Err(reason) => KrakenEvent::TickRefused { symbol, reason },
    }
}

fn quote(now: UnixMillis, symbol: Symbol, item: &TickerItem<'_>) -> Result<Quote, RejectReason> {
    let raw = RawQuote {
        source: Source::Kraken,
        symbol,
        price: item.last(),
        change_24h: item.change_pct(),
        volume_24h: None,
        event_time: item.event_time(),
        trading: Trading::Open,
    };
    raw.normalise(now)
}

/// The engine's states; in all but the first nothing is matched, so no price moves.
/// <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status.md> (2026-11)
fn system_status(system: &str) -> SystemStatus {
    match system {
        "online" => SystemStatus::Online,
        "maintenance" => SystemStatus::NotTrading(SourceReason::Maintenance),
        "cancel_only" => SystemStatus::NotTrading(SourceReason::CancelOnly),
        "post_only" => SystemStatus::NotTrading(SourceReason::PostOnly),
        _ => SystemStatus::NotTrading(SourceReason::UnknownState),
    }
}

/// What a refused subscription means; the exchange gives no code, only a text.
enum Refusal {
    /// The pair is not listed (texts measured 2026-09-25 and 2026-10-06).
    Unlisted,
    /// We have what we asked for.
    AlreadySubscribed,
    /// Anything else may pass, such as too many requests.
    Other,
}

impl Refusal {
    fn of(error: &str) -> Self {
        if error.contains("not supported") || error.contains("not in ISO") {
            Self::Unlisted
        } else if error.contains("lready subscribed") {
            Self::AlreadySubscribed
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
