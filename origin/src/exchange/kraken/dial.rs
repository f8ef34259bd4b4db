//! How the byte stream under the WebSocket is opened: over TCP, or whatever a test puts in place
//! of it.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Opens byte streams.
pub trait Dial: Send + Sync + 'static {
    /// What is opened.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Connects to `address`, a name or an IP address with a port. A name is looked up anew each
    /// time: the exchange may have moved.
    fn dial(&self, address: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// TCP, with what the system's resolver says of a name.
#[derive(Clone, Copy, Debug)]
pub struct Tcp;

impl Dial for Tcp {
    type Stream = TcpStream;

    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
