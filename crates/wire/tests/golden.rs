//! The contract, byte for byte. A change here is a change for every client; after an intended
//! one, `UPDATE_GOLDEN=1 cargo test -p pricecast-wire` writes the files anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use pricecast_wire::{Problem, ProblemCode, render};
use support::{at, degraded, fallback, live};

fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{actual}\n")).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(actual, golden.trim_end(), "{name} has changed");
}

#[test]
fn every_price_is_fresh_and_from_kraken() {
    check("live.json", &render(&live(), at(0)));
}

#[test]
fn everything_comes_from_coinbase() {
    check("fallback.json", &render(&fallback(), at(0)));
}

#[test]
fn the_oldest_prices_are_flagged_first() {
    check("degraded_by_age.json", &render(&live(), at(4_100)));
}

#[test]
fn a_symbol_without_a_price_is_named() {
    check("degraded_by_unavailable.json", &render(&degraded(), at(0)));
}

#[test]
fn nothing_is_fresh_any_more() {
    check("frozen.json", &render(&live(), at(5_000)));
}

#[test]
fn every_problem_has_its_body() {
    let bodies: Vec<_> = ProblemCode::ALL.map(|code| Problem::from(code).to_json()).into();
    check("problems.ndjson", &bodies.join("\n"));
}

#[cfg(feature = "openapi")]
#[test]
fn the_document_is_the_one_clients_were_given() {
    check("openapi.json", &pricecast_wire::openapi_json());
}
