//! Answers as plain data: status, headers, body. Every one sets its `Cache-Control`.

use std::borrow::Cow;
use std::rc::Rc;

use pricecast_core::UnixMillis;
use pricecast_core::cache_policy::Served;
use pricecast_wire::headers::{
    self, CACHE_STATUS, CDN_CACHE_CONTROL, CLOUDFLARE_CDN_CACHE_CONTROL, EXPOSE_HEADERS, JSON,
    MARKET_CUSTOM, NO_STORE, PREFLIGHT, PRICECAST_EDGE_VERSION, PRICECAST_MARKET, PRICECAST_NOW,
    PROBLEM_JSON, SECURITY, SERVER_TIMING, STATUS_CACHE_CONTROL,
};
use pricecast_wire::{Cors, Problem, ProblemCode, if_none_match};

use crate::asked::Asked;
use crate::config::EdgeConfig;
use crate::document::Document;
use crate::kept::Rendered;

/// The grid, in ms, of the `Pricecast-Now` the edge sends: rounded up, so it errs towards older.
pub(crate) const STAMP_GRID_MS: u64 = 100;

/// A response, not yet an object of the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    pub(crate) body: Option<Rc<str>>,
}

/// What a request has been through before its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waited {
    /// Since it came.
    pub(crate) ms: u64,
    /// Whether it looked again at least once.
    pub(crate) has_waited: bool,
    /// Whether nothing was in memory when it came.
    pub(crate) began_cold: bool,
    /// Whether it started a refresh itself.
    pub(crate) has_started: bool,
}

/// What distinguishes one answer from a copy from the next.
pub(crate) struct Page<'a> {
    pub(crate) document: Document,
    pub(crate) rendered: &'a Rendered,
    pub(crate) is_custom_market: bool,
    pub(crate) origin_now: UnixMillis,
    pub(crate) served: Served,
    pub(crate) waited: Waited,
}

impl Answer {
    /// What is held.
    pub(crate) fn held(config: &EdgeConfig, asked: &Asked, page: &Page<'_>) -> Self {
        let cache_control = match page.document {
            Document::Prices => config.client_max_age.cache_control(),
            Document::Status => STATUS_CACHE_CONTROL,
        };
        let mut headers = vec![
            ("content-type", JSON.into()),
            ("cache-control", cache_control.into()),
            ("etag", page.rendered.etag.to_string().into()),
            (CACHE_STATUS, cache_status(page.served, page.waited).into()),
            (PRICECAST_NOW, stamp(page.origin_now.plus_ms(config.unseen_ms())).to_string().into()),
        ];
        match page.document {
            Document::Prices if config.cache_in_front => {
                headers.push((CLOUDFLARE_CDN_CACHE_CONTROL, CDN_CACHE_CONTROL.into()));
            }
            Document::Prices => {}
            Document::Status => {
                headers.push((PRICECAST_EDGE_VERSION, env!("CARGO_PKG_VERSION").into()));
            }
        }
        if page.is_custom_market {
            headers.push((PRICECAST_MARKET, MARKET_CUSTOM.into()));
        }
        if page.waited.has_waited {
            headers.push((SERVER_TIMING, format!("wait;dur={}", page.waited.ms).into()));
        }
        common(&mut headers, config, asked);
        Self { status: 200, headers, body: Some(Rc::clone(&page.rendered.body)) }
    }

    /// 304 in its place where the caller holds it already.
    pub(crate) fn unless_known(self, asked: &Asked) -> Self {
        let is_known = match (&asked.if_none_match, self.header("etag")) {
            (Some(header), Some(etag)) => if_none_match(header, etag),
            _ => false,
        };
        if is_known { self.into_not_modified() } else { self }
    }

