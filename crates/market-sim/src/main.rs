//! The binary `market-sim`: the fake exchanges as a process of their own.

use clap::Parser;
use market_sim::{DEFAULT_SYMBOLS, Options, start};
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

/// sysexits.h EX_USAGE: the flags or files are wrong, starting again will not help.
const EX_USAGE: u8 = 64;

/// A fake Kraken (WebSocket v2) and a fake Coinbase (REST) on loopback.
#[derive(Debug, Parser)]
#[command(name = "market-sim", version)]
struct Flags {
    /// Address and port; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9900")]
    listen: SocketAddr,
    /// Symbols to trade, comma-separated.
    #[arg(long, value_delimiter = ',', default_values_t = DEFAULT_SYMBOLS.map(str::to_owned))]
    symbols: Vec<String>,
    /// Seed of the generated prices.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Market seconds per second.
    #[arg(long, default_value_t = 1)]
    speed: u32,
    /// Kraken updates per second over all symbols together; 0 for a market that stands still.
    #[arg(long)]
    update_hz: Option<f64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EX_USAGE } else { 0 });
        }
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let seed = flags.seed;
    let handle = start(Options {
        listen: flags.listen,
        symbols: flags.symbols,
        seed,
        speed: flags.speed,
        update_hz: flags.update_hz,
        ..Options::default()
    })
    .await?;
    println!("market-sim ready on http://{} (seed {seed})", handle.addr);
    std::io::stdout().flush()?;
    wait_for_signal().await?;
    Ok(())
}

async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
