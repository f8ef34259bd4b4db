//! Starting a simulator inside a test, and steering it.

use crate::clock::SimClock;
use crate::decimal::Decimal;
use crate::fault::{Fault, FaultSpec, SpecError, Target};
use crate::http;
use crate::market::{Generator, Market, Pace, Venue};
use crate::options::{DEFAULT_SYMBOLS, Options};
use crate::replay::{Replay, ReplayError};
use crate::script::ScriptEntry;
use crate::sim::Sim;
use crate::stats::Stats;
use crate::truth::Truth;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An option is impossible.
    #[error("{0}")]
    Options(String),
    /// The recording cannot be replayed.
    #[error("replay: {0}")]
    Replay(#[from] ReplayError),
    /// An entry of the script makes no sense for this market.
    #[error("script, entry {entry}: {source}")]
    Script {
        /// Counted from 1.
        entry: usize,
        /// What is wrong.
        source: SpecError,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// What was asked for.
        listen: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// A running simulator. Dropping it closes the listener and every socket, a moment later;
/// [`Handle::stop`] waits for it.
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    sim: Arc<Sim>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a simulator on the current tokio runtime.
///
/// # Errors
/// [`StartError`] when the options are impossible or the address is taken.
pub async fn start(mut options: Options) -> Result<Handle, StartError> {
    if let Some(problem) = options.problem() {
        return Err(StartError::Options(problem));
    }
    let clock = SimClock::start();
    let market = market(&options, &clock)?;
    let script = std::mem::take(&mut options.script);
    let listen = options.listen;
    let failed = |source| StartError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let sim = Arc::new(Sim::new(options, clock, market));
    sim.play(script).map_err(|(entry, source)| StartError::Script { entry, source })?;
    let driver = Arc::clone(&sim);
    let tasks = vec![
        tokio::spawn(async move { driver.drive().await }),
        tokio::spawn(accept(Arc::clone(&sim), listener)),
    ];
    Ok(Handle { addr, sim, tasks })
}

fn market(options: &Options, clock: &SimClock) -> Result<Market, ReplayError> {
    let pace = Pace {
        seed: options.seed,
        speed: options.speed,
        update_hz: options.update_hz,
        epoch_us: clock.start_epoch_us(),
    };
    let Some(path) = &options.replay else {
        let symbols = options.symbols.clone();
        let symbols = symbols.unwrap_or_else(|| DEFAULT_SYMBOLS.map(str::to_owned).to_vec());
        return Ok(Generator::market(&symbols, pace));
    };
    Ok(match Replay::read(path, options.symbols.as_deref())? {
        Replay::Candles(paths) => {
            let end_us = paths.iter().map(|(_, path)| path.end_us()).max().unwrap_or(0);
            let seconds = end_us / 1_000_000 / i64::from(options.speed);
            tracing::info!(file = %path.display(), seconds, "replaying candles; at their end the last close holds");
            Generator::replay(paths, pace)
        }
        Replay::Frames(recording) => {
            tracing::info!(file = %path.display(), "replaying frames; at their end they start again");
            recording.market(options.speed, pace.epoch_us)
        }
    })
}

async fn accept(sim: Arc<Sim>, listener: TcpListener) {
    // Ends with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let sim = Arc::clone(&sim);
                    connections.spawn(async move {
                        if let Err(error) = http::serve(sim, stream).await {
                            tracing::debug!(%peer, %error, "connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others must be closed first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Handle {
    /// `ws://…/v2`, to be used as Kraken's URL.
    #[must_use]
    pub fn kraken_url(&self) -> String {
        format!("ws://{}/v2", self.addr)
    }

    /// `http://…`, to be used instead of `https://api.coinbase.com`.
    #[must_use]
    pub fn coinbase_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Injects a fault on a whole venue until it is cleared.
    ///
    /// # Errors
    /// [`SpecError`] when the venue cannot have it.
    pub fn fault(&self, target: impl Into<Target>, fault: Fault) -> Result<u64, SpecError> {
        self.inject(FaultSpec::new(target, fault))
    }

    /// Injects a fault; answers with its id.
    ///
    /// # Errors
    /// [`SpecError`] when it makes no sense here.
    pub fn inject(&self, spec: FaultSpec) -> Result<u64, SpecError> {
        self.sim.inject(spec)
    }

    /// Plays a script, its times counted from now.
    ///
    /// # Errors
    /// The number of a wrong entry, counted from 1, and what is wrong with it.
    pub fn play(&self, script: Vec<ScriptEntry>) -> Result<(), (usize, SpecError)> {
        self.sim.play(script)
    }

    /// Ends every fault.
    pub fn clear(&self) {
        self.sim.clear();
    }

    /// Ends one fault; says whether it was active.
    pub fn clear_one(&self, id: u64) -> bool {
        self.sim.clear_one(id)
    }

    /// The price history of the last minutes.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.sim.truth(None)
    }

    /// Connections, requests and subscriptions so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.sim.counters.read()
    }

    /// Makes `price` the venue's last price until its next tick; says whether the symbol exists.
    pub fn set_price(&self, venue: Venue, symbol: &str, price: Decimal) -> bool {
        self.sim.set_price(venue, symbol, price)
    }

    /// Closes everything and waits until the port is free again.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // Cancelled, which is what was asked for.
            let _ = task.await;
        }
    }

    /// Epoch ms on the simulator's clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.sim.clock.now_ms()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
