//! The origin, with the real aggregator, publisher, breaker, backoff and budget.

use pricecast_core::{
    ASSESS_EVERY_MS, Action, Aggregator, Breaker, CoinbaseEvent, ConnectionBudget, FeedConfig,
    KrakenEvent, Publisher, RawQuote, RejectReason, Snapshot, Source, SourceEvent, SourceReason,
    Symbol, SystemStatus, Trading, backoff_delay_ms,
};
use rand::RngExt;

use super::venue::{Answer, Frame, text};
use super::{Event, SYMBOLS, UPSTREAM_LATENCY_MAX_MS, World, stamp};

const SILENCE_RECONNECT_MS: u64 = 5_000;
const PING_EVERY_MS: u64 = 500;
const LAG_RECONNECT_MS: u64 = 10_000;
const POLL_TIMEOUT_MS: u64 = 900;
const HEALTHY_MS: u64 = 60_000;

pub(crate) struct Origin {
    pub(crate) run: u64,
    aggregator: Aggregator,
    publisher: Publisher,
    pub(crate) latest: Option<Snapshot>,
    connection: Option<u64>,
    connected_at: u64,
    heard_at: u64,
    /// When the newest ping that was answered on this connection left.
    answered_ping_at: u64,
    attempt: u32,
    budget: ConnectionBudget,
    breaker: Breaker,
    /// Which symbols Kraken has ticked in this run.
    pub(crate) has_ticked: Vec<bool>,
}

pub(crate) fn symbol(index: usize) -> Symbol {
    Symbol::parse(SYMBOLS[index].0).unwrap()
}

impl World {
    pub(crate) fn on_origin_start(&mut self) {
        self.runs += 1;
        let run = self.runs;
        let epoch = stamp(self.now).as_ms().max(self.last_epoch + 1);
        self.last_epoch = epoch;
        let mut aggregator = Aggregator::new(FeedConfig {
            symbols: (0..SYMBOLS.len()).map(symbol).collect(),
            coinbase_interval_ms: 1_000,
            poll_after_ms: 2_500,
        });
        if let Some(saved) = &self.saved {
            aggregator.restore(&saved.prices);
        }
        self.origin = Some(Origin {
            run,
            aggregator,
            publisher: Publisher::new(epoch),
            latest: None,
            connection: None,
            connected_at: 0,
            heard_at: 0,
            answered_ping_at: 0,
            attempt: 0,
            budget: ConnectionBudget::new(60, 600_000),
            breaker: Breaker::default(),
            has_ticked: vec![false; SYMBOLS.len()],
        });
        self.after(10, Event::Connect { run });
        self.after(20, Event::Poll { run });
        self.after(ASSESS_EVERY_MS, Event::Assess { run });
        self.after(10_000, Event::Save { run });
    }

    pub(crate) fn kill_origin(&mut self, down_ms: u64) {
        if self.origin.take().is_some() {
            self.kraken.connection = None;
            self.after(down_ms, Event::OriginStart);
        }
    }

    fn with_origin(&mut self, run: u64) -> Option<&mut Origin> {
        self.origin.as_mut().filter(|origin| origin.run == run)
    }

    fn tell(&mut self, event: SourceEvent) {
        let now = stamp(self.now);
        if let Some(origin) = &mut self.origin {
            origin.aggregator.handle(now, &event);
        }
    }

    // ── Kraken ─────────────────────────────────────────────────────────────────────────────

