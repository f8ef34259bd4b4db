//! What an origin that ingests does, with the real aggregator, publisher, breaker, backoff and budget.

use pricecast_core::{
    ASSESS_EVERY_MS, Action, Aggregator, Breaker, CoinbaseEvent, ConnectionBudget, FeedConfig,
    KrakenEvent, Publisher, RawQuote, RejectReason, Source, SourceEvent, SourceReason, Symbol,
    SystemStatus, Trading, UnixMillis, backoff_delay_ms,
};
use rand::RngExt;

use super::venue::{Answer, Frame, text};
use super::{Event, Mutation, SYMBOLS, UPSTREAM_LATENCY_MAX_MS, World};

const SILENCE_RECONNECT_MS: u64 = 5_000;
const PING_EVERY_MS: u64 = 500;
const LAG_RECONNECT_MS: u64 = 10_000;
const POLL_TIMEOUT_MS: u64 = 900;
const HEALTHY_MS: u64 = 60_000;

/// One instance's client of both exchanges, and what it concludes.
pub(crate) struct Ingestion {
    pub(crate) run: u64,
    aggregator: Aggregator,
    pub(crate) publisher: Publisher,
    pub(crate) connection: Option<u64>,
    connected_at: u64,
    heard_at: u64,
    /// When the newest ping that was answered on this connection left.
    answered_ping_at: u64,
    attempt: u32,
    budget: ConnectionBudget,
    breaker: Breaker,
    /// What Kraken says of itself on this connection: what it ticks otherwise does not count.
    is_online: bool,
    /// Which symbols Kraken has ticked in this run.
    pub(crate) has_ticked: Vec<bool>,
}

pub(crate) fn symbol(index: usize) -> Symbol {
    Symbol::parse(SYMBOLS[index].0).unwrap()
}

impl World {
    /// Begins to ingest, with the last known prices.
    pub(crate) fn start_ingestion(&mut self, instance: usize, epoch: u64) {
        let run = self.next_number();
        self.checks.note_ingestion(self.now);
        let mut aggregator = Aggregator::new(FeedConfig {
            symbols: (0..SYMBOLS.len()).map(symbol).collect(),
            coinbase_interval_ms: 1_000,
            poll_after_ms: 2_500,
        });
        if let Some(held) = &self.instances[instance].latest {
            aggregator.restore(&held.prices);
        }
        self.instances[instance].ingestion = Some(Ingestion {
            run,
            aggregator,
            publisher: Publisher::new(epoch),
            connection: None,
            connected_at: 0,
            heard_at: 0,
            answered_ping_at: 0,
            attempt: 0,
            budget: ConnectionBudget::new(60, 600_000),
            breaker: Breaker::default(),
            is_online: false,
            has_ticked: vec![false; SYMBOLS.len()],
        });
        self.after(10, Event::Connect { run });
        self.after(20, Event::Poll { run });
        self.after(ASSESS_EVERY_MS, Event::Assess { run });
    }

    pub(crate) fn stop_ingestion(&mut self, instance: usize) {
        let ingestion = self.instances[instance].ingestion.take();
        if let Some(connection) = ingestion.and_then(|ingestion| ingestion.connection) {
            self.kraken.links.remove(&connection);
        }
    }

    pub(crate) fn ingestions(&self) -> impl Iterator<Item = &Ingestion> {
        self.instances.iter().filter_map(|instance| instance.ingestion.as_ref())
    }

    /// The instance whose ingestion it is, while it lasts.
    pub(crate) fn whose_run(&self, run: u64) -> Option<usize> {
        let is_it = |ingestion: &Ingestion| ingestion.run == run;
        self.instances.iter().position(|i| i.ingestion.as_ref().is_some_and(is_it))
    }

    /// The instance whose connection it is, while it lasts.
    pub(crate) fn whose_connection(&self, connection: u64) -> Option<usize> {
        let is_it = |ingestion: &Ingestion| ingestion.connection == Some(connection);
        self.instances.iter().position(|i| i.ingestion.as_ref().is_some_and(is_it))
    }

    fn with_ingestion(&mut self, run: u64) -> Option<(UnixMillis, &mut Ingestion)> {
        let index = self.whose_run(run)?;
        let now = self.instances[index].clock(self.now);
        self.instances[index].ingestion.as_mut().map(|ingestion| (now, ingestion))
    }

