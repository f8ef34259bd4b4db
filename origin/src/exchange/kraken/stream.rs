//! The socket loop of Kraken: connects, carries frames to the session and back, and connects
//! again. It decides nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pricecast_core::{Action, KrakenEvent, SourceEvent, SourceReason, Symbol, UnixMillis};
use rand::RngExt;
use rand::rngs::StdRng;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tracing::{debug, info, warn};

use super::dial::{Dial, Tcp};
use super::reconnect::{Ended, Gone, Reconnect};
use super::session::{FIRST_ACK_MS, FrameKind, Session};
use crate::clock::Clock;
use crate::exchange::{Received, Sender};
use crate::metrics::Metrics;
use crate::record::{Recorder, What};
use crate::retry_after;

/// Largest message read. A snapshot of 500 symbols takes about 150 kB; the library's own limit
/// is 64 MiB.
const MESSAGE_LEN_MAX: usize = 256 * 1_024;
/// How much of a frame we did not understand goes into the log.
const LOGGED_CHARS_MAX: usize = 160;

type Socket<D> = WebSocketStream<MaybeTlsStream<<D as Dial>::Stream>>;

/// Everything the loop needs.
pub struct KrakenStream<D = Tcp> {
    /// `wss://ws.kraken.com/v2`, or a simulator's.
    pub url: String,
    /// In the order of the configuration.
    pub symbols: Vec<Symbol>,
    /// The process clock.
    pub clock: Clock,
    /// Where events go.
    pub events: Sender,
    /// What the aggregator wants done.
    pub actions: mpsc::Receiver<Action>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// For `wss`.
    pub tls: Arc<ClientConfig>,
    /// When to connect; shared with whoever comes after, so that the exchange's limits hold over
    /// all of them.
    pub reconnect: Arc<Mutex<Reconnect>>,
    /// Opens the connections.
    pub dial: D,
    /// For the jitter of the pauses between connections.
    pub rng: StdRng,
    /// Takes down every frame.
    pub recorder: Recorder,
}

/// Nobody takes our events any more: the process is going down.
struct IngestGone;

/// How a connection, or the attempt to make one, ended, for its readers.
struct Outcome {
    ended: Ended,
    /// For the aggregator.
    reason: SourceReason,
    /// For log and metrics.
    label: &'static str,
    /// Why it could not be made, for the log.
    connect_error: Option<String>,
}

impl<D: Dial> KrakenStream<D> {
    /// Runs until ingestion has ended.
    pub async fn run(&mut self) {
        loop {
            let may_at = self.reconnect().may_attempt_at(self.clock.now());
            sleep(self.clock.until(may_at)).await;
            // What was wanted of an earlier connection is void.
            while self.actions.try_recv().is_ok() {}
            let began_at = self.clock.now();
            self.reconnect().note_attempt(began_at);
            let Ok(outcome) = self.connection(began_at).await else { return };
            let now = self.clock.now();
            let jitter = self.rng.random();
            let (delay_ms, attempt) = {
                let mut reconnect = self.reconnect();
                let next_at = reconnect.next_attempt_at(now, outcome.ended, jitter);
                (next_at.ms_since(now), reconnect.attempt())
            };
            let reason = outcome.label;
            self.metrics.kraken_reconnect(reason);
            match &outcome.connect_error {
                Some(error) => warn!(
                    source = "kraken",
                    reason,
                    attempt,
                    delay_ms,
                    error,
                    "connect to Kraken at {}: {error}; next attempt in {delay_ms} ms",
                    self.url
                ),
                None => info!(
                    source = "kraken",
                    reason,
                    attempt,
                    delay_ms,
                    "kraken: connection ended ({reason}); next attempt in {delay_ms} ms"
                ),
            }
            let gone = KrakenEvent::Disconnected(outcome.reason);
            if self.emit(now, gone).await.is_err() {
                return;
            }
        }
    }

    fn reconnect(&self) -> MutexGuard<'_, Reconnect> {
        self.reconnect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One connection from the first packet to its end.
    async fn connection(&mut self, began_at: UnixMillis) -> Result<Outcome, IngestGone> {
        let connecting = timeout(Duration::from_millis(FIRST_ACK_MS), self.connect());
        match connecting.await {
            Ok(Ok(socket)) => self.converse(socket, began_at).await,
            Ok(Err(error)) => Ok(self.refused(&error)),
            Err(_) => {
                Ok(failed(Gone::ConnectTimeout, format!("no answer within {FIRST_ACK_MS} ms")))
            }
        }
    }

