//! `pricecast-origin`: arguments → configuration → log → run → exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use pricecast_origin::app::{self, Listeners};
use pricecast_origin::config::Config;
use pricecast_origin::config_file::{file_in, load};
use pricecast_origin::supervise::Drill;
use pricecast_origin::{healthcheck, shutdown, telemetry};
use tracing::error;

/// Bad configuration (`EX_USAGE` of sysexits.h): told before any port is bound.
const EXIT_CONFIG: u8 = 64;

/// One feed of crypto prices from Kraken and Coinbase, over HTTP.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file [default: ./pricecast.toml, if it is there]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Print the configuration in force and end
    #[arg(long)]
    print_config: bool,
    /// Check the configuration and end
    #[arg(long)]
    check: bool,
    /// Ask the origin that runs here with this configuration whether it lives, and end
    #[arg(long)]
    healthcheck: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match load(arguments.config.as_deref(), &[]) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if arguments.print_config {
        print!("{}", config.to_toml());
        return ExitCode::SUCCESS;
    }
    if arguments.check {
        let file = file_in(arguments.config.as_deref());
        let read = file.map_or("no file".to_owned(), |path| path.display().to_string());
        println!("config: ok ({read}, and the environment)");
        return ExitCode::SUCCESS;
    }
    if arguments.healthcheck {
        return match healthcheck::ask(config.metrics.listen) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("healthcheck: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    telemetry::init(&config.log);
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = format!("{error:#}"), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    let stop = shutdown::on_signal().context("listen for SIGINT and SIGTERM")?;
    let listeners = Listeners::bind(&config)?;
    app::run(config, listeners, stop, Drill::default()).await
}
