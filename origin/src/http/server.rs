//! Accepts connections and serves a router on them, with deadlines on every phase: a client that
//! sends its head slowly, reads slowly or does nothing is cut off.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::write_deadline::WriteDeadline;
use crate::metrics::Metrics;

/// From the first moment, or from the last answer, until a whole request head has come; so idle
/// connections are closed too.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A client that does not read for this long is cut off.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// hyper answers longer heads itself, with a bare 431.
const HEAD_LEN_MAX: usize = 64 * 1_024;
/// After an error of `accept`, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Connections open at a time; more wait in the listener's queue.
    pub connections_max: usize,
    /// How long requests under way may take after the order to stop.
    pub drain: Duration,
}

/// Serves `router` on `listener` until `stop` is called; then takes no more connections and
/// finishes the requests under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(options.connections_max));
    let graceful = GracefulShutdown::new();
    while let Some(stream) = accept(&listener, &places, &stop).await {
        let (stream, place) = stream;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_LEN_MAX);
        let io = TokioIo::new(WriteDeadline::new(stream, WRITE_WITHIN));
        let connection = http.serve_connection(io, TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            metrics.http_connections(1);
            if let Err(error) = connection.await {
                debug!(error = %error, "a connection ended: {error}");
            }
            metrics.http_connections(-1);
            drop(place);
        });
    }
    drop(listener);
    if timeout(options.drain, graceful.shutdown()).await.is_err() {
        let drain_ms = options.drain.as_millis();
        warn!(drain_ms, "some requests were not finished within {drain_ms} ms; cut off");
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection and its place; `None` once `stop` is called.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, Place)> {
    stop.run_until_cancelled(async {
        // Never closed, so a place comes.
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Answers are one packet: waiting for more only delays them.
                    let _ = stream.set_nodelay(true);
                    return Some((stream, place));
                }
                Err(error) => pause_after(&error).await,
            }
        }
    })
    .await
    .flatten()
}

async fn pause_after(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    info!(error = %error, "accept a connection: {error}");
    sleep(ACCEPT_PAUSE).await;
}
