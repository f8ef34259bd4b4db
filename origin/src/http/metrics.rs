//! The metrics listener: `GET /metrics`, apart from the public face and meant for loopback. It answers
//! the probes too, so that no crowd at the public listener stands in front of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use pricecast_wire::Resource;

use super::Site;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The router of the metrics listener.
pub fn metrics_router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/metrics", get(print))
        .route(
            "/live",
            get(|State(site): State<Arc<Site>>| async move { probe(&site, Resource::Live) }),
        )
        .route(
            "/ready",
            get(|State(site): State<Arc<Site>>| async move { probe(&site, Resource::Ready) }),
        )
        .with_state(site)
}

async fn print(State(site): State<Arc<Site>>) -> Response {
    let snapshot = site.store.snapshot();
    let text = site.metrics.encode(snapshot.as_deref(), site.clock.now());
    ([(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")], text).into_response()
}

fn probe(site: &Site, resource: Resource) -> Response {
    let reply = site.represent(resource, &http::HeaderMap::new());
    reply.into_response(false, site.cors.allow(None), &site.common, site.clock.now())
}
