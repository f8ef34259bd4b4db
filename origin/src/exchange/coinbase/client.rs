//! The HTTP client for Coinbase: one GET, bounded in time and size. It judges nothing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pricecast_core::{Symbol, UnixMillis, named};
use reqwest::{Response, Url};
use rustls::ClientConfig;

use crate::exchange::pairs::Spelling;
use crate::{outgoing, retry_after};

/// Connect, send, wait and read together; below the shortest poll interval, so that requests
/// never overlap.
const TOTAL_TIMEOUT: Duration = Duration::from_millis(900);
/// Largest answer read. 100 products take about 120 kB.
const BODY_LEN_MAX: usize = 1 << 20;
/// <https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api> (2026-11)
const PATH: &str = "/api/v3/brokerage/market/products";

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A 200 with JSON.
    Body(Bytes),
    /// A 4xx other than 429.
    Refused {
        /// Which.
        status: u16,
    },
    /// A 429.
    RateLimited {
        /// How long we are asked to wait.
        retry_after_ms: Option<u64>,
    },
    /// Anything else.
    Failed(Failure),
}

/// What else can come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Connect,
    /// No answer in time.
    Timeout,
    /// The request could not be sent, or the answer's head not be read.
    Request,
    /// The answer broke off.
    Body,
    /// The answer is longer than is read.
    BodyTooLong,
    /// The answer is no JSON.
    ContentType,
    /// A 3xx.
    Redirect,
    /// A 5xx.
    ServerError,
    /// Any other status.
    Status,
}

named! {
    Failure {
        Connect = "connect",
        Timeout = "timeout",
        Request = "request",
        Body = "body",
        BodyTooLong = "body_too_long",
        ContentType = "content_type",
        Redirect = "redirect",
        ServerError = "server_error",
        Status = "status",
    }
}

impl Fetched {
    const ANSWERED: [&str; 3] = ["ok", "refused", "rate_limited"];

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ANSWERED.into_iter().chain(Failure::NAMES.iter().copied())
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Body(_) => "ok",
            Self::Refused { .. } => "refused",
            Self::RateLimited { .. } => "rate_limited",
            Self::Failed(failure) => failure.as_str(),
        }
    }
}

/// A client with its connection kept open.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
}

impl Client {
    /// Asks the service at `base`, e.g. `https://api.coinbase.com`.
    ///
    /// # Errors
    /// When the client cannot be built or `base` cannot carry a path.
    pub fn new(base: &Url, tls: ClientConfig) -> anyhow::Result<Self> {
        Ok(Self { http: outgoing::client(tls, TOTAL_TIMEOUT)?, url: base.join(PATH)? })
    }

    /// Whom it asks, with the port where that is another than the usual.
    #[must_use]
    pub fn host(&self) -> &str {
        // The configuration takes no address with a name or a password in it.
        self.url.authority()
    }

    /// Asks for `symbols` in one request. `now` is for a `Retry-After` that names a date.
    pub async fn fetch(&self, symbols: &[Symbol], now: UnixMillis) -> Fetched {
        let mut url = self.url.clone();
        let ids = symbols.iter().map(|&s| ("product_ids", Spelling::Coinbase.pair(s)));
        url.query_pairs_mut().extend_pairs(ids);
        // Without it the answer may be up to a second old, and would prove nothing of this moment.
        let request = self.http.get(url).header(header::CACHE_CONTROL, "no-cache");
        match request.send().await {
            Ok(response) => read(response, now).await,
            Err(error) => Fetched::Failed(failure_of(&error)),
        }
    }
}

async fn read(mut response: Response, now: UnixMillis) -> Fetched {
    match response.status().as_u16() {
        200 => {}
        429 => {
            let header = response.headers().get(header::RETRY_AFTER);
            return Fetched::RateLimited { retry_after_ms: retry_after::wait_ms(header, now) };
        }
        status @ 400..=499 => return Fetched::Refused { status },
        300..=399 => return Fetched::Failed(Failure::Redirect),
        500..=599 => return Fetched::Failed(Failure::ServerError),
        _ => return Fetched::Failed(Failure::Status),
    }
    if !is_json(&response) {
        return Fetched::Failed(Failure::ContentType);
    }
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_LEN_MAX => {
                return Fetched::Failed(Failure::BodyTooLong);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Fetched::Body(body.freeze()),
            Err(error) => return Fetched::Failed(failure_of(&error)),
        }
    }
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let essence = content_type.and_then(|value| value.to_str().ok()?.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn failure_of(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_connect() {
        Failure::Connect
    } else if error.is_body() || error.is_decode() {
        Failure::Body
    } else {
        Failure::Request
    }
}
