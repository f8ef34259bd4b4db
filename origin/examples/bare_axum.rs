//! The floor for `make bench`: axum with one handler that gives a constant answer.
//!
//! `bare_axum FILE`, a JSON file `{"headers": {…}, "body": "…"}`; it prints where it listens.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::collections::HashMap;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

#[derive(serde::Deserialize)]
struct Answer {
    headers: HashMap<String, String>,
    body: String,
}

#[tokio::main]
async fn main() {
    let file = std::env::args().nth(1).unwrap();
    let answer: Answer = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let pair = |(name, value): (String, String)| {
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
    };
    let headers: HeaderMap = answer.headers.into_iter().map(pair).collect();
    let body = Bytes::from(answer.body);
    let router =
        Router::new().route("/", get(move || async move { (headers.clone(), body.clone()) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listens on {}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}