    fn tell(&mut self, run: u64, event: SourceEvent) {
        if let Some((now, ingestion)) = self.with_ingestion(run) {
            ingestion.aggregator.handle(now, &event);
        }
    }

    // ── Kraken ─────────────────────────────────────────────────────────────────────────────

    pub(crate) fn on_connect(&mut self, run: u64) {
        let Some((now, ingestion)) = self.with_ingestion(run) else { return };
        let wait_ms = ingestion.budget.wait_ms(now);
        if wait_ms > 0 {
            return self.after(wait_ms, Event::Connect { run });
        }
        ingestion.budget.note_attempt(now);
        self.checks.connected_at.push(self.now);
        if self.kraken.refuses {
            let reason = SourceReason::Disconnected;
            self.tell(run, SourceEvent::Kraken(KrakenEvent::Disconnected(reason)));
            return self.reconnect_later(run);
        }
        let connection = self.next_number();
        let connected_at = self.now;
        if let Some((_, ingestion)) = self.with_ingestion(run) {
            ingestion.connection = Some(connection);
            ingestion.connected_at = connected_at;
            ingestion.heard_at = connected_at;
            ingestion.answered_ping_at = connected_at;
            ingestion.is_online = false;
        }
        self.tell(run, SourceEvent::Kraken(KrakenEvent::Connected));
        self.open_connection(connection);
        self.after(PING_EVERY_MS, Event::PingDue { run, connection });
    }

    pub(crate) fn on_ping_due(&mut self, run: u64, connection: u64) {
        if self.whose_run(run).is_none() || self.whose_connection(connection).is_none() {
            return;
        }
        let (sent_at, latency_ms) = (self.now, self.between(1, UPSTREAM_LATENCY_MAX_MS));
        self.after(latency_ms, Event::Ping { connection, sent_at });
        self.after(PING_EVERY_MS, Event::PingDue { run, connection });
    }

    fn reconnect_later(&mut self, run: u64) {
        let jitter = self.rng.random();
        let now = self.now;
        let Some((_, ingestion)) = self.with_ingestion(run) else { return };
        ingestion.connection = None;
        if now - ingestion.connected_at >= HEALTHY_MS {
            ingestion.attempt = 0;
            ingestion.connected_at = now;
        }
        let delay_ms = backoff_delay_ms(ingestion.attempt, jitter);
        ingestion.attempt += 1;
        self.after(delay_ms, Event::Connect { run });
    }

    fn close_connection(&mut self, run: u64) {
        let Some((_, ingestion)) = self.with_ingestion(run) else { return };
        let Some(connection) = ingestion.connection else { return };
        self.kraken.links.remove(&connection);
        self.tell(run, SourceEvent::Kraken(KrakenEvent::Disconnected(SourceReason::Silent)));
        self.reconnect_later(run);
    }

    pub(crate) fn on_frame(&mut self, connection: u64, frame: Frame) {
        let (now, dates_frames) = (self.now, self.setting.dates_frames);
        let Some(index) = self.whose_connection(connection) else { return };
        let instance = &mut self.instances[index];
        let clock = instance.clock(now);
        let Some(ingestion) = &mut instance.ingestion else { return };
        let run = ingestion.run;
        if matches!(frame, Frame::Tick { .. } | Frame::Heartbeat) {
            ingestion.heard_at = now;
            if !dates_frames {
                let event = SourceEvent::Kraken(KrakenEvent::Pong { sent_at: clock });
                ingestion.aggregator.handle(clock, &event);
            }
        }
        if let Frame::System { is_online } = frame {
            ingestion.is_online = is_online;
        }
        let event = match frame {
            Frame::System { is_online: true } => KrakenEvent::System(SystemStatus::Online),
            Frame::System { is_online: false } => {
                KrakenEvent::System(SystemStatus::NotTrading(SourceReason::Maintenance))
            }
            Frame::Heartbeat => KrakenEvent::Heartbeat,
            Frame::Pong { sent_at } => {
                ingestion.answered_ping_at = sent_at;
                KrakenEvent::Pong { sent_at: clock.minus_ms(now - sent_at) }
            }
            Frame::Refused(index) => KrakenEvent::TickRefused {
                symbol: symbol(index),
                reason: RejectReason::PriceMissing,
            },
            Frame::Garbage => {
                self.tell(run, SourceEvent::Kraken(KrakenEvent::Undecodable));
                return self.subscribe(connection, &[0, 1, 2]);
            }
            Frame::Closed => return self.close_connection(run),
            Frame::Tick { index, price, is_snapshot } => {
                if ingestion.is_online && !ingestion.has_ticked[index] {
                    ingestion.has_ticked[index] = true;
                    self.checks.note_first_tick(now, index);
                }
                let price = text(price);
                let raw = raw(Source::Kraken, index, &price, None);
                match raw.normalise(clock) {
                    Ok(quote) => KrakenEvent::Tick { quote, is_snapshot },
                    Err(reason) => KrakenEvent::TickRefused { symbol: symbol(index), reason },
                }
            }
        };
        self.tell(run, SourceEvent::Kraken(event));
    }

