//! The binary `pricecast`.

mod cost;
mod doctor;
mod replay;
mod text;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// sysexits.h EX_USAGE: asking again in the same way will not help.
const EX_USAGE: u8 = 64;
/// sysexits.h EX_DATAERR: what was given cannot be read.
const EX_DATAERR: u8 = 65;

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
    Replay(replay::ReplayFlags),
    Doctor(doctor::DoctorFlags),
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
    match flags.command {
        Command::Cost(cost) => price(&cost),
        Command::Replay(replay) => run_again(&replay),
        Command::Doctor(doctor) => look(&doctor),
    }
}

fn price(flags: &cost::CostFlags) -> ExitCode {
    match flags.answer() {
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

fn run_again(flags: &replay::ReplayFlags) -> ExitCode {
    match flags.run(&mut std::io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("pricecast replay: {error}");
            ExitCode::from(EX_DATAERR)
        }
    }
}

fn look(flags: &doctor::DoctorFlags) -> ExitCode {
    match flags.run(&mut std::io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("pricecast doctor: {error:#}");
            ExitCode::FAILURE
        }
    }
}
