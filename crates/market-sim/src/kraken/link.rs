//! One upgraded Kraken socket, until either side ends it.

use super::messages::{self, HEARTBEAT, Times, Trigger};
use super::noise;
use super::session::{Reply, Session, View};
use crate::fault::{Fault, FaultBoard, said};
use crate::gate::{Gate, Valve};
use crate::market::{Quote, Tick, TickKind, Venue};
use crate::rng::fnv1a;
use crate::sim::Sim;
use futures_util::{SinkExt, StreamExt};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

const VENUE: Venue = Venue::Kraken;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A client that does not read for so long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests kept while the venue is silent.
const KEEP_REQUESTS: usize = 64;
/// Frames kept while the venue is slow; the oldest are dropped beyond it.
const KEEP_FRAMES: usize = 50_000;

/// One socket.
pub(super) struct Link<'a> {
    sim: &'a Sim,
    ws: WebSocketStream<Gate>,
    session: Session,
    board: Arc<FaultBoard>,
    /// Resets and half-opens there were before this socket.
    resets_before: u64,
    half_opens_before: u64,
    connection_id: u64,
    /// The `system` value last sent; none before the first status.
    system: Option<&'static str>,
    /// Requests that came in while the venue was silent, with the time of each.
    waiting: VecDeque<(i64, String)>,
    /// Frames that leave late.
    delayed: VecDeque<(Instant, Message)>,
    last_channel_frame: Instant,
    last_request: Instant,
    /// When a flapping venue drops this socket.
    drop_at: Option<Instant>,
    /// The `huge-body` fault this socket has had its frame of.
    huge_sent: Option<u64>,
    /// Counts ticker frames, for the faults that take turns.
    turn: usize,
    /// The last ticker frame of each listing, for the fault that says it again.
    told: BTreeMap<usize, Message>,
}

enum Event {
    Faults,
    Tick(Tick),
    Incoming(Message),
    Timer,
    Gone,
}

#[derive(PartialEq, Eq)]
enum Flow {
    On,
    End,
}

impl<'a> Link<'a> {
    /// A socket accepted while `board` was in force.
    pub(super) fn new(sim: &'a Sim, ws: WebSocketStream<Gate>, board: &Arc<FaultBoard>) -> Self {
        let now_us = sim.clock.now_us();
        // Real ids are u64 and often above i64::MAX: always set the top bit.
        let connection_id = fnv1a(sim.options.seed, &now_us.to_le_bytes()) | (1 << 63);
        Self {
            sim,
            ws,
            session: Session::default(),
            resets_before: board.resets(VENUE),
            half_opens_before: board.half_opens(VENUE),
            board: Arc::clone(board),
            connection_id,
            system: None,
            waiting: VecDeque::new(),
            delayed: VecDeque::new(),
            last_channel_frame: Instant::now(),
            last_request: Instant::now(),
            drop_at: None,
            huge_sent: None,
            turn: 0,
            told: BTreeMap::new(),
        }
    }

    /// Serves the socket to its end.
    pub(super) async fn run(mut self) -> Result<(), WsError> {
        let mut faults = self.sim.faults();
        let mut ticks = self.sim.ticks();
        faults.mark_changed();
        loop {
            let wake = self.next_wake();
            let event = tokio::select! {
                _ = faults.changed() => Event::Faults,
                tick = ticks.recv() => match tick {
                    Ok(tick) => Event::Tick(tick),
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => Event::Gone,
                },
                message = self.ws.next() => match message {
                    Some(message) => Event::Incoming(message?),
                    None => Event::Gone,
                },
                () = sleep_until(wake) => Event::Timer,
            };
            // A tick made by a fault must not be told as it was before the fault.
            self.board = Arc::clone(&faults.borrow());
            let flow = match event {
                Event::Gone => Flow::End,
                Event::Faults => self.on_faults().await?,
                Event::Tick(tick) => self.on_tick(&tick).await?,
                Event::Incoming(message) => self.on_message(message).await?,
                Event::Timer => self.on_timer().await?,
            };
            if flow == Flow::End {
                return Ok(());
            }
        }
    }