    // ── Coinbase ───────────────────────────────────────────────────────────────────────────

    pub(crate) fn on_poll(&mut self, run: u64) {
        let Some((now, ingestion)) = self.with_ingestion(run) else { return };
        let any_live = ingestion.aggregator.any_source_live(now);
        if !ingestion.breaker.allows(now, any_live) {
            return self.after(250, Event::Poll { run });
        }
        self.checks.polls += 1;
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
        let Some((clock, ingestion)) = self.with_ingestion(run) else { return };
        let was_tripped = ingestion.breaker.is_tripped();
        match &answer {
            Some(_) => ingestion.breaker.on_success(),
            None => ingestion.breaker.on_failure(clock),
        }
        let is_tripped = ingestion.breaker.is_tripped();
        if is_tripped != was_tripped {
            self.tell(run, SourceEvent::Coinbase(CoinbaseEvent::BreakerOpen(is_tripped)));
        }
        if answer.is_some() {
            self.checks.note_coinbase_answered(now);
        }
        let event = match answer {
            None => CoinbaseEvent::Failed(SourceReason::Failing),
            Some(answer) => CoinbaseEvent::Answered {
                sent_at: clock.minus_ms(now - sent_at),
                products: products(&answer, clock),
            },
        };
        self.tell(run, SourceEvent::Coinbase(event));
        self.after((sent_at + 1_000).saturating_sub(now), Event::Poll { run });
    }

    // ── Conclusions ────────────────────────────────────────────────────────────────────────

    pub(crate) fn on_assess(&mut self, run: u64) {
        let now = self.now;
        let Some(index) = self.whose_run(run) else { return };
        let instance = &mut self.instances[index];
        let publishes_at_once = self.setting.mutation == Some(Mutation::PublishesAtOnce);
        let may_publish = publishes_at_once || instance.may_publish(now);
        let clock = instance.clock(now);
        let Some(ingestion) = &mut instance.ingestion else { return };
        let assessment = ingestion.aggregator.assess(clock);
        let published = may_publish
            .then(|| ingestion.publisher.publish(clock, &ingestion.aggregator))
            .flatten();
        let is_silent = now - ingestion.heard_at >= SILENCE_RECONNECT_MS
            || now - ingestion.answered_ping_at >= LAG_RECONNECT_MS;
        let connection = ingestion.connection;
        for action in assessment.actions {
            match action {
                Action::ReconnectKraken => self.close_connection(run),
                Action::ResubscribeKraken(symbols) => {
                    let indices: Vec<_> =
                        (0..SYMBOLS.len()).filter(|&i| symbols.contains(&symbol(i))).collect();
                    if let Some(connection) = connection {
                        self.subscribe(connection, &indices);
                    }
                }
            }
        }
        if is_silent {
            self.close_connection(run);
        }
        self.after(ASSESS_EVERY_MS, Event::Assess { run });
        if let Some((snapshot, _)) = published {
            self.published(index, snapshot);
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
    now: UnixMillis,
) -> Vec<Result<pricecast_core::Quote, (Symbol, RejectReason)>> {
    let quote = |(index, &(price, volume)): (usize, &(i64, u64))| {
        let (price, volume) = (text(price), volume.to_string());
        raw(Source::Coinbase, index, &price, Some(&volume))
            .normalise(now)
            .map_err(|reason| (symbol(index), reason))
    };
    answer.iter().enumerate().map(quote).collect()
}
