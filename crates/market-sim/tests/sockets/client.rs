//! A small WebSocket client and a small HTTP client, with a deadline on every wait.

use futures_util::{SinkExt, StreamExt};
use market_sim::{Fault, FaultSpec, Handle, Options, Target, Venue};
use serde_json::Value;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longest wait for something that should happen at once.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Long enough to see that something does not happen, at 200 updates a second.
pub(crate) const A_WHILE: Duration = Duration::from_millis(300);

pub(crate) const SYMBOLS: [&str; 3] = ["BTC", "ETH", "DOGE"];

pub(crate) fn kraken(fault: Fault) -> FaultSpec {
    FaultSpec::new(Target::Kraken, fault)
}

/// What Bitcoin costs on Kraken, by its own record.
pub(crate) fn last_price(sim: &Handle) -> f64 {
    let truth = sim.truth();
    truth.price_at(Venue::Kraken, "BTC", truth.now_ms()).unwrap().to_f64()
}

/// A busy market of three symbols.
pub(crate) async fn busy() -> Handle {
    let options = Options { update_hz: Some(200.0), ..Options::default().symbols(&SYMBOLS) };
    market_sim::start(options).await.unwrap()
}

/// A market in which nothing ticks by itself.
pub(crate) async fn still() -> Handle {
    market_sim::start(Options::still().symbols(&SYMBOLS)).await.unwrap()
}

/// One socket to the fake Kraken.
pub(crate) struct Ws {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What came out of a socket.
#[derive(Debug)]
pub(crate) enum Got {
    Frame(Value),
    /// Text that is not JSON.
    Text(String),
    Binary(Vec<u8>),
    Ended(Option<WsError>),
}

impl Ws {
    pub(crate) async fn connect(sim: &Handle) -> Self {
        Self::try_connect(sim).await.unwrap()
    }

    pub(crate) async fn try_connect(sim: &Handle) -> Result<Self, WsError> {
        let (stream, _) = timeout(DEADLINE, connect_async(sim.kraken_url())).await.unwrap()?;
        Ok(Self { stream })
    }

    /// Connected, and subscribed to all symbols with their snapshots received.
    pub(crate) async fn subscribed(sim: &Handle) -> Self {
        let mut ws = Self::connect(sim).await;
        ws.subscribe(&["BTC/USD", "ETH/USD", "DOGE/USD"]).await;
        for pair in ["BTC/USD", "ETH/USD", "DOGE/USD"] {
            ws.until(|frame| frame["type"] == "snapshot" && frame["data"][0]["symbol"] == pair)
                .await;
        }
        ws
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn ws_ping(&mut self) {
        self.stream.send(Message::Ping(b"hello".as_slice().into())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, pairs: &[&str]) {
        let request = serde_json::json!({
            "method": "subscribe",
            "params": {"channel": "ticker", "symbol": pairs, "event_trigger": "bbo"},
            "req_id": 1,
        });
        self.send(&request.to_string()).await;
    }

    /// The next thing, or `None` when nothing comes for so long.
    pub(crate) async fn next_within(&mut self, wait: Duration) -> Option<Got> {
        match timeout(wait, self.stream.next()).await {
            Err(_) => None,
            Ok(None) => Some(Got::Ended(None)),
            Ok(Some(Err(error))) => Some(Got::Ended(Some(error))),
            Ok(Some(Ok(Message::Text(text)))) => Some(
                serde_json::from_str(&text)
                    .map_or_else(|_| Got::Text(text.to_string()), Got::Frame),
            ),
            Ok(Some(Ok(Message::Binary(bytes)))) => Some(Got::Binary(bytes.to_vec())),
            Ok(Some(Ok(Message::Close(_)))) => Some(Got::Ended(None)),
            Ok(Some(Ok(other))) => Some(Got::Text(format!("{other:?}"))),
        }
    }

    /// The first frame that fits; others are skipped.
    pub(crate) async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        let mut last = None;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.next_within(left).await {
                Some(Got::Frame(frame)) if fits(&frame) => return frame,
                Some(Got::Ended(error)) => panic!("the socket ended: {error:?}; last: {last:?}"),
                Some(got) => last = Some(got),
                None => {}
            }
        }
        panic!("no such frame within {DEADLINE:?}; last: {last:?}");
    }

