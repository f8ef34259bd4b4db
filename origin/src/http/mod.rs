//! The HTTP face: one function from request to response, over what the store holds. It never
//! sees an exchange, and no request causes any work upstream.

mod access;
mod address;
mod admission;
mod buckets;
mod deadlines;
mod gate;
mod health;
mod limits;
mod metrics;
mod negotiate;
mod notice;
mod peer;
mod prices;
mod respond;
pub mod server;
mod status;
mod strict_lines;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use pricecast_wire::{Call, Cors, Face, Problem, Resource, Verb, route};
use tokio::time::{Instant, sleep};
use tracing::{debug, error, warn};

pub use limits::ConnectionLimits;
pub(crate) use limits::limited_reasons;
pub use metrics::metrics_router;

use self::access::Access;
use self::gate::{Gate, Refusal};
use self::notice::{Notice, Seldom};
use self::peer::Peer;
use self::respond::{CommonHeaders, Reply};
use crate::clock::Clock;
use crate::config::{Config, Delivery};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::snapshot::Store;
use crate::status::Board;

/// A connection that is not served is told so after this time: whoever comes again at once does not
/// come often enough to be felt by those who are served.
const REFUSED_AFTER: Duration = Duration::from_millis(100);

/// What the face needs to answer.
pub struct Site {
    clock: Clock,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    board: Arc<Board>,
    gate: Gate,
    notice: Notice,
    edge_failures: Seldom,
    cors: Cors,
    common: CommonHeaders,
    delivery: Delivery,
    openapi: bytes::Bytes,
    is_real_market: bool,
}

impl Site {
    /// The face of a process configured by `config`.
    #[must_use]
    pub fn new(
        config: &Config,
        clock: Clock,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
        board: Arc<Board>,
    ) -> Self {
        Self {
            clock,
            store,
            metrics,
            health,
            board,
            gate: Gate::new(config),
            notice: Notice::default(),
            edge_failures: Seldom::default(),
            cors: config.http.cors.clone(),
            common: CommonHeaders::new(config),
            delivery: config.http.delivery,
            openapi: pricecast_wire::openapi_json().into(),
            is_real_market: config.is_real_market(),
        }
    }

    const fn face(&self) -> Face {
        match self.delivery {
            Delivery::Worker => Face::Origin,
            Delivery::Cdn | Delivery::TieredCdn => Face::OriginOfCdn,
        }
    }

    fn answer(&self, request: &Request, peer: Option<&Peer>) -> (Label, Reply) {
        let uri = request.uri();
        let called = route(self.face(), request.method().as_str(), uri.path(), uri.query());
        let is_probe =
            matches!(called, Ok(Call { resource: Resource::Live | Resource::Ready, .. }));
        let access = self.gate.access(request.headers());
        let proven = peer.filter(|_| access == Access::Edge);
        if let Some(limit) = proven.and_then(Peer::prove) {
            self.metrics.http_limited(limit.as_str());
            self.notice.closed(limit, Instant::now());
        }
        let permit = match self.gate.enter(access, peer, is_probe, self.clock.now()) {
            Ok(permit) => permit,
            Err(refusal) => return (Label::Refused, self.refuse(refusal)),
        };
        if let Some(code) = respond::over_limit(request) {
            return (Label::Refused, Reply::problem(code.into()).and_close());
        }
        match called {
            Ok(Call { resource, verb: Verb::Options }) => (Label::Of(resource), Reply::preflight()),
            Ok(Call { resource, verb: Verb::Get | Verb::Head }) => {
                let mut reply = self.represent(resource, request.headers());
                reply.body = permit.held_by(reply.body);
                (Label::Of(resource), reply)
            }
            Err(code) => (Label::Refused, Reply::problem(Problem::from(code))),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Reply {
        let reply = Reply::problem(refusal.problem().into());
        match refusal {
            Refusal::Limited(limit) => {
                self.metrics.http_limited(limit.as_str());
                self.notice.refused(limit, Instant::now());
                reply
            }
            // Whoever has no secret has no business with a connection.
            Refusal::Forbidden => reply.and_close(),
        }
    }

    fn represent(&self, resource: Resource, headers: &HeaderMap) -> Reply {
        let now = self.clock.now();
        match resource {
            Resource::Prices => match self.store.at(now) {
                Some(publication) => {
                    self.metrics.served(publication.snapshot(), now);
                    prices::reply(
                        &publication,
                        headers,
                        self.common.client_max_age(),
                        self.delivery,
                    )
                }
                None => prices::no_data_yet(),
            },
            Resource::Status => status::reply(self.board.report().as_deref(), headers),
            Resource::Live => health::live(),
            Resource::Ready => {
                let snapshot = self.store.snapshot();
                health::ready(snapshot.as_deref(), now, &self.health, self.is_real_market)
            }
            Resource::OpenApi => respond::openapi(self.openapi.clone()),
            // Not served by the origin: `route` never says so.
            Resource::Health => Reply::problem(pricecast_wire::ProblemCode::NotFound.into()),
        }
    }
}

/// What a request was about, for the metrics; bounded, whatever is asked.
#[derive(Clone, Copy)]
enum Label {
    Of(Resource),
    Refused,
}

impl Label {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Of(Resource::Prices) => "prices",
            Self::Of(Resource::Status) => "status",
            Self::Of(Resource::Live) => "live",
            Self::Of(Resource::Ready) => "ready",
            Self::Of(Resource::OpenApi) => "openapi",
            Self::Of(Resource::Health) => "health",
            Self::Refused => "none",
        }
    }
}

/// The router of the public listener. Paths are told apart by [`route`], the same code as at the
/// edge: exact, undecoded, no trailing slash.
pub fn router(site: Arc<Site>) -> Router {
    Router::new().fallback(serve).with_state(site)
}

async fn serve(State(site): State<Arc<Site>>, mut request: Request) -> Response {
    let began = Instant::now();
    let peer = request.extensions_mut().remove::<Arc<Peer>>();
    let (label, mut reply) = site.answer(&request, peer.as_deref());
    let is_refused = peer.as_ref().is_some_and(|peer| peer.refusal().is_some());
    if is_refused {
        sleep(REFUSED_AFTER).await;
    }
    let may_stay = peer.as_ref().is_none_or(|peer| site.gate.may_stay(peer));
    // What follows a body we do not read cannot be told from it.
    if is_refused || !may_stay || respond::announces_body(request.headers()) {
        reply = reply.and_close();
    }
    let is_head = request.method() == http::Method::HEAD;
    let origin = request.headers().get(http::header::ORIGIN).and_then(|value| value.to_str().ok());
    let now = site.clock.now();
    let response = reply.into_response(is_head, site.cors.allow(origin), &site.common, now);
    let status = response.status().as_u16();
    site.metrics.http_request(label.as_str(), status, began.elapsed().as_secs_f64());
    let trace = trace::TraceParent::of(request.headers());
    let trace_id = trace.as_ref().map(trace::TraceParent::trace_id);
    let parent_id = trace.as_ref().map(trace::TraceParent::parent_id);
    if status == 500 {
        error!(status, trace_id, parent_id, "a request failed with {status}");
    } else if status >= 400
        && peer.is_some_and(|peer| peer.is_proven())
        && site.edge_failures.is_due(Instant::now())
    {
        warn!(
            status,
            trace_id, parent_id, "the edge was answered {status}; told once a minute at the most"
        );
    } else {
        debug!(status, trace_id, parent_id, resource = label.as_str(), "answered {status}");
    }
    response
}

#[cfg(test)]
mod delivery_tests;
#[cfg(test)]
mod tests;
