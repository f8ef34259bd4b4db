//! Looks at what the public is told: asks the edge for the prices every five seconds, as a client would, and notes how
//! old they are there by the client rule. One request at a time; a failure is followed by a longer pause.

use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, header};
use pricecast_core::poll::age_on_screen_ms;
use pricecast_core::{Symbol, UnixMillis, backoff_delay_ms, named};
use pricecast_wire::headers::PRICECAST_NOW;
use pricecast_wire::{BODY_LEN_MAX, parse};
use reqwest::{Response, Url};
use rustls::ClientConfig;
use tokio::time::{Instant, sleep};

use super::Measure;
use crate::outgoing;

const PATH: &str = "/api/v1/prices";
const PAUSE_MS: u64 = 5_000;
/// For all of one look: whoever waits longer has given up.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why a look brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection.
    Connect,
    /// No whole answer in time.
    Timeout,
    /// The answer broke off.
    Body,
    /// It is longer than any of ours.
    TooLong,
    /// Any status but 200.
    Status,
    /// No `Pricecast-Now`: whoever answered is not our edge.
    NoStamp,
    /// No prices.
    Undecodable,
}

named! {
    Failure {
        Connect = "connect",
        Timeout = "timeout",
        Body = "body",
        TooLong = "too_long",
        Status = "status",
        NoStamp = "no_stamp",
        Undecodable = "undecodable",
    }
}

/// How it is doing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looks {
    pub(super) last_ok_at: Option<UnixMillis>,
    pub(super) fails_in_row: u32,
    pub(super) last_failure: Option<Failure>,
}

impl Looks {
    pub(super) fn note(&mut self, now: UnixMillis, failure: Option<Failure>) {
        match failure {
            None => *self = Self { last_ok_at: Some(now), ..Self::default() },
            Some(_) => self.fails_in_row = self.fails_in_row.saturating_add(1),
        }
        self.last_failure = failure;
    }

    /// Until the next look: 4.5 to 5.5 s, and up to 30 s more while looks fail.
    fn pause_ms(&self, jitter: f64, backoff_jitter: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the product lies in 4,500..=5,500"
        )]
        let pause_ms = (PAUSE_MS as f64 * (0.9 + 0.2 * jitter.clamp(0.0, 1.0))) as u64;
        pause_ms + backoff_delay_ms(self.fails_in_row, backoff_jitter)
    }
}

/// Looks.
pub struct Probe {
    client: reqwest::Client,
    url: Url,
    measure: Measure,
}

impl Probe {
    /// Will ask at `base`, a public address without a path, and note in `measure`.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(base: &Url, tls: ClientConfig, measure: Measure) -> anyhow::Result<Self> {
        Ok(Self { client: outgoing::client(tls, TIMEOUT)?, url: base.join(PATH)?, measure })
    }

    /// Runs for ever.
    pub async fn run(&self) {
        loop {
            let looked = self.look().await;
            let looks = self.measure.note_probe(looked);
            sleep(Duration::from_millis(looks.pause_ms(rand::random(), rand::random()))).await;
        }
    }

    async fn look(&self) -> Result<Vec<(Symbol, u64)>, Failure> {
        let sent_at = Instant::now();
        let response = self.client.get(self.url.clone()).send().await.map_err(failure_of)?;
        if response.status() != http::StatusCode::OK {
            return Err(Failure::Status);
        }
        let headers = response.headers().clone();
        let body = read(response).await?;
        let since_ms = u64::try_from(sent_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        ages(&headers, &body, since_ms)
    }
}

async fn read(mut response: Response) -> Result<BytesMut, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failure_of)? {
        if body.len() + chunk.len() > BODY_LEN_MAX {
            return Err(Failure::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn failure_of(error: reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_body() || error.is_decode() {
        Failure::Body
    } else {
        Failure::Connect
    }
}

/// How old each price is for a client that got this answer `since_ms` after it asked.
fn ages(headers: &HeaderMap, body: &[u8], since_ms: u64) -> Result<Vec<(Symbol, u64)>, Failure> {
    let number = |text: &http::HeaderValue| text.to_str().ok()?.trim().parse().ok();
    let now = headers.get(PRICECAST_NOW).and_then(number).ok_or(Failure::NoStamp)?;
    let age_s: Option<u64> = match headers.get(header::AGE) {
        Some(age) => Some(number(age).ok_or(Failure::NoStamp)?),
        None => None,
    };
    let snapshot = parse(body).map_err(|_| Failure::Undecodable)?;
    let now = UnixMillis::from_ms(now);
    let age = |confirmed_at| age_on_screen_ms(confirmed_at, now, age_s, since_ms);
    Ok(snapshot.prices.iter().map(|price| (price.symbol, age(price.confirmed_at))).collect())
}

#[cfg(test)]
mod tests {
    use pricecast_wire::render;

    use super::*;
    use crate::test_support::{at, snapshot};

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_age_is_the_clients() {
        let body = render(&snapshot(1, at(0)), at(1_200));
        let now = at(1_200).to_string();
        let btc = Symbol::parse("BTC").unwrap();
        for (more, age_ms) in [(None, 1_500), (Some("0"), 2_500), (Some("2"), 4_500)] {
            let age = more.map(|age| ("age", age));
            let list: Vec<_> = [("pricecast-now", now.as_str())].into_iter().chain(age).collect();
            assert_eq!(ages(&headers(&list), body.as_bytes(), 300), Ok(vec![(btc, age_ms)]));
        }
    }

    #[test]
    fn an_answer_that_is_not_the_edges_has_no_age() {
        let body = render(&snapshot(1, at(0)), at(0));
        let stamp = at(0).to_string();
        for (list, body, failure) in [
            (vec![], body.as_str(), Failure::NoStamp),
            (vec![("pricecast-now", "soon")], &body, Failure::NoStamp),
            (vec![("pricecast-now", &*stamp), ("age", "old")], &body, Failure::NoStamp),
            (vec![("pricecast-now", &*stamp)], "<html>", Failure::Undecodable),
        ] {
            assert_eq!(ages(&headers(&list), body.as_bytes(), 0), Err(failure), "{list:?}");
        }
    }

    #[test]
    fn looks_are_five_seconds_apart_and_further_while_they_fail() {
        let mut looks = Looks::default();
        assert_eq!(
            [0.0, 0.5, 1.0].map(|jitter| looks.pause_ms(jitter, 1.0)),
            [4_500, 5_000, 5_500]
        );
        for pause_ms in [6_000, 7_000, 9_000] {
            looks.note(at(0), Some(Failure::Timeout));
            assert_eq!(looks.pause_ms(0.5, 1.0), pause_ms);
        }
        for _ in 0..100 {
            looks.note(at(0), Some(Failure::Timeout));
        }
        assert_eq!(looks.pause_ms(0.5, 1.0), 35_000);
        looks.note(at(1), None);
        assert_eq!((looks.fails_in_row, looks.last_failure), (0, None));
        assert_eq!((looks.last_ok_at, looks.pause_ms(0.5, 1.0)), (Some(at(1)), 5_000));
    }
}
