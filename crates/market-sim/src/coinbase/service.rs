//! Answering one Coinbase request, or not, as the active faults say.

use super::product::{Condition, Product, ProductList};
use crate::fault::Fault;
use crate::http::HttpLink;
use crate::http::{Request, Response};
use crate::market::Venue;
use crate::options::UnknownProduct;
use crate::sim::Sim;
use crate::stats::Counted;
use std::io;

const PRODUCTS: &str = "/api/v3/brokerage/market/products";
const NOT_FOUND: &str = r#"{"error":"NOT_FOUND","error_details":"valid product_id is required","message":"valid product_id is required"}"#;

/// Serves one request; says whether the connection goes on.
pub(crate) async fn serve_one(link: &mut HttpLink<'_>, request: &Request) -> io::Result<bool> {
    let sim = std::sync::Arc::clone(link.sim);
    sim.counters.request(Venue::Coinbase, sim.clock.now_ms());
    let _in_flight = Counted::in_flight(&sim.counters, Venue::Coinbase);
    let mut faults = sim.faults();
    loop {
        let silent = faults.borrow_and_update().has(Venue::Coinbase, Fault::Silence);
        if !silent {
            break;
        }
        tokio::select! {
            _ = faults.changed() => {}
            () = link.client_gone() => return Ok(false),
        }
    }
    let response = answer(&sim, request);
    sim.counters.count(Venue::Coinbase, |stats| stats.sent += 1);
    link.send(&response, request.keep_alive()).await?;
    Ok(true)
}

fn answer(sim: &Sim, request: &Request) -> Response {
    if request.method != "GET" {
        return Response::json(405, r#"{"error":"METHOD_NOT_ALLOWED"}"#);
    }
    match request.path.strip_prefix(PRODUCTS) {
        Some("") => list(sim, &request.query_values("product_ids")),
        Some(rest) => match rest.strip_prefix('/').and_then(|id| find(sim, id)) {
            Some(index) => match product(sim, index) {
                Some(product) => Response::of(200, &product),
                None => Response::json(404, NOT_FOUND),
            },
            None => Response::json(404, NOT_FOUND),
        },
        None => Response::json(404, r#"{"error":"NOT_FOUND","message":"not found"}"#),
    }
}

fn list(sim: &Sim, asked: &[String]) -> Response {
    let found: Vec<usize> = asked.iter().filter_map(|id| find(sim, id)).collect();
    if found.len() < asked.len() && sim.options.unknown_product == UnknownProduct::RefuseAll {
        return Response::json(404, NOT_FOUND);
    }
    let mut products: Vec<Product> = if asked.is_empty() {
        (0..sim.listings.len()).filter_map(|index| product(sim, index)).collect()
    } else {
        found.iter().filter_map(|index| product(sim, *index)).collect()
    };
    // The real answer is not in the order of the question either.
    products.reverse();
    let num_products = products.len();
    Response::of(200, &ProductList { products, num_products, pagination: None })
}

fn find(sim: &Sim, id: &str) -> Option<usize> {
    let symbol = id.strip_suffix("-USD")?;
    let unlisted =
        |l: &str| sim.options.unlisted.iter().any(|(v, s)| *v == Venue::Coinbase && s == l);
    sim.listings.iter().position(|l| l.symbol == symbol && !unlisted(&l.symbol))
}

fn product(sim: &Sim, index: usize) -> Option<Product> {
    let quotes = sim.quotes();
    let listing = sim.listings.get(index)?;
    let quote = Venue::Coinbase.of(quotes.get(index)?);
    Some(Product::new(listing, quote, &Condition::ONLINE))
}
