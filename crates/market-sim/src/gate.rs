//! A TCP stream that can be made mute: what is written is kept, or thrown away, instead of sent.
//!
//! A WebSocket library answers pings and closes on its own. A silent exchange answers nothing at
//! all, so the silence has to be imposed below the library.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// More than a mute socket's automatic answers can come to; beyond it they are dropped.
const KEEP_BYTES: usize = 64 * 1024;

/// What becomes of written bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Valve {
    Open,
    /// Kept, and sent once the valve opens.
    Holding,
    /// Lost.
    Draining,
}

/// The stream under a WebSocket.
#[derive(Debug)]
pub(crate) struct Gate {
    stream: TcpStream,
    valve: Valve,
    held: Vec<u8>,
}

impl Gate {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, valve: Valve::Open, held: Vec::new() }
    }

    pub(crate) fn set(&mut self, valve: Valve) {
        self.valve = valve;
    }

    /// Makes closing this socket a RST instead of a FIN.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            self.held.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.valve {
            Valve::Open => {
                ready!(self.poll_release(cx))?;
                Pin::new(&mut self.stream).poll_write(cx, bytes)
            }
            Valve::Holding => {
                if self.held.len() + bytes.len() <= KEEP_BYTES {
                    self.held.extend_from_slice(bytes);
                }
                Poll::Ready(Ok(bytes.len()))
            }
            Valve::Draining => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.valve == Valve::Open {
            ready!(self.poll_release(cx))?;
            return Pin::new(&mut self.stream).poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
