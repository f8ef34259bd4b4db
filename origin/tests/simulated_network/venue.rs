//! A tiny Kraken: subscriptions, tickers, heartbeats and pongs in one stream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pricecast_core::{Source, Symbol};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async};
use turmoil::net::{TcpListener, TcpStream};

use crate::market::{price, symbols};
use crate::wire::{Mischief, Wire};

pub(crate) const PORT: u16 = 8_080;

/// How it behaves from now on.
#[derive(Clone, Default)]
pub(crate) struct Conduct {
    /// New connections are accepted and never answered.
    pub(crate) stalls_handshakes: bool,
    /// Every frame comes twice.
    pub(crate) repeats: bool,
    /// Between its frames stands what no documentation knows.
    pub(crate) babbles: bool,
    pub(crate) mischief: Arc<Mutex<Mischief>>,
}

pub(crate) type Shared = Arc<Mutex<Conduct>>;

/// Accepts connections for ever.
pub(crate) async fn serve(conduct: Shared) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(connection(stream, Arc::clone(&conduct)));
    }
}

async fn connection(stream: TcpStream, conduct: Shared) {
    let Conduct { stalls_handshakes, mischief, .. } = conduct.lock().unwrap().clone();
    if stalls_handshakes {
        std::future::pending::<()>().await;
    }
    if let Ok(socket) = accept_async(Wire { stream, mischief }).await {
        // It ends when the client goes.
        let _ = Link { socket, conduct, told: vec![], spoke_ms: 0 }.run().await;
    }
}

struct Link {
    socket: WebSocketStream<Wire>,
    conduct: Shared,
    /// What each subscriber was last told.
    told: Vec<(Symbol, String)>,
    spoke_ms: u64,
}

impl Link {
    async fn run(&mut self) -> Result<(), Error> {
        self.say(json!({"channel": "status", "data": [{"system": "online"}]})).await?;
        loop {
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.answer(&text).await?,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
                () = sleep(Duration::from_millis(50)) => self.speak().await?,
            }
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), Error> {
        let request: Value = serde_json::from_str(text).unwrap();
        let method = request["method"].as_str().unwrap();
        if method == "ping" {
            return self.say(json!({"method": "pong", "req_id": request["req_id"]})).await;
        }
        for pair in request["params"]["symbol"].as_array().unwrap() {
            let symbol = symbols().into_iter().find(|s| *pair == format!("{s}/USD")).unwrap();
            self.told.retain(|(known, _)| *known != symbol);
            let ack = json!({"method": method, "result": {"symbol": pair}, "success": true});
            self.say(ack).await?;
            if method == "subscribe" {
                let price = price(Source::Kraken, symbol, now_ms());
                self.tell("snapshot", symbol, &price).await?;
                self.told.push((symbol, price));
            }
        }
        Ok(())
    }

    /// Tells what has changed, or that nothing has.
    async fn speak(&mut self) -> Result<(), Error> {
        for nth in 0..self.told.len() {
            let (symbol, told) = self.told[nth].clone();
            let price = price(Source::Kraken, symbol, now_ms());
            if price != told {
                self.told[nth].1.clone_from(&price);
                self.tell("update", symbol, &price).await?;
            }
        }
        if !self.told.is_empty() && now_ms() >= self.spoke_ms + 1_000 {
            self.say(json!({"channel": "heartbeat"})).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, kind: &str, symbol: Symbol, price: &str) -> Result<(), Error> {
        let Conduct { repeats, babbles, .. } = self.conduct.lock().unwrap().clone();
        let new = if babbles { r#""new":{"a":[null]},"# } else { "" };
        let frame = format!(
            r#"{{"channel":"ticker","type":"{kind}","data":[{{{new}"symbol":"{symbol}/USD","last":{price},"change_pct":0.5}}]}}"#
        );
        if babbles {
            for text in [
                r#"{"channel":"galaxy","type":"update","data":[42]}"#,
                r#"[340,{"c":["5525.1","0.1"]},"ticker","XBT/USD"]"#,
                r#"{"event":"heartbeat"}"#,
                r#"{"method":"dance","success":true}"#,
            ] {
                self.socket.feed(Message::text(text)).await?;
            }
        }
        for _ in 0..=usize::from(repeats) {
            self.socket.feed(Message::text(frame.clone())).await?;
        }
        self.spoke_ms = now_ms();
        self.socket.flush().await
    }

    async fn say(&mut self, frame: Value) -> Result<(), Error> {
        if frame["channel"] == "heartbeat" {
            self.spoke_ms = now_ms();
        }
        self.socket.send(Message::text(frame.to_string())).await
    }
}

/// Virtual time since the world began.
pub(crate) fn now_ms() -> u64 {
    turmoil::sim_elapsed().map_or(0, pricecast_core::duration_ms)
}