    async fn connect(&self) -> Result<Socket<D>, tungstenite::Error> {
        let mut request = self.url.as_str().into_client_request()?;
        let user_agent = http::HeaderValue::from_static(crate::USER_AGENT);
        request.headers_mut().insert(http::header::USER_AGENT, user_agent);
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LEN_MAX))
            .max_frame_size(Some(MESSAGE_LEN_MAX));
        let connector = Some(Connector::Rustls(Arc::clone(&self.tls)));
        let stream = self.dial.dial(&address(request.uri())).await?;
        let (socket, _) =
            client_async_tls_with_config(request, stream, Some(limits), connector).await?;
        Ok(socket)
    }

    fn refused(&self, error: &tungstenite::Error) -> Outcome {
        let told = error.to_string();
        let tungstenite::Error::Http(response) = error else {
            return failed(Gone::ConnectFailed, told);
        };
        match response.status().as_u16() {
            403 | 429 => {
                let header = response.headers().get(http::header::RETRY_AFTER);
                let retry_after_ms = retry_after::wait_ms(header, self.clock.now());
                Outcome {
                    ended: Ended::Banned { retry_after_ms },
                    reason: SourceReason::RateLimited,
                    label: Gone::Banned.as_str(),
                    connect_error: Some(told),
                }
            }
            _ => failed(Gone::UpgradeRefused, told),
        }
    }

    /// Carries frames until the connection ends or the session gives it up.
    async fn converse(
        &mut self,
        socket: Socket<D>,
        began_at: UnixMillis,
    ) -> Result<Outcome, IngestGone> {
        let (mut sink, mut messages) = socket.split();
        let mut is_sending = false;
        let mut session = Session::new(&self.symbols, began_at, self.clock.now());
        let mut oddities = Oddities::default();
        let (reason, label) = loop {
            self.forward(&mut session).await?;
            if let Some(close) = session.poll_close() {
                break (close.as_source_reason(), close.as_str());
            }
            if !is_sending && let Some(text) = session.poll_outgoing() {
                // An error comes out of the flush.
                let _ = sink.start_send_unpin(Message::text(text));
                is_sending = true;
            }
            let pause = self.clock.until(session.poll_timeout());
            tokio::select! {
                // A socket that takes nothing must not keep us from reading.
                sent = sink.flush(), if is_sending => {
                    if sent.is_err() {
                        break (SourceReason::Disconnected, Gone::SendFailed.as_str());
                    }
                    is_sending = false;
                }
                message = messages.next() => {
                    if let Some(label) = self.take(&mut session, &mut oddities, message) {
                        break (SourceReason::Disconnected, label);
                    }
                }
                action = self.actions.recv() => match action.ok_or(IngestGone)? {
                    Action::ResubscribeKraken(symbols) => {
                        session.resubscribe(self.clock.now(), &symbols);
                    }
                    Action::ReconnectKraken => break (SourceReason::Frozen, Gone::Frozen.as_str()),
                },
                () = sleep(pause) => session.handle_timeout(self.clock.now()),
            }
        };
        // The exchange may not answer; the closing frame is a courtesy.
        let _ = timeout(Duration::from_millis(100), sink.send(Message::Close(None))).await;
        self.forward(&mut session).await?;
        let answered_at = session.answered_at();
        let ended = Ended::Lost { answered_at, was_trading: session.is_trading() };
        Ok(Outcome { ended, reason, label, connect_error: None })
    }

    /// Hands one message to the session; a label if the connection is over.
    fn take(
        &self,
        session: &mut Session,
        oddities: &mut Oddities,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Option<&'static str> {
        let now = self.clock.now();
        match message {
            Some(Ok(Message::Text(text))) => {
                self.take_text(session, oddities, now, text.as_str());
            }
            Some(Ok(Message::Binary(bytes))) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.take_text(session, oddities, now, text),
                Err(_) => {
                    session.handle_undecodable(now);
                    self.metrics.kraken_frame(FrameKind::Undecodable);
                }
            },
            // The library answers pings by itself; neither is a sign of life of the data.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Some(Gone::Closed.as_str()),
            Some(Err(error)) => {
                debug!(source = "kraken", error = %error, "read from Kraken: {error}");
                return Some(if matches!(error, tungstenite::Error::Capacity(_)) {
                    Gone::MessageTooLong.as_str()
                } else {
                    Gone::ReadFailed.as_str()
                });
            }
        }
        None
    }

    fn take_text(
        &self,
        session: &mut Session,
        oddities: &mut Oddities,
        now: UnixMillis,
        text: &str,
    ) {
        self.recorder.note(now, || What::Frame(text.into()));
        let kind = session.handle_frame(now, text);
        self.metrics.kraken_frame(kind);
        if oddities.is_worth_telling(kind) {
            let begins: String = text.chars().take(LOGGED_CHARS_MAX).collect();
            let kind = kind.as_str();
            warn!(source = "kraken", kind, "kraken sent a frame of kind {kind}: {begins:?}");
        }
    }

    async fn forward(&self, session: &mut Session) -> Result<(), IngestGone> {
        while let Some(event) = session.poll_event() {
            self.emit(session.called_at(), event).await?;
        }
        Ok(())
    }

    async fn emit(&self, at: UnixMillis, event: KrakenEvent) -> Result<(), IngestGone> {
        let received = Received { at, event: SourceEvent::Kraken(event) };
        self.events.send(received).await.map_err(|_| IngestGone)
    }
}

/// Odd frames already told of on this connection: a few of each kind explain themselves, the
/// rest is for the counters.
#[derive(Default)]
struct Oddities {
    told: Vec<FrameKind>,
}

impl Oddities {
    /// So many refusals can be of interest: each may be about another pair.
    const TOLD_MAX: usize = 8;

    fn is_worth_telling(&mut self, kind: FrameKind) -> bool {
        let is_odd = matches!(kind, FrameKind::Undecodable | FrameKind::Refused | FrameKind::V1);
        let told = self.told.iter().filter(|&&known| known == kind).count();
        let is_news = is_odd && told < Self::TOLD_MAX;
        if is_news {
            self.told.push(kind);
        }
        is_news
    }
}

/// The name and port of a `ws` or `wss` address.
fn address(uri: &http::Uri) -> String {
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("ws") { 80 } else { 443 });
    format!("{}:{port}", uri.host().unwrap_or_default())
}

const fn failed(gone: Gone, error: String) -> Outcome {
    Outcome {
        ended: Ended::Failed,
        reason: SourceReason::Disconnected,
        label: gone.as_str(),
        connect_error: Some(error),
    }
}
