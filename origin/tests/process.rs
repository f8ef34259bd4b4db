//! The program itself: what it says about a bad configuration, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tempfile::{TempDir, tempdir};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pricecast-origin"));
    command.env_clear().stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn three_mistakes_are_all_named_and_no_port_is_bound() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    std::fs::write(&file, "symbols = [\"BTC/USD\"]\n[coinbase]\ninterval = \"5\"\n").unwrap();
    // If it tried to bind this port it would fail with another error.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = run(program()
        .args(["--config", file.to_str().unwrap()])
        .env("PRICECAST_HTTP__LISTEN", taken.local_addr().unwrap().to_string())
        .env("PRICECAST_METRICS__LISTEN", "localhost"));
    assert_eq!(output.status.code(), Some(64));
    let told = text(&output.stderr);
    assert!(told.starts_with("config: 3 problems\n"), "{told}");
    for part in
        ["symbols", "mine.toml:1", "mine.toml:3", "needs a unit", "PRICECAST_METRICS__LISTEN"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn an_open_door_on_every_address_is_refused() {
    let output = run(program().env("PRICECAST_HTTP__LISTEN", "0.0.0.0:0"));
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("http.public = true"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = run(program().args(["--config", "no/such/file.toml", "--check"]));
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("no/such/file.toml"));
}

#[test]
fn what_is_in_force_can_be_printed_and_used_again() {
    let directory = tempdir().unwrap();
    let first = run(program()
        .current_dir(&directory)
        .arg("--print-config")
        .env("PRICECAST_HTTP__DRAIN", "3s"));
    assert_eq!(first.status.code(), Some(0));
    assert!(text(&first.stdout).contains("drain = \"3s\""));
    std::fs::write(directory.path().join("pricecast.toml"), &first.stdout).unwrap();
    let second = run(program().current_dir(&directory).arg("--print-config"));
    assert_eq!(text(&second.stdout), text(&first.stdout));
    let checked = run(program().current_dir(&directory).arg("--check"));
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(text(&checked.stdout), "config: ok (pricecast.toml, and the environment)\n");
}

#[test]
fn a_printed_configuration_shows_no_secret_and_its_placeholder_is_taken_for_none() {
    let directory = tempdir().unwrap();
    let first = run(program()
        .current_dir(&directory)
        .arg("--print-config")
        .env("PRICECAST_ACCESS__SECRETS", "canary"));
    assert_eq!(first.status.code(), Some(0));
    assert!(!text(&first.stdout).contains("canary"));
    std::fs::write(directory.path().join("pricecast.toml"), &first.stdout).unwrap();
    let second = run(program().current_dir(&directory).arg("--check"));
    assert_eq!(second.status.code(), Some(64));
    assert!(text(&second.stderr).contains("write the secret itself"), "{}", text(&second.stderr));
}

#[test]
fn a_taken_port_is_told_with_its_key_and_is_no_mistake_of_the_configuration() {
    let directory = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(program()
        .current_dir(&directory)
        .env("PRICECAST_HTTP__LISTEN", &address)
        .env("PRICECAST_METRICS__LISTEN", "127.0.0.1:0"));
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains(&format!("listen on {address} (http.listen)")), "{told}");
}

/// The program, started and listening, fed from these addresses.
struct Running {
    child: Child,
    address: String,
    log: std::sync::mpsc::Receiver<String>,
    _directory: TempDir,
}

impl Running {
    fn start(kraken: &str, coinbase: &str) -> Self {
        let directory = tempdir().unwrap();
        let mut child = program()
            .current_dir(&directory)
            .env("PRICECAST_HTTP__LISTEN", "127.0.0.1:0")
            .env("PRICECAST_METRICS__LISTEN", "127.0.0.1:0")
            .env("PRICECAST_KRAKEN__URL", kraken)
            .env("PRICECAST_COINBASE__URL", coinbase)
            .env("PRICECAST_LOG__FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| sender.send(l)));
        let listens = log.iter().find(|line| line.contains("listens on")).unwrap();
        let line: serde_json::Value = serde_json::from_str(&listens).unwrap();
        assert_eq!(line["level"], "INFO");
        let address = line["http"].as_str().unwrap().to_owned();
        Self { child, address, log, _directory: directory }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn sigterm_ends_it_cleanly_and_its_log_is_json_when_asked_for() {
    let mut origin = Running::start("ws://127.0.0.1:1/v2", "http://127.0.0.1:1");
    origin.signal("-TERM");
    assert!(origin.log.iter().any(|line| line.contains("stopped: requests finished")));
    let deadline = Instant::now() + Duration::from_secs(5);
    let status = loop {
        if let Some(status) = origin.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it did not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn after_the_process_stood_still_nothing_old_is_passed_off_as_fresh() {
    let sim = market_sim::start(market_sim::Options::default()).await.unwrap();
    let origin = Running::start(&sim.kraken_url(), &sim.coinbase_url());
    let url = format!("http://{}/api/v1/prices", origin.address);
    let tls = pricecast_origin::exchange::tls::client_config().unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
    let ask = async || {
        let response = client.get(&url).send().await.ok()?;
        let now = response.headers()["pricecast-now"].to_str().ok()?.parse().ok()?;
        let text = response.text().await.ok()?;
        let body = serde_json::from_str(&text).ok()?;
        Some(support::Prices { now, body, text })
    };
    let live_within = async |within: Duration| {
        let deadline = Instant::now() + within;
        loop {
            let prices = ask().await.filter(|prices| prices.body["prices"].is_array());
            if let Some(prices) = prices {
                prices.assert_true(&sim);
                if prices.mode() == "live" {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "not live within {within:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    live_within(Duration::from_secs(5)).await;
    origin.signal("-STOP");
    tokio::time::sleep(Duration::from_secs(7)).await;
    origin.signal("-CONT");
    live_within(Duration::from_secs(20)).await;
}
