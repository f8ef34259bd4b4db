//! The binary `market-sim`: the fake exchanges as a process of their own.

use clap::Parser;
use market_sim::{Options, ScriptError, StartError, UnknownProduct, Venue, read_script, start};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// sysexits.h EX_USAGE: the flags or files are wrong, starting again will not help.
const EX_USAGE: u8 = 64;

/// A fake Kraken (WebSocket v2) and a fake Coinbase (REST) on loopback.
///
/// One port carries /v2 (Kraken), /api/v3/brokerage/market/products (Coinbase) and /control/…
/// (faults, truth, counters). The prices are simulated.
#[derive(Debug, Parser)]
#[command(name = "market-sim", version)]
struct Flags {
    /// Address and port; port 0 takes a free one.
    #[arg(long, env = "MARKET_SIM_LISTEN", default_value = "127.0.0.1:9900")]
    listen: SocketAddr,
    /// Symbols to trade, comma-separated [default: BTC,ETH,SOL,XRP,DOGE, or the replay's].
    #[arg(long, env = "MARKET_SIM_SYMBOLS", value_delimiter = ',')]
    symbols: Option<Vec<String>>,
    /// Seed of the generated prices.
    #[arg(long, env = "MARKET_SIM_SEED", default_value_t = 42)]
    seed: u64,
    /// Replay a .csv of candles or an .ndjson of Kraken frames instead of generating prices.
    #[arg(long, env = "MARKET_SIM_REPLAY", value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Market seconds per second: 60 plays a candle minute per second.
    #[arg(long, env = "MARKET_SIM_SPEED", default_value_t = 1)]
    speed: u32,
    /// Faults with times: a .toml or .json file.
    #[arg(long, env = "MARKET_SIM_SCRIPT", value_name = "FILE")]
    script: Option<PathBuf>,
    /// Kraken updates per second over all symbols together; 0 for a market that stands still.
    #[arg(long, env = "MARKET_SIM_UPDATE_HZ", value_name = "HZ", allow_negative_numbers = true)]
    update_hz: Option<f64>,
    /// Symbols that Kraken does not list, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "SYMBOLS")]
    kraken_without: Vec<String>,
    /// Symbols that Coinbase does not list, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "SYMBOLS")]
    coinbase_without: Vec<String>,
    /// Coinbase refuses a whole list for one unknown product, instead of leaving it out.
    #[arg(long)]
    refuse_unknown_products: bool,
    /// Enforce the exchanges' limits: 150 Kraken connections per 10 min, 10 Coinbase requests/s.
    #[arg(long)]
    enforce_limits: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            // Nothing is left to tell when even stderr is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EX_USAGE } else { 0 });
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market-sim: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let usage = match error.downcast_ref::<StartError>() {
        Some(StartError::Listen { .. }) => false,
        Some(_) => true,
        None => error.is::<ScriptError>(),
    };
    if usage { EX_USAGE } else { 1 }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let seed = flags.seed;
    // Before the ready line: whoever reads it may send a signal at once.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let handle = start(options(flags)?).await?;
    println!("market-sim ready on http://{} (seed {seed})", handle.addr);
    std::io::stdout().flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    Ok(())
}

fn options(flags: Flags) -> Result<Options, ScriptError> {
    let script = flags.script.as_deref().map(read_script).transpose()?.unwrap_or_default();
    let kraken = flags.kraken_without.into_iter().map(|symbol| (Venue::Kraken, symbol));
    let coinbase = flags.coinbase_without.into_iter().map(|symbol| (Venue::Coinbase, symbol));
    let unknown_product = match flags.refuse_unknown_products {
        true => UnknownProduct::RefuseAll,
        false => UnknownProduct::LeftOut,
    };
    Ok(Options {
        listen: flags.listen,
        symbols: flags.symbols,
        replay: flags.replay,
        script,
        seed: flags.seed,
        speed: flags.speed,
        update_hz: flags.update_hz,
        unlisted: kraken.chain(coinbase).collect(),
        unknown_product,
        enforce_limits: flags.enforce_limits,
        ..Options::default()
    })
}
