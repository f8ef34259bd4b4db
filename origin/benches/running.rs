//! What a running origin costs at 1,000 Kraken updates a second: CPU time and resident memory of
//! the real program, fed by the simulated market, polled as by ten edge locations.
//!
//! `cargo bench -p pricecast-origin --bench running`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measurement, run by hand"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::time::{interval, sleep};

const UPDATE_HZ: f64 = 1_000.0;
const POLLS_PER_S: u64 = 10;
const MEASURED_FOR: Duration = Duration::from_secs(15);
const CPU_CEILING: f64 = 0.10;
const RESIDENT_CEILING_MB: f64 = 50.0;
/// `USER_HZ`, 100 on every Linux we know of.
const TICKS_PER_S: f64 = 100.0;

/// The program under measurement; ended with the measurement.
struct Origin(Child);

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Origin {
    fn start(sim: &market_sim::Handle, state: &tempfile::TempDir) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pricecast-origin"))
            .current_dir(state)
            .env("PRICECAST_HTTP__LISTEN", "127.0.0.1:0")
            .env("PRICECAST_METRICS__LISTEN", "127.0.0.1:0")
            .env("PRICECAST_KRAKEN__URL", sim.kraken_url())
            .env("PRICECAST_COINBASE__URL", sim.coinbase_url())
            .env("PRICECAST_LOG__FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("listens on")));
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let url = format!("http://{}/api/v1/prices", line["http"].as_str().unwrap());
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), url)
    }

    /// CPU seconds used so far, user and system.
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // The second field is the name in brackets and may hold spaces.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / TICKS_PER_S
    }

    fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
    }
}

#[tokio::main]
async fn main() {
    if !cfg!(target_os = "linux") {
        println!("skipped: CPU time and memory are read from /proc, which only Linux has");
        return;
    }
    let options = market_sim::Options { update_hz: Some(UPDATE_HZ), ..Default::default() };
    let sim = market_sim::start(options).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let (origin, url) = Origin::start(&sim, &state);
    let tls = pricecast_origin::exchange::tls::client_config(None).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
    sleep(Duration::from_secs(3)).await;

    let (began, cpu_before, sent_before) =
        (Instant::now(), origin.cpu_s(), sim.stats().kraken.sent);
    let mut poll = interval(Duration::from_millis(1_000 / POLLS_PER_S));
    let mut resident_mb: f64 = 0.0;
    while began.elapsed() < MEASURED_FOR {
        poll.tick().await;
        let body = client.get(&url).send().await.unwrap().text().await.unwrap();
        assert!(body.contains(r#""mode":"live""#), "{body}");
        resident_mb = resident_mb.max(origin.resident_mb());
    }
    let elapsed_s = began.elapsed().as_secs_f64();
    let cpu = (origin.cpu_s() - cpu_before) / elapsed_s;
    let frames_per_s = (sim.stats().kraken.sent - sent_before) as f64 / elapsed_s;

    println!(
        "The running origin, {elapsed_s:.0} s at {frames_per_s:.0} Kraken frames/s and {POLLS_PER_S} requests/s"
    );
    println!("{:>8.1} %   of one core (ceiling {:.0} %)", cpu * 100.0, CPU_CEILING * 100.0);
    println!("{resident_mb:>8.1} MB  resident at most (ceiling {RESIDENT_CEILING_MB:.0} MB)");
    if cpu > CPU_CEILING || resident_mb > RESIDENT_CEILING_MB || frames_per_s < UPDATE_HZ * 0.9 {
        println!("over its ceiling, or the market was too slow to tell");
        std::process::exit(1);
    }
}
