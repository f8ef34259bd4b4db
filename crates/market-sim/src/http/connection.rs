//! One accepted connection: requests in turn, until it becomes a WebSocket or ends.

use super::{ParseError, Request, Response, parse};
use crate::coinbase;
use crate::control;
use crate::fault::{Fault, FaultBoard};
use crate::kraken;
use crate::market::Venue;
use crate::sim::Sim;
use crate::stats::Counted;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Serves one connection to its end.
pub(crate) async fn serve(sim: Arc<Sim>, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut link = HttpLink { sim: &sim, stream, buffer: Vec::new(), coinbase: None };
    let mut open = None;
    loop {
        let request = match link.next_request().await? {
            Incoming::Request(request) => request,
            Incoming::Malformed(error) => return link.refuse(error).await,
            Incoming::Gone => return Ok(()),
        };
        if request.path == kraken::PATH {
            let HttpLink { stream, buffer, .. } = link;
            return kraken::serve(&sim, stream, buffer, &request).await;
        }
        if request.path.starts_with("/control/") {
            let response = control::answer(&sim, &request);
            link.send(&response, request.keep_alive()).await?;
        } else {
            if open.is_none() {
                sim.counters.attempt(Venue::Coinbase, sim.clock.now_ms());
                open = Some(Counted::open(&sim.counters, Venue::Coinbase));
                link.is_for_coinbase();
            }
            if !coinbase::serve_one(&mut link, &request).await? {
                return Ok(());
            }
        }
        if !request.keep_alive() {
            return link.stream.shutdown().await;
        }
    }
}

/// A connection that speaks HTTP.
pub(crate) struct HttpLink<'a> {
    pub(crate) sim: &'a Arc<Sim>,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Set on a connection that has asked Coinbase something.
    coinbase: Option<Before>,
}

/// Faults there were before a connection became Coinbase's.
struct Before {
    resets: u64,
    half_opens: u64,
}

enum Incoming {
    Request(Request),
    Malformed(ParseError),
    Gone,
}

impl HttpLink<'_> {
    async fn next_request(&mut self) -> io::Result<Incoming> {
        loop {
            match parse(&self.buffer) {
                Ok(Some((request, used))) => {
                    self.buffer.drain(..used);
                    return Ok(Incoming::Request(request));
                }
                Ok(None) => {}
                Err(error) => return Ok(Incoming::Malformed(error)),
            }
            let mut faults = self.sim.faults();
            let board = Arc::clone(&faults.borrow_and_update());
            if self.is_reset(&board) {
                self.stream.set_zero_linger()?;
                return Ok(Incoming::Gone);
            }
            tokio::select! {
                read = self.stream.read_buf(&mut self.buffer) => {
                    if read? == 0 {
                        return Ok(Incoming::Gone);
                    }
                }
                _ = faults.changed(), if self.coinbase.is_some() => {}
            }
        }
    }

    /// From now on Coinbase's faults hit this connection.
    fn is_for_coinbase(&mut self) {
        let board = Arc::clone(&self.sim.faults().borrow());
        // A connection made while half-open faults are active is dead from its start.
        let active = u64::from(board.has(Venue::Coinbase, Fault::HalfOpen));
        let half_opens = board.half_opens(Venue::Coinbase).saturating_sub(active);
        self.coinbase = Some(Before { resets: board.resets(Venue::Coinbase), half_opens });
    }

    /// Whether a reset has come since.
    pub(crate) fn is_reset(&self, board: &FaultBoard) -> bool {
        self.coinbase.as_ref().is_some_and(|before| board.resets(Venue::Coinbase) > before.resets)
    }

    /// Whether a half-open fault has killed this connection for good.
    pub(crate) fn is_dead(&self, board: &FaultBoard) -> bool {
        let before = self.coinbase.as_ref();
        before.is_some_and(|before| board.half_opens(Venue::Coinbase) > before.half_opens)
    }

    async fn refuse(&mut self, error: ParseError) -> io::Result<()> {
        let response = Response::new(400, "text/plain", format!("{error}\n"));
        self.send(&response, false).await?;
        self.stream.shutdown().await
    }

    /// Sends a whole answer.
    pub(crate) async fn send(&mut self, response: &Response, keep_alive: bool) -> io::Result<()> {
        self.stream.write_all(&response.bytes(keep_alive)).await
    }

    /// Sends half of the body its head promises, and closes.
    pub(crate) async fn send_half(&mut self, response: &Response) -> io::Result<()> {
        let bytes = response.bytes(true);
        let cut = bytes.len() - response.body.len().div_ceil(2);
        self.stream.write_all(bytes.get(..cut).unwrap_or_default()).await?;
        self.stream.shutdown().await
    }

    /// Ends when the client goes away; what it sends meanwhile is kept for later.
    pub(crate) async fn client_gone(&mut self) {
        loop {
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return,
                // A pipelined flood must not grow memory for ever.
                Ok(_) if self.buffer.len() > 1024 * 1024 => return,
                Ok(_) => {}
            }
        }
    }

    /// Makes closing this socket a RST instead of a FIN.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }
}
