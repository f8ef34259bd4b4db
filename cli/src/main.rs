//! The binary `pricecast`.

mod cost;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// sysexits.h EX_USAGE: asking again in the same way will not help.
const EX_USAGE: u8 = 64;

/// Prices for millions of phones, at most five seconds old.
#[derive(Debug, Parser)]
#[command(name = "pricecast", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a month costs at Cloudflare, line by line.
    Cost(cost::CostFlags),
}

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            // Help and version come this way too, and are no mistake.
            let code = if error.use_stderr() { EX_USAGE } else { 0 };
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    let Command::Cost(cost) = flags.command;
    match cost.answer() {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("pricecast cost: {error}");
            ExitCode::from(EX_USAGE)
        }
    }
}
