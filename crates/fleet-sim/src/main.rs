//! `fleet-sim`: simulates the fleet and writes its figures as JSON.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use fleet_sim::{Report, Row};

/// Five million phones in virtual time.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The same seed gives the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the list of scenarios and deliveries.
    #[arg(long, default_value = "target/fleet.json")]
    out: PathBuf,
    /// Where to write everything else as well.
    #[arg(long, default_value = "target/fleet-report.json")]
    report: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    println!("fleet: seed {}", arguments.seed);
    let told = AtomicUsize::new(0);
    let report = Report::new(arguments.seed, |thousandths| {
        let tenth = thousandths / 100;
        if told.fetch_max(tenth, Ordering::Relaxed) < tenth {
            println!("fleet: {} % simulated, {} s", tenth * 10, began.elapsed().as_secs());
        }
    })?;
    print_table(&report.rows)?;
    write(&arguments.out, &report.rows)?;
    write(&arguments.report, &report)?;
    println!("fleet: {} s; {}", began.elapsed().as_secs(), arguments.out.display());
    Ok(())
}

fn write(path: &PathBuf, value: &impl serde::Serialize) -> Result<(), Box<dyn std::error::Error>> {
    let text = serde_json::to_string_pretty(value)?;
    std::fs::write(path, text + "\n")
        .map_err(|error| format!("write {}: {error}", path.display()))?;
    Ok(())
}

fn print_table(rows: &[Row]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<22} {:<23} {:>6} {:>6} {:>6} {:>9} {:>10} {:>8} {:>10}",
        "scenario", "delivery", "p50", "p99", "max", "body lies", "unflagged", "rps max", "$/month"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:<22} {:<23} {:>6} {:>6} {:>6} {:>9} {:>10} {:>8} {:>10.2}",
            row.scenario,
            row.delivery,
            row.age_ms_p50,
            row.age_ms_p99,
            row.age_ms_max,
            row.unflagged_in_body,
            row.unflagged_stale,
            row.origin_rps_max,
            row.usd_per_month,
        )?;
    }
    Ok(())
}
