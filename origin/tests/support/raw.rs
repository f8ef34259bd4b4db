//! Clients on a bare socket, that say what no library would.

use std::time::Duration;

use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::Origin;

/// No answer to a bare socket may take longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// An origin whose exchanges are not there; `more` is further configuration.
pub async fn alone(more: &str) -> (Origin, TempDir) {
    let state = tempdir().unwrap();
    let (kraken, coinbase) = ("ws://127.0.0.1:1/v2", "http://127.0.0.1:1");
    let origin = Origin::start_at(kraken, coinbase, &state, more).await;
    (origin, state)
}

/// A request without a body.
pub fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

/// One connection.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn connect(url: &str) -> Self {
        Self(TcpStream::connect(url.trim_start_matches("http://")).await.unwrap())
    }

    /// One that holds little of what it does not read.
    pub async fn connect_narrow(url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        Self(socket.connect(url.trim_start_matches("http://").parse().unwrap()).await.unwrap())
    }

    /// Sends `bytes`, as far as the other end takes them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// The same; false once the connection has ended.
    pub async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Everything the other end says until it closes; a reset counts as closing.
    pub async fn read_to_close(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = timeout(2 * ANSWER_LIMIT, self.0.read_to_end(&mut bytes)).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(read.is_ok(), "not closed after {text:?}");
        text
    }

    /// The next answer, by its `Content-Length`; `None` if the connection ends instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        timeout(ANSWER_LIMIT, self.read_answer()).await.expect("no answer")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut answer = Answer { head, body: String::new() };
        let mut body = vec![0; answer.header("content-length").parse().unwrap_or(0)];
        self.0.read_exact(&mut body).await.ok()?;
        answer.body = String::from_utf8(body).unwrap();
        Some(answer)
    }

    /// Asks, and reads the answer.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await.expect("the connection ended without an answer")
    }

    /// Whether the connection is still open after a moment: closing takes no longer.
    pub async fn is_open(&mut self) -> bool {
        timeout(Duration::from_millis(300), self.0.read_u8()).await.is_err()
    }
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let of_name = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        let line = self.head.lines().find(of_name);
        line.and_then(|line| line.split_once(": ")).map_or("", |(_, value)| value)
    }

    /// Panics unless it is that problem, told as every one of ours.
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json; charset=utf-8");
        assert_eq!(self.header("cache-control"), "no-store");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["code"], code);
        assert_eq!(self.header("retry-after").is_empty(), !matches!(status, 429 | 503));
    }
}
