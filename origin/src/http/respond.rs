//! From what is to be said to a response: every status gets Cache-Control, CORS, the security
//! headers and our clock. Header values are constants, integers and configured text only.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use pricecast_core::UnixMillis;
use pricecast_wire::headers::{self as wire, ClientMaxAge};
use pricecast_wire::{AllowOrigin, Encoding, Problem, ProblemCode, if_none_match};

use super::negotiate;
use crate::config::Config;
use crate::form::{Form, Forms};

/// Longest path and query, together.
const TARGET_LEN_MAX: usize = 2 * 1_024;
/// Most header lines, together.
const HEADERS_LEN_MAX: usize = 16 * 1_024;
/// What a header line is longer than its name and value.
const LINE_LEN: usize = ": \r\n".len();
/// One year, the usual choice.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");
const PRICECAST_NOW: HeaderName = HeaderName::from_static(wire::PRICECAST_NOW);
const PRICECAST_MARKET: HeaderName = HeaderName::from_static(wire::PRICECAST_MARKET);

/// What is to be said. Headers that every response carries are added later.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn new(status: StatusCode, cache_control: &'static str) -> Self {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        Self { status, headers, body: Bytes::new() }
    }

    pub(super) fn with_body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body;
        self
    }

    pub(super) fn json(status: StatusCode, body: String) -> Self {
        Self::new(status, wire::NO_STORE).with_body(wire::JSON, body.into())
    }

    /// A body that may be kept for a while, in the coding the client wants; 304 where it has that
    /// one already.
    pub(super) fn unless_known(
        forms: &Forms,
        request: &HeaderMap,
        cache_control: &'static str,
    ) -> Self {
        let form = forms.get(negotiate::encoding(request));
        let mut reply = if is_known(request, form) {
            Self::new(StatusCode::NOT_MODIFIED, cache_control)
        } else {
            let reply = Self::new(StatusCode::OK, cache_control);
            let mut reply = reply.with_body(wire::JSON, form.body());
            if form.encoding() == Encoding::Gzip {
                reply.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            reply
        };
        reply.headers.insert(header::ETAG, form.etag_header().clone());
        reply.headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        reply
    }

    pub(super) fn problem(problem: Problem) -> Self {
        let code = problem.code;
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::NOT_FOUND);
        let mut reply = Self::new(status, wire::NO_STORE)
            .with_body(wire::PROBLEM_JSON, problem.to_json().into());
        if let Some(seconds) = code.retry_after_s() {
            reply.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = code.allow() {
            reply.headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        reply
    }

    /// The connection ends with this answer: what follows on it is not read.
    pub(super) fn and_close(mut self) -> Self {
        self.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        self
    }

    pub(super) fn preflight() -> Self {
        let mut reply = Self::new(StatusCode::NO_CONTENT, wire::NO_STORE);
        for (name, value) in wire::PREFLIGHT {
            let name = HeaderName::from_static(name);
            reply.headers.insert(name, HeaderValue::from_static(value));
        }
        reply
    }

    /// Adds what every response carries. `now` is the clock at sending; it is told
    /// ahead by what caches on the way may hide.
    pub(super) fn into_response(
        self,
        is_head: bool,
        cors: AllowOrigin<'_>,
        common: &CommonHeaders,
        now: UnixMillis,
    ) -> Response {
        let Self { status, mut headers, body } = self;
        common.add_to(&mut headers);
        headers.insert(PRICECAST_NOW, HeaderValue::from(now.plus_ms(common.unseen_ms).as_ms()));
        if cors.varies {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(value) = cors.value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
        }
        let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if has_body {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let body = if is_head || !has_body { Body::empty() } else { Body::from(body) };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// The headers of every response, made once.
pub(super) struct CommonHeaders {
    headers: Vec<(HeaderName, HeaderValue)>,
    client_max_age: ClientMaxAge,
    unseen_ms: u64,
}

impl CommonHeaders {
    pub(super) fn new(config: &Config) -> Self {
        let mut headers: Vec<_> = wire::SECURITY
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let expose = HeaderValue::from_static(wire::EXPOSE_HEADERS);
        headers.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, expose));
        if config.http.hsts {
            headers.push((header::STRICT_TRANSPORT_SECURITY, HSTS));
        }
        if !config.is_real_market() {
            headers.push((PRICECAST_MARKET, HeaderValue::from_static(wire::MARKET_CUSTOM)));
        }
        let http = &config.http;
        Self { headers, client_max_age: http.client_max_age, unseen_ms: http.delivery.unseen_ms() }
    }

    pub(super) const fn client_max_age(&self) -> ClientMaxAge {
        self.client_max_age
    }

    fn add_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }
}

/// Whether any `If-None-Match` line names the form's tag.
fn is_known(request: &HeaderMap, form: &Form) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter();
    lines.filter_map(|line| line.to_str().ok()).any(|line| if_none_match(line, form.etag()))
}

/// The OpenAPI document.
pub(super) fn openapi(document: Bytes) -> Reply {
    Reply::new(StatusCode::OK, wire::OPENAPI_CACHE_CONTROL).with_body(wire::JSON, document)
}

/// What is wrong with a request that is larger than any of ours; `None` for an ordinary one.
pub(super) fn over_limit(request: &Request) -> Option<ProblemCode> {
    let headers = request.headers();
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let head_len: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_LEN).sum();
    let takes_none = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if target.len() > TARGET_LEN_MAX {
        Some(ProblemCode::UriTooLong)
    } else if head_len > HEADERS_LEN_MAX {
        Some(ProblemCode::HeadersTooLarge)
    } else if takes_none && announces_body(headers) {
        Some(ProblemCode::BodyNotAllowed)
    } else {
        None
    }
}

/// Whether a body follows the head.
pub(super) fn announces_body(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || headers.contains_key(header::TRANSFER_ENCODING)
}
