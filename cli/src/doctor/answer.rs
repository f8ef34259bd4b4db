//! HTTP as a client of ours sees it.

use std::path::Path;
use std::time::{Duration, Instant};

use pricecast_core::{Snapshot, UnixMillis};
use pricecast_origin::exchange::tls;
use pricecast_origin::outgoing;
use pricecast_wire::headers::{PRICECAST_NOW, PRICECAST_ORIGIN_SECRET};
use pricecast_wire::{BODY_LEN_MAX, parse};
use reqwest::Url;
use reqwest::header::HeaderMap;

const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a body that is none of ours is shown.
const SHOWN_CHARS: usize = 80;

/// A client that follows nothing and keeps nothing.
pub(super) struct Web(reqwest::Client);

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) round_trip: Duration,
    /// Our wall clock when it came.
    pub(super) came_at: UnixMillis,
}

impl Web {
    pub(super) fn new(ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let http = outgoing::client(tls::client_config(ca_file)?, TIMEOUT)?;
        Ok(Self(http))
    }

    /// Asks for `path` below `base`; `Err` says why there is no answer.
    pub(super) async fn get(
        &self,
        base: &Url,
        path: &str,
        secret: Option<&str>,
        etag: Option<&str>,
    ) -> Result<Answer, String> {
        let url = base.join(path).map_err(|error| error.to_string())?;
        let mut request = self.0.get(url);
        if let Some(secret) = secret {
            request = request.header(PRICECAST_ORIGIN_SECRET, secret);
        }
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let sent = Instant::now();
        let mut response = request.send().await.map_err(|error| cause(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut bytes = vec![];
        while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > BODY_LEN_MAX {
                return Err(format!("the answer is longer than {BODY_LEN_MAX} bytes"));
            }
        }
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let round_trip = sent.elapsed();
        Ok(Answer { status, headers, body, round_trip, came_at: wall_clock() })
    }
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The feed's clock when it answered.
    pub(super) fn pricecast_now(&self) -> Option<UnixMillis> {
        self.header(PRICECAST_NOW)?.parse().ok().map(UnixMillis::from_ms)
    }

    /// The prices, or why there are none in it.
    pub(super) fn prices(&self) -> Result<Snapshot, String> {
        if self.status != 200 {
            return Err(self.told());
        }
        parse(self.body.as_bytes()).map_err(|error| format!("a 200 that holds no prices: {error}"))
    }

    /// The status, and what a problem document says of it.
    pub(super) fn told(&self) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        let field = |name: &str| Some(problem.as_ref()?.get(name)?.as_str()?.to_owned());
        match (field("code"), field("detail")) {
            (Some(code), Some(detail)) => format!("{} {code}: {detail}", self.status),
            (Some(code), None) => format!("{} {code}", self.status),
            _ if self.body.is_empty() => format!("{}", self.status),
            _ => {
                let begins: String = self.body.chars().take(SHOWN_CHARS).collect();
                format!("{}, {begins:?}", self.status)
            }
        }
    }
}

/// The last of the causes says what has happened.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(deeper) = last.source() {
        last = deeper;
    }
    last.to_string()
}

fn wall_clock() -> UnixMillis {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis::from_ms(now.map_or(0, pricecast_core::duration_ms))
}
