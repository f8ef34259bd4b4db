//! The origin fetch. The request is made here from constants and configuration alone: no header,
//! query or method of a client goes through.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::Promise;
use js_sys::futures::JsFuture;
use pricecast_core::UnixMillis;
use pricecast_core::cache_policy::{Attempt, EdgeMillis};
use pricecast_wire::BODY_LEN_MAX;
use pricecast_wire::headers::{
    MARKET_CUSTOM, PRICECAST_MARKET, PRICECAST_NOW, PRICECAST_ORIGIN_SECRET, TRACEPARENT,
};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal, Headers, Request, RequestInit, Response};
use worker::{Delay, web_sys};

use crate::clock;
use crate::config::EdgeConfig;
use crate::document::Document;
use crate::kept::{RawCopy, Unusable};

/// What a cache on the way adds to the age it states: `Age` is whole seconds, rounded down.
const AGE_ROUNDING_S: u64 = 1;
/// The largest stamp a JavaScript client reads exactly (2^53 - 1).
const STAMP_MAX_MS: u64 = (1 << 53) - 1;

/// Why a fetch brought nothing to keep.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No whole answer in time.
    #[error("no answer within {timeout_ms} ms")]
    TimedOut {
        /// What it was given.
        timeout_ms: u64,
    },
    /// No connection, or it broke.
    #[error("the connection failed: {0}")]
    Unreachable(String),
    /// Any status but 200.
    #[error("status {0}")]
    Status(u16),
    /// No `Pricecast-Now` that could be one: not our origin.
    #[error("the answer carries no usable Pricecast-Now")]
    NoStamp,
    /// Longer than any body of ours.
    #[error("the body has {0} bytes, more than the {BODY_LEN_MAX} that are read")]
    TooLong(usize),
    /// No snapshot that could be true.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// A snapshot older than the one held.
    #[error("its snapshot is older than the one held")]
    Older,
}

impl Failure {
    /// Its name in `/health`.
    pub(crate) fn code(&self) -> Cow<'static, str> {
        let name = match self {
            Self::Status(status) => return format!("status_{status}").into(),
            Self::TimedOut { .. } => "timed_out",
            Self::Unreachable(_) => "unreachable",
            Self::NoStamp => "no_stamp",
            Self::TooLong(_) => "too_long",
            Self::Unusable(Unusable::Body(_)) => "undecodable",
            Self::Unusable(Unusable::Stamps(_)) => "untrue",
            Self::Older => "older",
        };
        name.into()
    }
}

/// Makes one attempt, the body included, and aborts it when its time is over.
pub(crate) async fn fetch(
    config: &EdgeConfig,
    document: Document,
    attempt: Attempt,
    trace: &Trace,
) -> Result<RawCopy, Failure> {
    let Attempt { origin, timeout_ms } = attempt;
    let controller = AbortController::new().map_err(broken)?;
    let signal = controller.signal();
    let exchange = Box::pin(exchange(config, document, origin, trace, &signal));
    let timer = Delay::from(Duration::from_millis(timeout_ms));
    match select(exchange, timer).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), exchange)) => {
            drop(exchange);
            controller.abort();
            Err(Failure::TimedOut { timeout_ms })
        }
    }
}

// The runtime's own, not `worker::Fetch`: what that brings along is a tenth of the whole program.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn send(request: &Request) -> Result<Promise, JsValue>;
}

async fn exchange(
    config: &EdgeConfig,
    document: Document,
    origin: usize,
    trace: &Trace,
    signal: &AbortSignal,
) -> Result<RawCopy, Failure> {
    let request = request(config, document, origin, trace, signal).map_err(broken)?;
    let sent_at = clock::now();
    let response = JsFuture::from(send(&request).map_err(broken)?).await.map_err(broken)?;
    let response: Response = response.dyn_into().map_err(broken)?;
    let head = Head::of(&response);
    head.check()?;
    let body = JsFuture::from(response.text().map_err(broken)?).await.map_err(broken)?;
    head.with_body(sent_at, body.as_string().unwrap_or_default())
}

/// In the runtime's words: it throws errors only.
fn broken(error: JsValue) -> Failure {
    let message = error.dyn_into().map(|error: js_sys::Error| error.message().into());
    Failure::Unreachable(message.unwrap_or_else(|_| "no reason given".to_owned()))
}

fn request(
    config: &EdgeConfig,
    document: Document,
    origin: usize,
    trace: &Trace,
    signal: &AbortSignal,
) -> Result<Request, JsValue> {
    let base = config.origins.get(origin).map_or("", String::as_str);
    let path = document.path();
    let headers = Headers::new()?;
    headers.set("accept", "application/json")?;
    headers.set("user-agent", concat!("pricecast-edge/", env!("CARGO_PKG_VERSION")))?;
    headers.set(TRACEPARENT, &trace.parent())?;
    if let Some(secret) = &config.secret {
        headers.set(PRICECAST_ORIGIN_SECRET, secret.reveal())?;
    }
    let init = RequestInit::new();
    init.set_method("GET");
    init.set_headers(&headers);
    init.set_redirect(web_sys::RequestRedirect::Manual);
    init.set_cache(web_sys::RequestCache::NoStore);
    init.set_signal(Some(signal));
    Request::new_with_str_and_init(&format!("{base}{path}"), &init)
}

