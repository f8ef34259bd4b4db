//! The control endpoint: inject and clear faults, set prices, read the truth and the counters.

use crate::decimal::Decimal;
use crate::fault::FaultSpec;
use crate::http::{Request, Response};
use crate::market::Venue;
use crate::script;
use crate::sim::Sim;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

const KNOWN: &str = "known: GET, POST, DELETE /control/faults; DELETE /control/faults/{id}; \
    POST /control/price, /control/script; GET /control/truth?seconds=30; GET /control/stats";

/// Answers a request under `/control/`.
pub(crate) fn answer(sim: &Sim, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/control/faults") => list(sim, 200),
        ("POST", "/control/faults") => inject(sim, &request.body),
        ("DELETE", "/control/faults") => {
            sim.clear();
            list(sim, 200)
        }
        ("DELETE", path) if path.starts_with("/control/faults/") => clear_one(sim, path),
        ("POST", "/control/price") => set_price(sim, &request.body),
        ("POST", "/control/script") => play(sim, &request.body),
        ("GET", "/control/truth") => truth(sim, request),
        ("GET", "/control/stats") => Response::of(200, &sim.counters.read()),
        (
            _,
            "/control/faults" | "/control/price" | "/control/script" | "/control/truth"
            | "/control/stats",
        ) => problem(405, KNOWN),
        _ => problem(404, KNOWN),
    }
}

fn inject(sim: &Sim, body: &[u8]) -> Response {
    let spec: FaultSpec = match serde_json::from_slice(body) {
        Ok(spec) => spec,
        Err(error) => return problem(400, &error.to_string()),
    };
    match sim.inject(spec) {
        Ok(_) => list(sim, 201),
        Err(error) => problem(400, &error.to_string()),
    }
}

fn clear_one(sim: &Sim, path: &str) -> Response {
    let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
    if id.is_some_and(|id| sim.clear_one(id)) {
        return list(sim, 200);
    }
    problem(404, "no active fault has this id; GET /control/faults lists them")
}

/// The body is a script as a file has it; its times count from now.
fn play(sim: &Sim, body: &[u8]) -> Response {
    let script = match script::parse(&String::from_utf8_lossy(body)) {
        Ok(script) => script,
        Err(error) => return problem(400, &format!("script{error}")),
    };
    let entries = script.len();
    match sim.play(script) {
        Ok(()) => Response::of(201, &json!({ "entries": entries })),
        Err((entry, error)) => problem(400, &format!("script, entry {entry}: {error}")),
    }
}

/// The body of `POST /control/price`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPrice {
    venue: Venue,
    symbol: String,
    /// As text, so that its digits are exact.
    price: String,
}

fn set_price(sim: &Sim, body: &[u8]) -> Response {
    let new: NewPrice = match serde_json::from_slice(body) {
        Ok(new) => new,
        Err(error) => return problem(400, &error.to_string()),
    };
    let price: Decimal = match new.price.parse() {
        Ok(price) => price,
        Err(error) => return problem(400, &format!("price: {error}")),
    };
    if price.units() <= 0 {
        return problem(400, "price must be above 0; bad prices are the fault bad-number");
    }
    if sim.set_price(new.venue, &new.symbol, price) {
        return Response::of(200, &json!({ "ok": true }));
    }
    let known: Vec<&str> = sim.listings.iter().map(|listing| listing.symbol.as_str()).collect();
    problem(
        400,
        &format!("symbol \"{}\" is not simulated; known: {}", new.symbol, known.join(", ")),
    )
}

/// `?seconds=30` leaves out what is older, except the price that held at the start.
fn truth(sim: &Sim, request: &Request) -> Response {
    let window_ms = match request.query_values("seconds").first().map(|text| text.parse::<u32>()) {
        None => None,
        Some(Ok(seconds)) => Some(i64::from(seconds) * 1000),
        Some(Err(_)) => return problem(400, "seconds must be a whole number, e.g. 30"),
    };
    Response::of(200, &sim.truth(window_ms))
}

fn list(sim: &Sim, status: u16) -> Response {
    let board = Arc::clone(&sim.faults().borrow());
    let active: Vec<_> = board.active().iter().map(AsRef::as_ref).collect();
    Response::of(status, &json!({ "active": active }))
}

fn problem(status: u16, error: &str) -> Response {
    Response::of(status, &json!({ "error": error }))
}
