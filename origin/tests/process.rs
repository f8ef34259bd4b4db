//! The program itself: what it says about a bad configuration, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::io::{BufRead as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use support::program::{Running, program};
use tempfile::tempdir;

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
        .env("PRICECAST_ACCESS__SECRETS", "canary-of-the-secret"));
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

#[cfg(unix)]
#[test]
fn sigterm_ends_it_cleanly_and_its_log_is_json_when_asked_for() {
    let mut origin = Running::start(&[("PRICECAST_LOG__FORMAT", "json")]);
    let line: serde_json::Value = serde_json::from_str(&origin.listens).unwrap();
    assert_eq!(line["level"], "INFO");
    origin.signal("-TERM");
    let deadline = Instant::now() + Duration::from_secs(5);
    let status = loop {
        if let Some(status) = origin.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it did not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    assert!(origin.log().contains("stopped: requests finished"));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn after_the_process_stood_still_nothing_old_is_passed_off_as_fresh() {
    let sim = market_sim::start(market_sim::Options::default()).await.unwrap();
    let (kraken, coinbase) = (sim.kraken_url(), sim.coinbase_url());
    let origin = Running::start(&[
        ("PRICECAST_KRAKEN__URL", &kraken),
        ("PRICECAST_COINBASE__URL", &coinbase),
    ]);
    let url = format!("{}/api/v1/prices", origin.url);
    let client = support::client();
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

#[test]
fn the_program_asks_a_running_one_whether_it_lives() {
    let running = Running::start(&[]);
    let metrics = running.metrics_url.replace("http://", "").replace("/metrics", "");
    let ask = || run(program().arg("--healthcheck").env("PRICECAST_METRICS__LISTEN", &metrics));
    // It has no price to give, and lives.
    let answer = ask();
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    drop(running);
    let answer = ask();
    assert_eq!(answer.status.code(), Some(1));
    let told = text(&answer.stderr);
    assert!(told.starts_with(&format!("healthcheck: ask http://{metrics}/live")), "{told}");
}

#[test]
fn who_answers_the_healthcheck_with_anything_but_200_does_not_live() {
    let impostor = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = impostor.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut connection, _) = impostor.accept().unwrap();
        // What is not read when it closes would take the answer with it.
        let question = std::io::BufReader::new(&connection).lines().map_while(Result::ok);
        assert!(question.take_while(|line| !line.is_empty()).count() > 0);
        connection.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
    });
    let answer = run(program().arg("--healthcheck").env("PRICECAST_METRICS__LISTEN", address));
    answering.join().unwrap();
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer.stderr).contains("503"), "{}", text(&answer.stderr));
}
