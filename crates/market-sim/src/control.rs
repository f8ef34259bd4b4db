//! The control endpoint: inject and clear faults, read the truth and the counters.

use crate::fault::FaultSpec;
use crate::http::{Request, Response};
use crate::sim::Sim;
use serde_json::json;

/// Answers a request under `/control/`.
pub(crate) fn answer(sim: &Sim, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/control/faults") => list(sim, 200),
        ("POST", "/control/faults") => inject(sim, &request.body),
        ("DELETE", "/control/faults") => {
            sim.clear();
            list(sim, 200)
        }
        ("GET", "/control/truth") => Response::of(200, &sim.truth()),
        ("GET", "/control/stats") => Response::of(200, &sim.counters.read()),
        (_, "/control/faults" | "/control/truth" | "/control/stats") => {
            problem(405, "method not allowed; faults: GET, POST, DELETE; truth and stats: GET")
        }
        _ => problem(404, "known: /control/faults, /control/truth, /control/stats"),
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

fn list(sim: &Sim, status: u16) -> Response {
    let board = std::sync::Arc::clone(&sim.faults().borrow());
    let active: Vec<_> = board.active().iter().map(AsRef::as_ref).collect();
    Response::of(status, &json!({ "active": active }))
}

fn problem(status: u16, error: &str) -> Response {
    Response::of(status, &json!({ "error": error }))
}
