//! From an HTTP request on `/v2` to a WebSocket, or to whatever the active faults make of it.

use super::link::Link;
use crate::fault::{Fault, FaultBoard};
use crate::gate::Gate;
use crate::http::{Request, Response, failure};
use crate::market::Venue;
use crate::sim::Sim;
use crate::stats::Counted;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Upgrades the connection and serves it to its end.
pub(crate) async fn serve(
    sim: &Sim,
    mut stream: TcpStream,
    early: Vec<u8>,
    request: &Request,
) -> io::Result<()> {
    let now_ms = sim.clock.now_ms();
    sim.counters.attempt(Venue::Kraken, now_ms);
    let board = Arc::clone(&sim.faults().borrow());
    if board.has(Venue::Kraken, Fault::HalfOpen) {
        return wait_until_gone(&mut stream).await;
    }
    if is_refused_by_reset(&board) {
        return stream.set_zero_linger();
    }
    if let Some(response) = sim.limits.kraken(now_ms).or_else(|| failure(&board, Venue::Kraken)) {
        return send(&mut stream, &response).await;
    }
    let Some(key) = request.header("sec-websocket-key") else {
        let response = Response::new(400, "text/plain", "this is a WebSocket endpoint\n");
        return send(&mut stream, &response).await;
    };
    tokio::time::sleep(board.delay(Venue::Kraken)).await;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(answer.as_bytes()).await?;
    let gate = Gate::new(stream);
    let ws = WebSocketStream::from_partially_read(gate, early, Role::Server, None).await;
    let _open = Counted::open(&sim.counters, Venue::Kraken);
    match Link::new(sim, ws, &board).run().await {
        Ok(()) | Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => Ok(()),
        Err(WsError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn is_refused_by_reset(board: &FaultBoard) -> bool {
    let refuse = board.find(Venue::Kraken, Fault::Refuse);
    board.has(Venue::Kraken, Fault::Reset) || refuse.is_some_and(|f| f.spec.status.is_none())
}

async fn send(stream: &mut TcpStream, response: &Response) -> io::Result<()> {
    stream.write_all(&response.bytes(false)).await?;
    stream.shutdown().await
}

/// Reads and answers nothing until the client gives up.
async fn wait_until_gone(stream: &mut TcpStream) -> io::Result<()> {
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