    /// When something is to be done without being asked.
    fn next_wake(&self) -> Instant {
        let idle = if self.session.is_established() {
            self.last_channel_frame + HEARTBEAT_EVERY
        } else {
            self.last_request + self.sim.options.idle_close
        };
        let delayed = self.delayed.front().map(|(due, _)| *due);
        [self.drop_at, delayed].into_iter().flatten().fold(idle, Instant::min)
    }

    fn is_dead(&self) -> bool {
        self.board.half_opens(VENUE) > self.half_opens_before
    }

    fn is_mute(&self) -> bool {
        self.is_dead() || self.board.has(VENUE, Fault::Silence)
    }

    async fn on_faults(&mut self) -> Result<Flow, WsError> {
        if self.board.resets(VENUE) > self.resets_before {
            self.ws.get_ref().reset_on_close()?;
            return Ok(Flow::End);
        }
        let flap = self.board.find(VENUE, Fault::Flap);
        self.drop_at = flap.map(|fault| {
            let life = Duration::from_millis(fault.spec.ms.unwrap_or(200));
            self.drop_at.unwrap_or_else(|| Instant::now() + life)
        });
        let valve = match (self.is_dead(), self.is_mute()) {
            (true, _) => Valve::Draining,
            (false, true) => Valve::Holding,
            (false, false) => Valve::Open,
        };
        self.ws.get_mut().set(valve);
        if valve == Valve::Open {
            self.speak_up().await?;
        }
        Ok(Flow::On)
    }

    /// Says what is due on a new socket, after a silence, and when the engine's state changes.
    async fn speak_up(&mut self) -> Result<(), WsError> {
        let system = self.system_now();
        if self.system != Some(system) {
            self.system = Some(system);
            self.send(messages::status(system, self.connection_id)).await?;
        }
        if let Some(fault) = self.board.find(VENUE, Fault::HugeBody) {
            let (id, bytes) = (fault.id, fault.spec.bytes.unwrap_or(10 * 1024 * 1024));
            if self.huge_sent != Some(id) {
                self.huge_sent = Some(id);
                self.send(noise::huge_frame(bytes)).await?;
            }
        }
        while let Some((received_us, text)) = self.waiting.pop_front() {
            self.answer(received_us, &text).await?;
        }
        self.ws.flush().await
    }

