//! One Kraken socket: upgrade, then frames until either side ends it.

use super::messages::{self, HEARTBEAT, Times, Trigger};
use super::session::{Reply, Session, View};
use crate::fault::{Fault, FaultBoard};
use crate::gate::{Gate, Valve};
use crate::http::{Request, Response};
use crate::market::{Tick, TickKind, Venue};
use crate::rng::fnv1a;
use crate::sim::Sim;
use crate::stats::Counted;
use futures_util::{SinkExt, StreamExt};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A client that does not read for so long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests kept while the venue is silent.
const KEEP_REQUESTS: usize = 64;

/// Upgrades the connection and serves it to its end.
pub(crate) async fn serve(
    sim: &Sim,
    mut stream: TcpStream,
    early: Vec<u8>,
    request: &Request,
) -> io::Result<()> {
    sim.counters.attempt(Venue::Kraken, sim.clock.now_ms());
    let Some(key) = request.header("sec-websocket-key") else {
        let response = Response::new(400, "text/plain", "this is a WebSocket endpoint\n");
        stream.write_all(response.head(false).as_bytes()).await?;
        return stream.write_all(&response.body).await;
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(answer.as_bytes()).await?;
    let gate = Gate::new(stream);
    let ws = WebSocketStream::from_partially_read(gate, early, Role::Server, None).await;
    let _open = Counted::open(&sim.counters, Venue::Kraken);
    match Link::new(sim, ws).run().await {
        Ok(()) | Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => Ok(()),
        Err(WsError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// One upgraded socket.
struct Link<'a> {
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
    /// Requests that came in while the venue was silent.
    waiting: VecDeque<(i64, String)>,
    last_channel_frame: Instant,
    last_request: Instant,
}

enum Event {
    Faults,
    Tick(Tick),
    Incoming(Message),
    Timer,
    Gone,
}

enum Flow {
    On,
    End,
}

impl<'a> Link<'a> {
    fn new(sim: &'a Sim, ws: WebSocketStream<Gate>) -> Self {
        let board = Arc::clone(&sim.faults().borrow());
        let now_us = sim.clock.now_us();
        // Real ids are u64 and often above i64::MAX: always set the top bit.
        let connection_id = fnv1a(sim.options.seed, &now_us.to_le_bytes()) | (1 << 63);
        Self {
            sim,
            ws,
            session: Session::default(),
            resets_before: board.resets(Venue::Kraken),
            half_opens_before: board.half_opens(Venue::Kraken),
            board,
            connection_id,
            system: None,
            waiting: VecDeque::new(),
            last_channel_frame: Instant::now(),
            last_request: Instant::now(),
        }
    }

    async fn run(mut self) -> Result<(), WsError> {
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
            let flow = match event {
                Event::Gone => Flow::End,
                Event::Faults => {
                    self.board = Arc::clone(&faults.borrow_and_update());
                    self.on_faults().await?
                }
                Event::Tick(tick) => self.on_tick(&tick).await?,
                Event::Incoming(message) => self.on_message(message).await?,
                Event::Timer => self.on_timer().await?,
            };
            if matches!(flow, Flow::End) {
                return Ok(());
            }
        }
    }

    /// When something is to be done without being asked: a heartbeat, or closing an idle socket.
    fn next_wake(&self) -> Instant {
        if self.session.is_established() {
            self.last_channel_frame + HEARTBEAT_EVERY
        } else {
            self.last_request + self.sim.options.idle_close
        }
    }

    fn is_dead(&self) -> bool {
        self.board.half_opens(Venue::Kraken) > self.half_opens_before
    }

    fn is_mute(&self) -> bool {
        self.is_dead() || self.board.has(Venue::Kraken, Fault::Silence)
    }

    async fn on_faults(&mut self) -> Result<Flow, WsError> {
        if self.board.resets(Venue::Kraken) > self.resets_before {
            self.ws.get_ref().reset_on_close()?;
            return Ok(Flow::End);
        }
        let valve = match (self.is_dead(), self.is_mute()) {
            (true, _) => Valve::Draining,
            (false, true) => Valve::Holding,
            (false, false) => Valve::Open,
        };
        self.ws.get_mut().set(valve);
        if valve != Valve::Open {
            return Ok(Flow::On);
        }
        let system = "online";
        if self.system != Some(system) {
            self.system = Some(system);
            self.send(messages::status(system, self.connection_id)).await?;
        }
        while let Some((received_us, text)) = self.waiting.pop_front() {
            self.answer(received_us, &text).await?;
        }
        self.ws.flush().await?;
        Ok(Flow::On)
    }

    async fn on_tick(&mut self, tick: &Tick) -> Result<Flow, WsError> {
        let Some(trigger) = self.session.trigger(tick.listing) else { return Ok(Flow::On) };
        if self.is_mute() || (tick.kind == TickKind::Book && trigger == Trigger::Trades) {
            return Ok(Flow::On);
        }
        let Some(listing) = self.sim.listings.get(tick.listing) else { return Ok(Flow::On) };
        let frame = messages::ticker("update", &pair(&listing.symbol), &tick.quote);
        self.send_channel(frame).await?;
        Ok(Flow::On)
    }

    async fn on_message(&mut self, message: Message) -> Result<Flow, WsError> {
        let Message::Text(text) = message else { return Ok(Flow::On) };
        let received_us = self.sim.clock.now_us();
        self.sim.counters.request(Venue::Kraken, received_us / 1000);
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
        let quotes = self.sim.quotes();
        let view = View {
            listings: &self.sim.listings,
            unlisted: &self.sim.options.unlisted,
            quotes: &quotes,
            faults: &self.board,
            times: Times { received_us, sent_us: self.sim.clock.now_us() },
        };
        for reply in self.session.handle(text, &view) {
            match reply {
                Reply::Answer(frame) => self.send(frame).await?,
                Reply::Snapshot(index) => {
                    let listing = self.sim.listings.get(index);
                    let quote = quotes.get(index).map(|quotes| Venue::Kraken.of(quotes));
                    if let (Some(listing), Some(quote)) = (listing, quote) {
                        let pair = pair(&listing.symbol);
                        self.send_channel(messages::ticker("snapshot", &pair, quote)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn on_timer(&mut self) -> Result<Flow, WsError> {
        if self.is_mute() {
            // Looked at again later; a silent venue closes nothing either.
            self.last_channel_frame = Instant::now();
            self.last_request = Instant::now();
            return Ok(Flow::On);
        }
        if !self.session.is_established() {
            return Ok(Flow::End);
        }
        self.send_channel(HEARTBEAT.to_owned()).await?;
        Ok(Flow::On)
    }

    async fn send_channel(&mut self, frame: String) -> Result<(), WsError> {
        self.last_channel_frame = Instant::now();
        self.send(frame).await
    }

    async fn send(&mut self, frame: String) -> Result<(), WsError> {
        self.sim.counters.count(Venue::Kraken, |stats| stats.sent += 1);
        match timeout(WRITE_TIMEOUT, self.ws.send(Message::text(frame))).await {
            Ok(sent) => sent,
            Err(_) => Err(WsError::ConnectionClosed),
        }
    }
}

fn pair(symbol: &str) -> String {
    format!("{symbol}/USD")
}