    pub(crate) fn on_connect(&mut self, run: u64) {
        let now = stamp(self.now);
        let Some(origin) = self.with_origin(run) else { return };
        let wait_ms = origin.budget.wait_ms(now);
        if wait_ms > 0 {
            return self.after(wait_ms, Event::Connect { run });
        }
        origin.budget.note_attempt(now);
        if self.kraken.refuses {
            self.tell(SourceEvent::Kraken(KrakenEvent::Disconnected(SourceReason::Disconnected)));
            return self.reconnect_later(run);
        }
        let connection = self.checks.next_connection();
        self.open_connection(connection);
        let connected_at = self.now;
        if let Some(origin) = self.with_origin(run) {
            origin.connection = Some(connection);
            origin.connected_at = connected_at;
            origin.heard_at = connected_at;
            origin.answered_ping_at = connected_at;
        }
        self.tell(SourceEvent::Kraken(KrakenEvent::Connected));
        let is_online = !self.kraken.is_halted;
        self.send_frame(Frame::System { is_online });
        self.subscribe(&[0, 1, 2]);
        self.after(PING_EVERY_MS, Event::PingDue { run, connection });
    }

    pub(crate) fn on_ping_due(&mut self, run: u64, connection: u64) {
        let origin = self.with_origin(run);
        if origin.is_none_or(|origin| origin.connection != Some(connection)) {
            return;
        }
        let (sent_at, latency_ms) = (self.now, self.between(1, UPSTREAM_LATENCY_MAX_MS));
        self.after(latency_ms, Event::Ping { connection, sent_at });
        self.after(PING_EVERY_MS, Event::PingDue { run, connection });
    }

    fn reconnect_later(&mut self, run: u64) {
        let jitter = self.rng.random();
        let now = self.now;
        let Some(origin) = self.with_origin(run) else { return };
        origin.connection = None;
        if now - origin.connected_at >= HEALTHY_MS {
            origin.attempt = 0;
            origin.connected_at = now;
        }
        let delay_ms = backoff_delay_ms(origin.attempt, jitter);
        origin.attempt += 1;
        self.after(delay_ms, Event::Connect { run });
    }

    fn close_connection(&mut self, run: u64) {
        if self.with_origin(run).is_none_or(|origin| origin.connection.is_none()) {
            return;
        }
        self.kraken.connection = None;
        self.tell(SourceEvent::Kraken(KrakenEvent::Disconnected(SourceReason::Silent)));
        self.reconnect_later(run);
    }

    pub(crate) fn on_frame(&mut self, connection: u64, frame: Frame) {
        let (now, dates_frames) = (self.now, self.setting.dates_frames);
        let Some(origin) = self.origin.as_mut().filter(|o| o.connection == Some(connection)) else {
            return;
        };
        let run = origin.run;
        if matches!(frame, Frame::Tick { .. } | Frame::Heartbeat) {
            origin.heard_at = now;
            if !dates_frames {
                let event = SourceEvent::Kraken(KrakenEvent::Pong { sent_at: stamp(now) });
                origin.aggregator.handle(stamp(now), &event);
            }
        }
        let event = match frame {
            Frame::System { is_online: true } => KrakenEvent::System(SystemStatus::Online),
            Frame::System { is_online: false } => {
                KrakenEvent::System(SystemStatus::NotTrading(SourceReason::Maintenance))
            }
            Frame::Heartbeat => KrakenEvent::Heartbeat,
            Frame::Pong { sent_at } => {
                origin.answered_ping_at = sent_at;
                KrakenEvent::Pong { sent_at: stamp(sent_at) }
            }
            Frame::Refused(index) => KrakenEvent::TickRefused {
                symbol: symbol(index),
                reason: RejectReason::PriceMissing,
            },
            Frame::Garbage => {
                self.tell(SourceEvent::Kraken(KrakenEvent::Undecodable));
                return self.subscribe(&[0, 1, 2]);
            }
            Frame::Closed => return self.close_connection(run),
            Frame::Tick { index, price, is_snapshot } => {
                origin.has_ticked[index] = true;
                let price = text(price);
                let raw = raw(Source::Kraken, index, &price, None);
                match raw.normalise(stamp(now)) {
                    Ok(quote) => KrakenEvent::Tick { quote, is_snapshot },
                    Err(reason) => KrakenEvent::TickRefused { symbol: symbol(index), reason },
                }
            }
        };
        self.tell(SourceEvent::Kraken(event));
    }

    // ── Coinbase ───────────────────────────────────────────────────────────────────────────