    /// The 304 that stands for it: of the body nothing is said, so that no cache takes over what it is not given.
    pub(crate) fn into_not_modified(mut self) -> Self {
        self.headers.retain(|(name, _)| *name != "content-type");
        Self { status: 304, body: None, ..self }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_ref())
    }

    /// 503: nothing was ever known here.
    pub(crate) fn no_data(
        config: &EdgeConfig,
        document: Document,
        asked: &Asked,
        waited: Waited,
    ) -> Self {
        let problem = match document {
            Document::Prices => ProblemCode::NoDataYet.into(),
            Document::Status => {
                Problem::with_detail(ProblemCode::NoDataYet, "No status is known here yet.")
            }
        };
        let mut answer = Self::problem(&problem, &config.cors, config.hsts.as_deref(), asked);
        answer.headers.push((CACHE_STATUS, "pricecast; fwd=miss; detail=no-data".into()));
        if waited.has_waited {
            answer.headers.push((SERVER_TIMING, format!("wait;dur={}", waited.ms).into()));
        }
        answer
    }

    /// An error that needs no data to be told.
    pub(crate) fn refused(config: &EdgeConfig, asked: &Asked, code: ProblemCode) -> Self {
        Self::problem(&code.into(), &config.cors, config.hsts.as_deref(), asked)
    }

    /// 500 where there is no configuration to go by. Anyone may read why.
    pub(crate) fn misconfigured(problem: &Problem, asked: &Asked) -> Self {
        Self::problem(problem, &Cors::Any, None, asked)
    }

    fn problem(problem: &Problem, cors: &Cors, hsts: Option<&str>, asked: &Asked) -> Self {
        let mut headers =
            vec![("content-type", PROBLEM_JSON.into()), ("cache-control", NO_STORE.into())];
        if let Some(seconds) = problem.code.retry_after_s() {
            headers.push(("retry-after", seconds.to_string().into()));
        }
        if let Some(methods) = problem.code.allow() {
            headers.push(("allow", methods.into()));
        }
        add_common(&mut headers, cors, hsts, asked);
        Self { status: problem.code.status(), headers, body: Some(problem.to_json().into()) }
    }

    /// 204 to OPTIONS.
    pub(crate) fn preflight(config: &EdgeConfig, asked: &Asked) -> Self {
        let mut headers = vec![("cache-control", NO_STORE.into())];
        headers.extend(PREFLIGHT.map(|(name, value)| (name, value.into())));
        common(&mut headers, config, asked);
        Self { status: 204, headers, body: None }
    }

    /// The edge's view of itself.
    pub(crate) fn health(config: &EdgeConfig, asked: &Asked, body: String) -> Self {
        let mut headers = vec![("content-type", JSON.into()), ("cache-control", NO_STORE.into())];
        common(&mut headers, config, asked);
        Self { status: 200, headers, body: Some(body.into()) }
    }
}

/// The value of `Pricecast-Now`.
pub(crate) fn stamp(origin_now: UnixMillis) -> UnixMillis {
    origin_now.ceil_to_ms(STAMP_GRID_MS)
}

type Headers = Vec<(&'static str, Cow<'static, str>)>;

fn common(headers: &mut Headers, config: &EdgeConfig, asked: &Asked) {
    add_common(headers, &config.cors, config.hsts.as_deref(), asked);
}

/// What every answer carries.
fn add_common(headers: &mut Headers, cors: &Cors, hsts: Option<&str>, asked: &Asked) {
    let allowed = cors.allow(asked.origin.as_deref());
    if let Some(value) = allowed.value {
        headers.push(("access-control-allow-origin", value.to_owned().into()));
        headers.push(("access-control-expose-headers", EXPOSE_HEADERS.into()));
    }
    if allowed.varies {
        headers.push(("vary", "Origin".into()));
    }
    if let Some(value) = hsts {
        headers.push((headers::STRICT_TRANSPORT_SECURITY, value.to_owned().into()));
    }
    headers.extend(SECURITY.map(|(name, value)| (name, value.into())));
}

/// How the answer came about (RFC 9211).
fn cache_status(served: Served, waited: Waited) -> &'static str {
    match (served, waited) {
        (Served::LastKnown, _) => "pricecast; hit; ttl=-1; detail=last-known",
        (_, Waited { has_waited: false, .. }) => match served {
            Served::Hit => "pricecast; hit",
            _ => "pricecast; hit; ttl=0; detail=revalidating",
        },
        (_, Waited { began_cold: true, has_started: true, .. }) => "pricecast; fwd=miss; stored",
        (_, Waited { began_cold: true, .. }) => "pricecast; fwd=miss; collapsed",
        (_, Waited { has_started: true, .. }) => "pricecast; fwd=stale; stored",
        _ => "pricecast; fwd=stale; collapsed",
    }
}