    fn system_now(&self) -> &'static str {
        [
            (Fault::Maintenance, "maintenance"),
            (Fault::CancelOnly, "cancel_only"),
            (Fault::PostOnly, "post_only"),
            (Fault::UnknownSystem, "limit_only"),
        ]
        .into_iter()
        .find(|(fault, _)| self.board.has(VENUE, *fault))
        .map_or("online", |(_, system)| system)
    }

    /// Whether updates of a symbol are told at all.
    fn is_told(&self, symbol: &str) -> bool {
        !self.is_mute()
            && self.system_now() == "online"
            && !self.board.has(VENUE, Fault::AckButNoData)
            && self.board.find_for(VENUE, Fault::FrozenSymbol, symbol).is_none()
            && self.board.find_for(VENUE, Fault::DelistSymbol, symbol).is_none()
    }

    async fn on_tick(&mut self, tick: &Tick) -> Result<Flow, WsError> {
        let Some(trigger) = self.session.trigger(tick.listing) else { return Ok(Flow::On) };
        let Some(listing) = self.sim.listings.get(tick.listing) else { return Ok(Flow::On) };
        let book_only = tick.kind == TickKind::Book && trigger == Trigger::Trades;
        if !book_only && self.is_told(&listing.symbol) {
            self.tell("update", tick.listing, &listing.symbol, &tick.quote).await?;
        }
        Ok(Flow::On)
    }

    async fn tell(
        &mut self,
        kind: &str,
        index: usize,
        symbol: &str,
        live: &Arc<Quote>,
    ) -> Result<(), WsError> {
        let quote = said(&self.board, VENUE, index, symbol, live);
        let message = noise::ticker(&self.board, kind, symbol, &quote, self.turn);
        self.turn = self.turn.wrapping_add(1);
        self.last_channel_frame = Instant::now();
        if self.board.has(VENUE, Fault::Novelties)
            && let Some(news) = noise::NEWS.get(self.turn % noise::NEWS.len())
        {
            self.send((*news).to_owned()).await?;
        }
        if self.board.has(VENUE, Fault::DuplicateFrames) {
            let before = self.told.insert(index, message.clone());
            for again in before.into_iter().chain([message.clone()]) {
                self.send_message(again).await?;
            }
        }
        self.send_message(message).await
    }

    async fn on_message(&mut self, message: Message) -> Result<Flow, WsError> {
        let Message::Text(text) = message else { return Ok(Flow::On) };
        let received_us = self.sim.clock.now_us();
        self.sim.counters.request(VENUE, received_us / 1000);
        self.last_request = Instant::now();
        if self.is_dead() {
            return Ok(Flow::On);
        }
        if self.is_mute() {
            if self.waiting.len() < KEEP_REQUESTS {
                self.waiting.push_back((received_us, text.to_string()));
            }
            return Ok(Flow::On);
        }
        self.answer(received_us, &text).await?;
        Ok(Flow::On)
    }

    async fn answer(&mut self, received_us: i64, text: &str) -> Result<(), WsError> {
        let skew_us = self.board.skew_us(VENUE);
        let sent_us = self.sim.clock.now_us();
        let view = View {
            listings: &self.sim.listings,
            unlisted: &self.sim.options.unlisted,
            faults: &self.board,
            times: Times {
                received_us: received_us.saturating_add(skew_us),
                sent_us: sent_us.saturating_add(skew_us),
            },
        };
        let before = self.session.counts();
        let replies = self.session.handle(text, &view);
        let after = self.session.counts();
        self.sim.counters.count(VENUE, |stats| {
            stats.subscribes += after.asked - before.asked;
            stats.subscribed += after.accepted - before.accepted;
        });
        let quotes = self.sim.quotes();
        for reply in replies {
            match reply {
                Reply::Answer(frame) => self.send(frame).await?,
                Reply::Snapshot(index) => {
                    let listing = self.sim.listings.get(index);
                    let quote = quotes.get(index).map(|pair| VENUE.of(pair));
                    if let (Some(listing), Some(quote)) = (listing, quote) {
                        self.tell("snapshot", index, &listing.symbol, quote).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn on_timer(&mut self) -> Result<Flow, WsError> {
        let now = Instant::now();
        if self.drop_at.is_some_and(|at| at <= now) {
            return Ok(Flow::End);
        }
        if self.is_mute() {
            // A silent venue closes nothing either; what it owes is looked at again later.
            (self.last_channel_frame, self.last_request) = (now, now);
            for (due, _) in &mut self.delayed {
                *due = (*due).max(now + HEARTBEAT_EVERY);
            }
            return Ok(Flow::On);
        }
        while self.delayed.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, message)) = self.delayed.pop_front() {
                self.write(message).await?;
            }
        }
        if !self.session.is_established() {
            let idle = self.last_request + self.sim.options.idle_close <= now;
            return Ok(if idle { Flow::End } else { Flow::On });
        }
        if self.last_channel_frame + HEARTBEAT_EVERY <= now {
            self.last_channel_frame = now;
            let quiet = self.board.find(VENUE, Fault::AckButNoData);
            if quiet.is_none_or(|fault| fault.spec.heartbeats == Some(true)) {
                self.send(HEARTBEAT.to_owned()).await?;
            }
        }
        Ok(Flow::On)
    }

    async fn send(&mut self, frame: String) -> Result<(), WsError> {
        self.send_message(Message::text(frame)).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), WsError> {
        let delay = self.board.delay(VENUE);
        if delay.is_zero() && self.delayed.is_empty() {
            return self.write(message).await;
        }
        if self.delayed.len() >= KEEP_FRAMES {
            self.delayed.pop_front();
        }
        self.delayed.push_back((Instant::now() + delay, message));
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Result<(), WsError> {
        self.sim.counters.count(VENUE, |stats| stats.sent += 1);
        match timeout(WRITE_TIMEOUT, self.ws.send(message)).await {
            Ok(sent) => sent,
            Err(_) => Err(WsError::ConnectionClosed),
        }
    }
}