    pub(crate) fn on_poll(&mut self, run: u64) {
        let now = stamp(self.now);
        let Some(origin) = self.with_origin(run) else { return };
        let any_live = origin.aggregator.any_source_live(now);
        if !origin.breaker.allows(now, any_live) {
            return self.after(250, Event::Poll { run });
        }
        let sent_at = self.now;
        let (latency_ms, answer) = if self.coinbase.hangs {
            (POLL_TIMEOUT_MS, None)
        } else if self.coinbase.errors {
            (self.between(20, 200), None)
        } else {
            (self.between(20, 300), Some(self.coinbase.answer()))
        };
        self.after(latency_ms, Event::Polled { run, sent_at, answer });
    }

    pub(crate) fn on_polled(&mut self, run: u64, sent_at: u64, answer: Option<Answer>) {
        let now = self.now;
        let Some(origin) = self.with_origin(run) else { return };
        let was_tripped = origin.breaker.is_tripped();
        match &answer {
            Some(_) => origin.breaker.on_success(),
            None => origin.breaker.on_failure(stamp(now)),
        }
        let is_tripped = origin.breaker.is_tripped();
        if is_tripped != was_tripped {
            self.tell(SourceEvent::Coinbase(CoinbaseEvent::BreakerOpen(is_tripped)));
        }
        if answer.is_some() {
            self.checks.note_coinbase_answered(now);
        }
        self.tell(SourceEvent::Coinbase(match answer {
            None => CoinbaseEvent::Failed(SourceReason::Failing),
            Some(answer) => CoinbaseEvent::Answered {
                sent_at: stamp(sent_at),
                products: products(&answer, now),
            },
        }));
        self.after((sent_at + 1_000).saturating_sub(now), Event::Poll { run });
    }

    // ── Conclusions ────────────────────────────────────────────────────────────────────────

    pub(crate) fn on_assess(&mut self, run: u64) {
        let now = self.now;
        let Some(origin) = self.with_origin(run) else { return };
        let assessment = origin.aggregator.assess(stamp(now));
        if let Some((snapshot, _)) = origin.publisher.publish(stamp(now), &origin.aggregator) {
            origin.latest = Some(snapshot);
        }
        let is_silent = now - origin.heard_at >= SILENCE_RECONNECT_MS
            || now - origin.answered_ping_at >= LAG_RECONNECT_MS;
        for action in assessment.actions {
            match action {
                Action::ReconnectKraken => self.close_connection(run),
                Action::ResubscribeKraken(symbols) => {
                    let indices: Vec<_> =
                        (0..SYMBOLS.len()).filter(|&i| symbols.contains(&symbol(i))).collect();
                    self.subscribe(&indices);
                }
            }
        }
        if is_silent {
            self.close_connection(run);
        }
        self.after(ASSESS_EVERY_MS, Event::Assess { run });
    }

    pub(crate) fn on_save(&mut self, run: u64) {
        if let Some(origin) = self.with_origin(run) {
            let latest = origin.latest.clone();
            self.saved = latest.or(self.saved.take());
            self.after(10_000, Event::Save { run });
        }
    }
}

fn raw<'a>(source: Source, index: usize, price: &'a str, volume: Option<&'a str>) -> RawQuote<'a> {
    RawQuote {
        source,
        symbol: symbol(index),
        price: Some(price),
        change_24h: Some("0.10"),
        volume_24h: volume,
        event_time: None,
        trading: Trading::Open,
    }
}

fn products(
    answer: &Answer,
    now: u64,
) -> Vec<Result<pricecast_core::Quote, (Symbol, RejectReason)>> {
    let quote = |(index, &(price, volume)): (usize, &(i64, u64))| {
        let (price, volume) = (text(price), volume.to_string());
        raw(Source::Coinbase, index, &price, Some(&volume))
            .normalise(stamp(now))
            .map_err(|reason| (symbol(index), reason))
    };
    answer.iter().enumerate().map(quote).collect()
}
