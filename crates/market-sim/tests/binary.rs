//! The binary: its ready line, its signals, its exit codes.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure here is a failed test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn market_sim(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_market-sim"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it on a free port, unless the arguments say otherwise.
fn fails(args: &[&str]) -> (Option<i32>, String) {
    let mut command = market_sim(args);
    let output = command.env("MARKET_SIM_LISTEN", "127.0.0.1:0").output().unwrap();
    let Output { status, stderr, .. } = output;
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn file(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("market-sim-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn ready_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

fn exit_within(child: &mut Child, limit: Duration) -> Option<i32> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > end {
            child.kill().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_says_when_it_is_ready_and_stops_on_sigterm_and_sigint() {
    for signal in ["-TERM", "-INT"] {
        let mut child = market_sim(&["--listen", "127.0.0.1:0", "--seed", "7"]).spawn().unwrap();
        let line = ready_line(&mut child);
        assert!(line.starts_with("market-sim ready on http://127.0.0.1:"), "{line}");
        assert!(line.ends_with(" (seed 7)\n"), "{line}");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        assert_eq!(exit_within(&mut child, Duration::from_secs(5)), Some(0), "{signal}");
    }
}

#[test]
fn wrong_flags_and_files_exit_64_and_say_what_is_wrong() {
    let csv =
        file("bad.csv", "symbol,interval_s,timestamp,open,high,low,close,volume\nBTC-USD,60\n");
    let script = file("bad.json", r#"[{"at_seconds":1,"target":"kraken","fault":"nap"}]"#);
    let missing = std::env::temp_dir().join("no-such-file.csv").to_str().unwrap().to_owned();
    let cases: [(&[&str], &str); 9] = [
        (&["--listen", "localhost"], "--listen"),
        (&["--sped", "60"], "--speed"),
        (&["--speed", "0"], "speed must be from 1"),
        (&["--symbols", "BTC,btc"], "symbol \"btc\" must be"),
        (&["--update-hz", "-1"], "update-hz must be from 0"),
        (&["--replay", &missing], "cannot read"),
        (&["--replay", &csv], "line 2: 8 fields expected, 2 found"),
        (&["--script", &script], "entry 1: unknown variant `nap`"),
        (&["--script", "faults.yaml"], "cannot read faults.yaml"),
    ];
    for (args, part) in cases {
        let (code, stderr) = fails(args);
        assert_eq!(code, Some(64), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    for path in [csv, script] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (code, stderr) = fails(&["--listen", &listen]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&format!("cannot listen on {listen}")), "{stderr}");
}

#[test]
fn help_is_no_error() {
    let mut child = market_sim(&["--help"]).spawn().unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(exit_within(&mut child, Duration::from_secs(5)), Some(0));
    for flag in
        ["--listen", "--symbols", "--seed", "--replay", "--speed", "--script", "--update-hz"]
    {
        assert!(text.contains(flag), "{flag} is missing in {text}");
    }
}
