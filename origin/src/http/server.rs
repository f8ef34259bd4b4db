//! Accepts connections and serves a router on them, with deadlines on every phase: a client that
//! sends its head slowly, reads slowly or does nothing is cut off.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::deadlines::Deadlines;
use super::limits::{ConnectionLimits, Hindrance};
use super::notice::{Notice, Seldom};
use super::peer::{Door, Guest, Peer};
use super::strict_lines::StrictLines;
use crate::config::Config;
use crate::metrics::Metrics;

/// From a connection's first moment until its first whole request head has come: 5 s, less what a
/// timer and a busy machine may be late.
const FIRST_HEAD_WITHIN: Duration = Duration::from_millis(4_500);
/// The same for a connection that will only be told why it is not served.
const REFUSED_HEAD_WITHIN: Duration = Duration::from_secs(1);
/// From an answer until the next whole head has come, so idle connections are closed too: 10 s,
/// likewise.
const NEXT_HEAD_WITHIN: Duration = Duration::from_millis(9_500);
/// hyper answers longer heads itself, with a bare 431; from 16 KiB on we do, and say why.
const HEAD_LEN_MAX: usize = 32 * 1_024;
/// After an error of `accept`, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// After the order to stop: until a request sent before it has been read.
const LAST_HEADS_WITHIN: Duration = Duration::from_millis(200);

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// How long requests under way may take after the order to stop.
    pub drain: Duration,
}

impl ServeOptions {
    /// As configured, and as the process's limit on open files permits.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let files_max = files_max();
        let http = &config.http;
        let connections = ConnectionLimits::new(config, files_max);
        let served_max = connections.served_max;
        if served_max < http.connections_max {
            info!(
                served_max,
                files_max,
                "only {served_max} connections are served at a time (http.connections_max is {}): \
                 the process may open too few files for more (ulimit -n)",
                http.connections_max
            );
        }
        Self { connections, drain: http.drain }
    }
}

/// How many files the process may open; `None` if that is not known or not limited.
#[cfg(target_os = "linux")]
fn files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(target_os = "linux"))]
const fn files_max() -> Option<u64> {
    None
}

/// Serves `router` on `listener` until `stop` is called; then takes no more connections and
/// finishes the requests under way.
pub async fn serve(
    listener: Arc<TcpListener>,
    router: Router,
    options: ServeOptions,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let door = Door::new(options.connections);
    let graceful = GracefulShutdown::new();
    // Returns the limit for which it, or another, was closed without a word.
    let admit = |(stream, address): (TcpStream, SocketAddr)| {
        let Guest { peer, end, made_room } = match door.admit(address.ip()) {
            Ok(guest) => guest,
            Err(limit) => return Some(limit),
        };
        let connection = graceful.watch(connection(stream, Arc::clone(&peer), router.clone()));
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let _open = metrics.http_connection();
            if let Some(Err(error)) = end.run_until_cancelled(connection).await {
                debug!(error = %error, "a connection ended: {error}");
            }
            if peer.is_too_slow() {
                metrics.http_limited(Hindrance::TooSlow.as_str());
            }
        });
        made_room
    };
    let notice = Notice::default();
    let trouble = AcceptTrouble::new(Arc::clone(&metrics));
    while let Some(accepted) = accept(&listener, &door, &trouble, &stop).await {
        if let Some(limit) = admit(accepted) {
            metrics.http_limited(limit.as_str());
            notice.closed(limit, Instant::now());
            // Whoever has been let in is to be read before many more can take its place.
            yield_now().await;
        }
    }
    // Whoever was let in before the order to stop is answered too.
    while let Some(Ok(accepted)) = listener.accept().now_or_never() {
        let _ = admit(accepted);
    }
    drop(listener);
    // hyper closes a connection of which it has read nothing yet, whatever is on its way there.
    sleep(LAST_HEADS_WITHIN.min(options.drain)).await;
    if timeout(options.drain, graceful.shutdown()).await.is_err() {
        let drain_ms = options.drain.as_millis();
        warn!(drain_ms, "some requests were not finished within {drain_ms} ms; cut off");
    }
}

/// Speaks HTTP/1 on `stream` and lets `router` answer, which finds the [`Peer`] in each request.
fn connection(
    stream: TcpStream,
    peer: Arc<Peer>,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    // Answers are one packet: waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let head_within =
        if peer.refusal().is_none() { FIRST_HEAD_WITHIN } else { REFUSED_HEAD_WITHIN };
    let stream = Deadlines::new(stream, Arc::clone(&peer), head_within);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        peer.note_asked();
        request.extensions_mut().insert(Arc::clone(&peer));
        router.call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_HEAD_WITHIN)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(StrictLines::new(stream)), service)
}

/// The next connection; `None` once `stop` is called.
async fn accept(
    listener: &TcpListener,
    door: &Door,
    trouble: &AcceptTrouble,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    stop.run_until_cancelled(async {
        loop {
            door.room().await;
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => trouble.pause_after(&error).await,
            }
        }
    })
    .await
}

/// Counts errors of `accept`, and tells of them now and then: they come in thousands.
struct AcceptTrouble {
    metrics: Arc<Metrics>,
    told: Seldom,
}

impl AcceptTrouble {
    fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, told: Seldom::default() }
    }

    async fn pause_after(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset) {
            return;
        }
        self.metrics.http_limited(Hindrance::AcceptFailed.as_str());
        if self.told.is_due(Instant::now()) {
            warn!(error = %error, "accept a connection: {error}; tried again and again");
        }
        sleep(ACCEPT_PAUSE).await;
    }
}