    pub(crate) async fn until_update_of(&mut self, symbol: &str) -> Value {
        let pair = format!("{symbol}/USD");
        self.until(|f| f["type"] == "update" && f["data"][0]["symbol"] == pair.as_str()).await
    }

    /// The text of the next frame that is no heartbeat.
    pub(crate) async fn next_but_heartbeats(&mut self) -> String {
        let end = Instant::now() + DEADLINE;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.next_within(left).await {
                Some(Got::Frame(frame)) if frame["channel"] == "heartbeat" => {}
                Some(Got::Frame(frame)) => return frame.to_string(),
                Some(Got::Text(text)) => return text,
                other => panic!("{other:?}"),
            }
        }
        panic!("nothing but heartbeats within {DEADLINE:?}");
    }

    /// Everything that comes in a while.
    pub(crate) async fn all_for(&mut self, wait: Duration) -> Vec<Got> {
        let end = Instant::now() + wait;
        let mut all = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.next_within(left).await {
                Some(Got::Ended(error)) => {
                    all.push(Got::Ended(error));
                    break;
                }
                Some(got) => all.push(got),
                None => {}
            }
        }
        all
    }

    /// Reads what was already under way until nothing has come for a while.
    pub(crate) async fn assert_falls_silent(&mut self) {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            if self.next_within(A_WHILE).await.is_none() {
                return;
            }
        }
        panic!("frames still come after {DEADLINE:?}");
    }

    /// How the socket ends; frames before are skipped.
    pub(crate) async fn end(&mut self) -> Option<WsError> {
        let end = Instant::now() + DEADLINE;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Some(Got::Ended(error)) = self.next_within(left).await {
                return error;
            }
        }
        panic!("the socket is still open after {DEADLINE:?}");
    }
}

/// Whether a socket was ended by a RST.
pub(crate) fn is_rst(error: &WsError) -> bool {
    matches!(error, WsError::Io(io) if io.kind() == io::ErrorKind::ConnectionReset)
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v)
    }
}

pub(crate) const LIST: &str = "/api/v3/brokerage/market/products?product_ids=BTC-USD\
    &product_ids=ETH-USD&product_ids=DOGE-USD";

/// `GET` with `cache-control: no-cache`.
pub(crate) async fn get(sim: &Handle, target: &str) -> io::Result<Answer> {
    request(sim, "GET", target, "cache-control: no-cache\r\n", "").await
}

/// One request on a connection of its own.
pub(crate) async fn request(
    sim: &Handle,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(sim.addr).await?;
    send(&mut stream, method, target, &format!("{headers}connection: close\r\n"), body).await?;
    let mut bytes = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    parse(&bytes)
}

/// Sends a request on an open connection.
pub(crate) async fn send(
    stream: &mut TcpStream,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await
}

/// Reads one answer from an open connection; `None` when nothing comes for so long.
pub(crate) async fn read_within(
    stream: &mut TcpStream,
    wait: Duration,
) -> Option<io::Result<Answer>> {
    let mut bytes = Vec::new();
    let read = async {
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            match parse(&bytes) {
                Ok(answer) => return Ok(answer),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
    };
    timeout(wait, read).await.ok()
}

fn parse(bytes: &[u8]) -> io::Result<Answer> {
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(short)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(short)?;
    let answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    if body.len() < length { Err(short()) } else { Ok(answer) }
}

/// Waits until the simulator's counters fit.
pub(crate) async fn until_stats(sim: &Handle, fits: impl Fn(&market_sim::Stats) -> bool) {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if fits(&sim.stats()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the counters never fitted: {:?}", sim.stats());
}
