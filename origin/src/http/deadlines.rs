//! A stream that fails when its other end is slow: with its first request head, with taking an
//! answer, with closing. hyper's own deadline covers only what lies between: from one answer to the
//! next whole head.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::peer::Peer;

/// An answer must be taken within 5 s, less what a timer and a busy machine may be late.
const ANSWER_WITHIN: Duration = Duration::from_millis(4_500);
/// How long the other end may take to close once we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How much is read and thrown away while it closes.
const CLOSE_LEN_MAX: usize = 256 * 1_024;

pub(super) struct Deadlines<S> {
    stream: S,
    peer: Arc<Peer>,
    /// Running until the first request head has come.
    head: Option<Pin<Box<Sleep>>>,
    /// Running while a write waits or the end does.
    write: Pin<Box<Sleep>>,
    state: Writing,
    thrown_away: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Nothing, or as fast as we can.
    Freely,
    /// Something that has not been taken yet.
    Waiting,
    /// Our end is closed; the other's is awaited.
    Closed,
}

impl<S> Deadlines<S> {
    /// `head_within`: from now until the first whole request head has come.
    pub(super) fn new(stream: S, peer: Arc<Peer>, head_within: Duration) -> Self {
        Self {
            stream,
            peer,
            head: Some(Box::pin(sleep(head_within))),
            write: Box::pin(sleep(ANSWER_WITHIN)),
            state: Writing::Freely,
            thrown_away: 0,
        }
    }

    /// Fails once the first head is overdue.
    fn poll_head(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.peer.has_asked() {
            self.head = None;
        }
        let is_overdue = |head: &mut Pin<Box<Sleep>>| head.as_mut().poll(context).is_ready();
        if self.head.as_mut().is_some_and(is_overdue) {
            self.peer.note_too_slow();
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Starts or asks the timer while a write waits. A part that was taken does not stop it, or
    /// one byte at a time could take for ever: only a flush does.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.state == Writing::Freely && write.is_pending() {
            self.state = Writing::Waiting;
            self.write.as_mut().reset(Instant::now() + ANSWER_WITHIN);
        }
        if self.state == Writing::Waiting && self.write.as_mut().poll(context).is_ready() {
            self.peer.note_too_slow();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        write
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deadlines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_head(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Deadlines<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Comes when everything has been written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.stream).poll_flush(context);
        if flush.is_ready() && self.state == Writing::Waiting {
            self.state = Writing::Freely;
        }
        self.watch(context, flush)
    }

    /// Closes our end, then reads on for a moment: a socket closed over unread bytes is reset, and
    /// the reset may overtake the answer that says why.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state != Writing::Closed {
            let shutdown = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.watch(context, shutdown))?;
            self.state = Writing::Closed;
            self.write.as_mut().reset(Instant::now() + CLOSE_WITHIN);
        }
        loop {
            if self.write.as_mut().poll(context).is_ready() || self.thrown_away > CLOSE_LEN_MAX {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; 4_096];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.thrown_away += buffer.filled().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::timeout;

    use super::super::limits::ConnectionLimits;
    use super::super::peer::Door;
    use super::*;

    const HEAD_WITHIN: Duration = Duration::from_secs(3);
    const LONG: Duration = Duration::from_secs(60);

    fn stream(buffer_len: usize) -> (Deadlines<DuplexStream>, Arc<Peer>, DuplexStream) {
        let door = Door::new(ConnectionLimits::total(1));
        let peer = door.admit([192, 0, 2, 1].into()).unwrap().peer;
        let (near, far) = tokio::io::duplex(buffer_len);
        (Deadlines::new(near, Arc::clone(&peer), HEAD_WITHIN), peer, far)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_is_awaited_so_long_whether_bytes_trickle_or_not() {
        for trickles in [false, true] {
            let (mut stream, _peer, mut far) = stream(16);
            let began = Instant::now();
            let writer = tokio::spawn(async move {
                while trickles && far.write_all(b"x").await.is_ok() {
                    sleep(Duration::from_millis(100)).await;
                }
                sleep(LONG).await;
            });
            let error = loop {
                if let Err(error) = stream.read_u8().await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(began.elapsed().as_secs(), 3);
            writer.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_first_head_reading_may_wait() {
        let (mut stream, peer, _far) = stream(16);
        peer.note_asked();
        assert!(timeout(LONG, stream.read_u8()).await.is_err(), "still waiting");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_taken_in_time_and_one_byte_now_and_then_is_not_taking_it() {
        for byte_every in [LONG, Duration::from_secs(1)] {
            let (mut stream, _peer, mut far) = stream(16);
            stream.write_all(&[0; 16]).await.unwrap();
            stream.flush().await.unwrap();
            let began = Instant::now();
            let reader = tokio::spawn(async move {
                loop {
                    sleep(byte_every).await;
                    far.read_u8().await.unwrap();
                }
            });
            let error = stream.write_all(&[0; 16]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(began.elapsed().as_secs(), ANSWER_WITHIN.as_secs());
            reader.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_each_answer_in_time_may_go_on_for_ever() {
        let (mut stream, _peer, mut far) = stream(16);
        let reader = tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(4)).await;
                far.read_exact(&mut [0; 32]).await.unwrap();
            }
        });
        for _ in 0..100 {
            stream.write_all(&[0; 32]).await.unwrap();
            stream.flush().await.unwrap();
        }
        reader.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_comes_after_the_end_is_read_for_a_moment_and_no_longer() {
        let (mut stream, _peer, mut far) = stream(16);
        let began = Instant::now();
        let sender = tokio::spawn(async move {
            while far.write_all(&[0; 16]).await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
        });
        stream.shutdown().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 1);
        drop(stream);
        sender.await.unwrap();

        let (mut stream, _peer, _far) = self::stream(16);
        let began = Instant::now();
        let ends = async {
            // As hyper does each time it is woken.
            std::future::poll_fn(|context| {
                let _ = Pin::new(&mut stream).poll_flush(context);
                Pin::new(&mut stream).poll_shutdown(context)
            })
            .await
        };
        timeout(LONG, ends).await.expect("it never ended").unwrap();
        assert_eq!(began.elapsed().as_secs(), 1);

        let (mut stream, _peer, far) = self::stream(16);
        drop(far);
        let began = Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO, "whoever closes is not waited for");
    }
}
