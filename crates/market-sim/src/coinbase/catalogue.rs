//! Which products there are, and what the venue says about each.

use super::product::{Condition, Product, ProductList};
use crate::fault::{BadNumber, Fault, FaultBoard, said};
use crate::http::{Request, Response};
use crate::market::{Quote, Venue};
use crate::options::UnknownProduct;
use crate::sim::Sim;
use serde_json::Value;
use std::sync::Arc;

const VENUE: Venue = Venue::Coinbase;
const PRODUCTS: &str = "/api/v3/brokerage/market/products";
/// Recorded from the live venue.
const NOT_FOUND: &str = r#"{"error":"NOT_FOUND","error_details":"valid product_id is required","message":"valid product_id is required"}"#;

/// The answer to a request when nothing but prices and product states is wrong.
pub(super) fn answer(sim: &Sim, board: &FaultBoard, request: &Request) -> Response {
    if request.method != "GET" {
        return Response::json(405, r#"{"error":"METHOD_NOT_ALLOWED","message":"use GET"}"#);
    }
    let Some(rest) = request.path.strip_prefix(PRODUCTS) else {
        return Response::json(404, r#"{"error":"NOT_FOUND","message":"no such endpoint"}"#);
    };
    let shelf = Shelf { sim, board, quotes: quotes(sim, request) };
    match rest.strip_prefix('/') {
        None if rest.is_empty() => list(&shelf, &request.query_values("product_ids")),
        Some(id) => match shelf.find(id).and_then(|index| shelf.product(index)) {
            Some(product) => Response::of(200, &product),
            None => Response::json(404, NOT_FOUND),
        },
        None => Response::json(404, r#"{"error":"NOT_FOUND","message":"no such endpoint"}"#),
    }
}

/// "All public endpoints have 1s cache enabled. To bypass caching, set the cache-control: no-cache
/// header" (vendor documentation, 2026-11).
fn quotes(sim: &Sim, request: &Request) -> Vec<Arc<Quote>> {
    let live = sim.quotes().iter().map(|pair| Arc::clone(VENUE.of(pair))).collect();
    let fresh = request.header_has("cache-control", "no-cache");
    sim.cache.serve(sim.clock.now_ms(), live, fresh)
}

fn list(shelf: &Shelf<'_>, asked: &[String]) -> Response {
    let mut found: Vec<usize> = asked.iter().filter_map(|id| shelf.find(id)).collect();
    let refuse_all = shelf.sim.options.unknown_product == UnknownProduct::RefuseAll;
    if found.len() < asked.len() && refuse_all {
        return Response::json(404, NOT_FOUND);
    }
    if asked.is_empty() {
        found = (0..shelf.sim.listings.len()).filter(|index| shelf.exists(*index)).collect();
    }
    // The real answer is not in the order of the question either; one row per product.
    found.sort_unstable();
    found.dedup();
    let in_order = asked.first().is_some_and(|id| shelf.find(id) == found.first().copied());
    if in_order || asked.is_empty() {
        found.reverse();
    }
    let products: Vec<Product> = found.iter().filter_map(|index| shelf.product(*index)).collect();
    let num_products = products.len();
    Response::of(200, &ProductList { products, num_products, pagination: None })
}

/// Everything an answer is made from.
struct Shelf<'a> {
    sim: &'a Sim,
    board: &'a FaultBoard,
    quotes: Vec<Arc<Quote>>,
}

impl Shelf<'_> {
    fn exists(&self, index: usize) -> bool {
        let Some(listing) = self.sim.listings.get(index) else { return false };
        let symbol = &listing.symbol;
        let unlisted = self.sim.options.unlisted.iter().any(|(v, s)| *v == VENUE && s == symbol);
        !unlisted && self.board.find_for(VENUE, Fault::RejectSymbol, symbol).is_none()
    }

    fn find(&self, id: &str) -> Option<usize> {
        let symbol = id.strip_suffix("-USD")?;
        let index = self.sim.listings.iter().position(|listing| listing.symbol == symbol)?;
        self.exists(index).then_some(index)
    }

    fn product(&self, index: usize) -> Option<Product> {
        let listing = self.sim.listings.get(index)?;
        let quote = said(self.board, VENUE, index, &listing.symbol, self.quotes.get(index)?);
        let mut product = Product::new(listing, &quote, &self.condition(&listing.symbol));
        let has = |fault| self.board.find_for(VENUE, fault, &listing.symbol).is_some();
        if has(Fault::CrossedBook) || has(Fault::OneSidedBook) {
            product.best_bid_price = quote.bid.to_string();
            product.best_ask_price = quote.ask.to_string();
            let half_spread = quote.ask.minus(quote.bid).times_ratio(1, 2);
            product.mid_market_price = quote.ask.minus(half_spread).to_string();
        }
        if let Some(fault) = self.board.find_for(VENUE, Fault::BadNumber, &listing.symbol) {
            let requests = self.sim.counters.read().coinbase.requests;
            let turn = usize::try_from(requests).unwrap_or(0) + index;
            product.price = bad_price(fault.bad_number(turn), &product.price);
        }
        Some(product)
    }

    fn condition(&self, symbol: &str) -> Condition {
        let has = |fault| self.board.find_for(VENUE, fault, symbol).is_some();
        let delisted = has(Fault::DelistSymbol);
        let halted = delisted || has(Fault::Maintenance);
        Condition {
            status: match (delisted, has(Fault::UnknownSystem)) {
                (true, _) => "delisted",
                (false, true) => "hibernating",
                (false, false) => "online",
            },
            is_disabled: halted,
            trading_disabled: halted,
            cancel_only: has(Fault::CancelOnly),
            post_only: has(Fault::PostOnly),
        }
    }
}

fn bad_price(number: BadNumber, price: &Value) -> Value {
    match number {
        BadNumber::Zero => Value::from("0"),
        BadNumber::Negative => Value::from(format!("-{}", price.as_str().unwrap_or_default())),
        BadNumber::Nan => Value::from("NaN"),
        BadNumber::Infinite => Value::from("Infinity"),
        BadNumber::Overflow => Value::from("1e400"),
        BadNumber::Empty => Value::from(""),
        BadNumber::Null => Value::Null,
        BadNumber::Absurd => Value::from("9".repeat(40)),
        BadNumber::WrongType => Value::from(vec![price.clone()]),
    }
}

/// The `Date` header on the venue's clock: `Sat, 21 Nov 2026 09:26:52 GMT`.
pub(super) fn http_date(sim: &Sim, board: &FaultBoard) -> String {
    let now_us = sim.clock.now_us().saturating_add(board.skew_us(VENUE));
    let timestamp = jiff::Timestamp::from_microsecond(now_us).unwrap_or_default();
    timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
