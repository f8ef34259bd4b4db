//! A stream on which a line ends with CR LF and with nothing else.
//!
//! hyper takes a bare LF for the end of a line, as it may (RFC 9112 §2.2). A proxy in front of us
//! that takes it for a part of a header would then see one request where we see two: the gap
//! through which requests are smuggled. Since we read no bodies, every LF that comes ends a line.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct StrictLines<S> {
    stream: S,
    last: u8,
}

impl<S> StrictLines<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, last: 0 }
    }

    /// Puts NUL in place of each bare LF: no part of a head may hold one, so hyper answers 400.
    fn spoil_bare(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if *byte == b'\n' && self.last != b'\r' {
                *byte = 0;
            }
            self.last = *byte;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StrictLines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.spoil_bare(buffer.filled_mut().get_mut(before..).unwrap_or_default());
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StrictLines<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn only_a_line_feed_after_a_carriage_return_comes_through() {
        for (sent, read) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]),
            (b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\0Host: x\0\0"),
            (b"\n", b"\0"),
            (b"\r\n\n\r\r\n", b"\r\n\0\r\r\n"),
        ] {
            // The buffer makes every byte come alone.
            let (near, mut far) = tokio::io::duplex(1);
            let mut stream = StrictLines::new(near);
            let writer = tokio::spawn(async move { far.write_all(sent).await });
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, read);
            writer.await.unwrap().unwrap();
        }
    }
}