/// What ties one origin fetch to its lines in both logs (W3C trace context, not sampled).
pub(crate) struct Trace {
    id: String,
    span: u64,
}

impl Trace {
    /// A random one.
    pub(crate) fn random() -> Self {
        Self::new(clock::random_id(), clock::random_id(), clock::random_id())
    }

    /// All zeros is invalid for the trace as for the span.
    fn new(high: u64, low: u64, span: u64) -> Self {
        Self { id: format!("{high:016x}{:016x}", low | 1), span: span | 1 }
    }

    /// What the origin logs as `trace_id`.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    fn parent(&self) -> String {
        format!("00-{}-{:016x}-00", self.id, self.span)
    }
}

/// What matters of a response's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Head {
    status: u16,
    now: Option<String>,
    age: Option<String>,
    market: Option<String>,
    content_length: Option<String>,
}

impl Head {
    fn of(response: &Response) -> Self {
        let header = |name| response.headers().get(name).ok().flatten();
        Self {
            status: response.status(),
            now: header(PRICECAST_NOW),
            age: header("age"),
            market: header(PRICECAST_MARKET),
            content_length: header("content-length"),
        }
    }

    /// Whether the body is worth reading.
    fn check(&self) -> Result<(), Failure> {
        if self.status != 200 {
            return Err(Failure::Status(self.status));
        }
        match self.content_length.as_deref().and_then(|len| len.parse().ok()) {
            Some(len) if len > BODY_LEN_MAX => Err(Failure::TooLong(len)),
            _ => Ok(()),
        }
    }

    fn with_body(self, sent_at: EdgeMillis, body: String) -> Result<RawCopy, Failure> {
        Ok(RawCopy {
            sent_at,
            origin_sent_at: self.origin_sent_at().ok_or(Failure::NoStamp)?,
            is_custom_market: self.market.as_deref() == Some(MARKET_CUSTOM),
            body,
        })
    }

    /// The origin's clock when the answer reached us at the latest. A cache on the way (there
    /// should be none) says by `Age` how long it kept the answer.
    fn origin_sent_at(&self) -> Option<UnixMillis> {
        let now_ms: u64 = self.now.as_deref()?.parse().ok()?;
        let kept_ms = match self.age.as_deref() {
            Some(age) => {
                let age_s: u64 = age.trim().parse().ok()?;
                age_s.saturating_add(AGE_ROUNDING_S).saturating_mul(1_000)
            }
            None => 0,
        };
        let origin_now_ms = now_ms.saturating_add(kept_ms);
        (origin_now_ms <= STAMP_MAX_MS).then(|| UnixMillis::from_ms(origin_now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(now: Option<&str>, age: Option<&str>) -> Head {
        Head {
            status: 200,
            now: now.map(str::to_owned),
            age: age.map(str::to_owned),
            ..Head::default()
        }
    }

    #[test]
    fn a_cache_on_the_way_makes_the_answer_older_never_younger() {
        for (now, age, expected) in [
            (Some("1706900000000"), None, Some(1_706_900_000_000)),
            (Some("1706900000000"), Some("0"), Some(1_706_900_001_000)),
            (Some("1706900000000"), Some("7"), Some(1_706_900_008_000)),
            (Some("1706900000000"), Some("soon"), None),
            (Some("1706900000000"), Some("18446744073709551615"), None),
            (Some("9007199254740991"), None, Some(9_007_199_254_740_991)),
            (Some("9007199254740992"), None, None),
            (Some("-1"), None, None),
            (Some("1e3"), None, None),
            (Some(""), None, None),
            (None, None, None),
        ] {
            let stamp = head(now, age).origin_sent_at().map(UnixMillis::as_ms);
            assert_eq!(stamp, expected, "{now:?} {age:?}");
        }
    }

    #[test]
    fn only_a_200_of_a_sane_length_is_read() {
        let with = |status, len: Option<&str>| Head {
            status,
            content_length: len.map(str::to_owned),
            ..Head::default()
        };
        assert!(with(200, None).check().is_ok());
        assert!(with(200, Some("1048576")).check().is_ok());
        assert!(matches!(with(200, Some("1048577")).check(), Err(Failure::TooLong(_))));
        for status in [204, 301, 304, 403, 429, 500, 503] {
            assert!(matches!(with(status, None).check(), Err(Failure::Status(s)) if s == status));
        }
    }

    #[test]
    fn a_trace_is_never_all_zeros() {
        let trace = Trace::new(0, 0, 0);
        assert_eq!(trace.parent(), "00-00000000000000000000000000000001-0000000000000001-00");
        let trace = Trace::new(u64::MAX, 2, 4);
        assert_eq!(trace.id(), "ffffffffffffffff0000000000000003");
        assert_eq!(trace.parent(), "00-ffffffffffffffff0000000000000003-0000000000000005-00");
    }
}
