//! The metrics listener: `GET /metrics`, apart from the public face and meant for loopback.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::snapshot::Store;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Sources {
    metrics: Arc<Metrics>,
    store: Arc<Store>,
    clock: Clock,
}

/// The router of the metrics listener.
pub fn metrics_router(metrics: Arc<Metrics>, store: Arc<Store>, clock: Clock) -> Router {
    Router::new().route("/metrics", axum::routing::get(print)).with_state(Sources {
        metrics,
        store,
        clock,
    })
}

async fn print(State(sources): State<Sources>) -> Response {
    let snapshot = sources.store.snapshot();
    let text = sources.metrics.encode(snapshot.as_deref(), sources.clock.now());
    ([(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")], text).into_response()
}
