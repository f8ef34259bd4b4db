//! Closed-loop clients: each asks again as soon as it is answered, or refused.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// What comes before this is the clients' own beginning, and does not count.
const WARM_UP: Duration = Duration::from_millis(150);
/// Whoever has no answer by then, after the end, is counted as left without one.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the clients of one round saw.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Answered 200.
    pub answered: usize,
    /// Answered 503 or 429: how long each took, ms.
    pub refused_ms: Vec<f64>,
    /// Closed without an answer.
    pub closed: usize,
    /// Anything else, and no answer at all.
    pub other: usize,
}

impl Round {
    pub fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.refused_ms.extend(other.refused_ms);
        self.closed += other.closed;
        self.other += other.other;
    }
}

/// `clients` of them ask for `request` for so long. One that is refused comes again at once, on a
/// new connection.
pub async fn round(url: &str, clients: usize, request: &str, lasting: Duration) -> Round {
    let from = Instant::now() + WARM_UP;
    let mut all = JoinSet::new();
    for _ in 0..clients {
        let (url, request) = (url.trim_start_matches("http://").to_owned(), request.to_owned());
        all.spawn(async move { client(&url, request.as_bytes(), from, from + lasting).await });
    }
    let mut sum = Round::default();
    while let Some(seen) = all.join_next().await {
        sum.add(seen.unwrap());
    }
    sum
}

async fn client(address: &str, request: &[u8], from: Instant, until: Instant) -> Round {
    let mut seen = Round::default();
    let mut bytes = vec![0; 16 * 1_024];
    let mut kept = None;
    loop {
        let began = Instant::now();
        if began >= until {
            return seen;
        }
        let status = timeout_at(until + PATIENCE, async {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => TcpStream::connect(address).await.ok()?,
            };
            let status = ask(&mut stream, request, &mut bytes).await?;
            kept = Some(stream).filter(|_| status == 200);
            Some(status)
        });
        let status = status.await;
        let now = Instant::now();
        match status {
            Ok(Some(200)) => seen.answered += usize::from((from..until).contains(&now)),
            Ok(Some(429 | 503)) => seen.refused_ms.push((now - began).as_secs_f64() * 1_000.0),
            Ok(None) => seen.closed += 1,
            Ok(Some(_)) | Err(_) => seen.other += 1,
        }
    }
}

/// One answer's status; `None` if the connection ends before it.
async fn ask(stream: &mut TcpStream, request: &[u8], bytes: &mut [u8]) -> Option<u16> {
    stream.write_all(request).await.ok()?;
    let mut len = 0;
    loop {
        let read = stream.read(&mut bytes[len..]).await.ok().filter(|&read| read > 0)?;
        len += read;
        let text = std::str::from_utf8(&bytes[..len]).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return head.split(' ').nth(1)?.parse().ok();
        }
    }
}

/// The middle one.
pub fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

/// What so many per cent of them are not above; 0 of none.
pub fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or_default()
}
