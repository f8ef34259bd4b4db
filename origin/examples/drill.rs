//! The origin with a lever to break it by, for tests and drills: configured as `pricecast-origin`
//! is, by its environment alone. The product itself has no such lever.
//!
//! ```text
//! POST /panic/kraken     has a task panic (any name of `Task`)
//! POST /block/2000       blocks every thread of the runtime for that many milliseconds
//! ```

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use pricecast_origin::app::{self, Listeners};
use pricecast_origin::config::Config;
use pricecast_origin::supervise::{Drill, Task};
use pricecast_origin::{shutdown, telemetry};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::load(None, std::env::vars())?;
    telemetry::init(&config.log);
    let stop = shutdown::on_signal().context("listen for SIGINT and SIGTERM")?;
    let listeners = Listeners::bind(&config)?;
    let drill = Drill::default();
    let lever = TcpListener::bind("127.0.0.1:0").await.context("listen for the lever")?;
    eprintln!("drill: the lever is at http://{}", lever.local_addr()?);
    let router = axum::Router::new()
        .route("/panic/{task}", post(panic_in))
        .route("/block/{ms}", post(block))
        .with_state(drill.clone());
    tokio::spawn(async move { axum::serve(lever, router).await });
    app::run(config, listeners, stop, drill).await
}

async fn panic_in(State(drill): State<Drill>, Path(name): Path<String>) -> StatusCode {
    match Task::ALL.into_iter().find(|task| task.as_str() == name) {
        Some(task) => {
            drill.strike(task);
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

/// Each thread of the runtime gets a task that waits for the others and then sleeps.
async fn block(Path(ms): Path<u64>) -> StatusCode {
    let threads = Handle::current().metrics().num_workers();
    let all_here = Arc::new(Barrier::new(threads));
    for _ in 0..threads {
        let all_here = Arc::clone(&all_here);
        tokio::spawn(async move {
            all_here.wait();
            thread::sleep(Duration::from_millis(ms));
        });
    }
    StatusCode::NO_CONTENT
}
