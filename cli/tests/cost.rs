//! The binary, as it is called.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn pricecast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pricecast")).args(arguments).output().unwrap()
}

fn cost(more: &[&str]) -> Output {
    let arguments = ["cost", "--users", "5000000", "--minutes-per-day", "5"];
    pricecast(&[&arguments[..], more].concat())
}

#[test]
fn five_million_users_of_five_minutes_cost_what_the_readme_says() {
    let output = cost(&["--interval-s", "2.5", "--delivery", "worker"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for line in
        ["$5,426.60  a month\n", "$1,085.32  a month for each million users", "of 18,000,000,000"]
    {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    for (delivery, total) in
        [("workers-cache", "$5,402.00  a month\n"), ("cdn", "$25.00  a month\n")]
    {
        let text = String::from_utf8(cost(&["--delivery", delivery]).stdout).unwrap();
        assert!(text.contains(total), "{total} is not in:\n{text}");
    }
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    for figure in ["$5,427", "$1.09"] {
        assert!(readme.contains(figure), "the README does not say {figure}");
    }
}

#[test]
fn a_stream_s_messages_come_once_a_second_unless_told_otherwise() {
    let text = String::from_utf8(cost(&["--delivery", "stream"]).stdout).unwrap();
    assert!(text.contains("a message every 1 s"), "{text}");
    assert!(text.contains("$141.43  a month\n"), "{text}");
}

#[test]
fn json_holds_the_lines_the_total_and_the_date_of_the_prices() {
    let output = cost(&["--json"]);
    let bill: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(bill["users"], 5_000_000);
    assert_eq!(bill["interval_s"], 2.5);
    assert!((bill["usd_per_month"].as_f64().unwrap() - 5_426.6).abs() < 0.005);
    assert_eq!(bill["lines"].as_array().unwrap().len(), 4);
    assert!(bill["lines"][1]["source"].as_str().unwrap().starts_with("https://"));
    assert!(bill["prices_read_on"].as_str().unwrap().starts_with("2026-"));
}

#[test]
fn what_cannot_be_is_refused_with_64_and_the_reason() {
    let refused: [(&[&str], &str); 6] = [
        (&["cost"], "--users"),
        (&["cost", "--users", "many", "--minutes-per-day", "5"], "many"),
        (&["cost", "--users", "0", "--minutes-per-day", "5"], "users is 0: it may be 1 or more"),
        (&["cost", "--users", "1", "--minutes-per-day", "1441"], "above 0, up to 1440"),
        (
            &["cost", "--users", "1", "--minutes-per-day", "5", "--interval-s", "-1"],
            "interval in s is -1: it may be above 0",
        ),
        (
            &["cost", "--users", "1", "--minutes-per-day", "5", "--delivery", "pigeon"],
            "worker, workers-cache, cdn, stream",
        ),
    ];
    for (arguments, reason) in refused {
        let output = pricecast(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(told.contains(reason), "{arguments:?}: {reason:?} is not in {told:?}");
    }
}

#[test]
fn help_is_no_mistake() {
    let output = pricecast(&["cost", "--help"]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("--minutes-per-day"));
}
