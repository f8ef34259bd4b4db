//! What may happen to the bytes of one side of a connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

/// What is done to written bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mischief {
    #[default]
    None,
    /// Every byte travels alone.
    Slice,
    /// Once: the byte so far behind the start of the pattern (or before it) becomes another.
    Corrupt { pattern: &'static str, offset: isize, byte: u8 },
}

/// A stream that does mischief when it writes.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) mischief: Arc<Mutex<Mischief>>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mischief = *self.mischief.lock().unwrap();
        match mischief {
            Mischief::None => Pin::new(&mut self.stream).poll_write(cx, bytes),
            Mischief::Slice => {
                Pin::new(&mut self.stream).poll_write(cx, &bytes[..bytes.len().min(1)])
            }
            Mischief::Corrupt { pattern, offset, byte } => {
                let mut bytes = bytes.to_vec();
                let found = bytes.windows(pattern.len()).position(|w| w == pattern.as_bytes());
                if let Some(place) = found {
                    bytes[place.checked_add_signed(offset).unwrap()] = byte;
                }
                let written = Pin::new(&mut self.stream).poll_write(cx, &bytes);
                if found.is_some() && written.is_ready() {
                    *self.mischief.lock().unwrap() = Mischief::None;
                }
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
