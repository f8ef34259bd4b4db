//! The Cloudflare Worker of Pricecast: decide → act → settle.
//!
//! ```text
//! request ─▶ hot (kept answer, synchronous)
//!         └▶ handler ─▶ isolate (pure: core::cache_policy decides, answer renders)
//!                    ├▶ response
//!                    └▶ refresh in wait_until ─▶ shared_cache, origin ─▶ settle
//! ```
//!
//! What is absent here, on purpose: policy (`pricecast_core::cache_policy`), the contract
//! (`pricecast_wire`), threads, and any wait of one request for another. Everything but the glue
//! is plain data and runs in host tests.

mod answer;
mod asked;
mod clock;
mod config;
mod document;
#[cfg(feature = "panic-drill")]
mod drill;
mod handler;
mod health;
mod hot;
mod isolate;
mod kept;
mod memory;
mod origin;
mod refresh;
#[cfg(test)]
mod request_tests;
mod response;
mod shared_cache;
#[cfg(test)]
mod status_tests;
#[cfg(test)]
mod test_support;

use std::convert::Infallible;

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Context, Env, event, web_sys};

/// The hot path, called by `entry.mjs` before anything else and without the crate's handler.
/// `undefined` means: ask the handler.
#[wasm_bindgen]
#[must_use]
pub fn hot(request: &web_sys::Request) -> Option<web_sys::Response> {
    hot::answer(request.unchecked_ref())
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> Result<web_sys::Response, Infallible> {
    let response = handler::handle(request, &env, &context).await;
    // The shell takes it for what it is and answers 500.
    Ok(response.unwrap_or_else(|_| web_sys::Response::error()))
}
