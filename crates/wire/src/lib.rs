//! The HTTP contract of Pricecast, shared by origin and edge by crate and never by copy: the one
//! renderer of the JSON body and its reader, entity tags, header names and values, problem
//! bodies, the route table, CORS.
//!
//! What is absent here, on purpose: clocks (`now` is always an argument), I/O, HTTP types of any
//! framework. What is derived (`stale`, `mode`, a source's status) is derived by
//! [`pricecast_core::Snapshot`] alone; this crate only writes it down.

mod body;
mod cors;
mod etag;
pub mod headers;
#[cfg(feature = "openapi")]
mod openapi;
mod problem;
mod read;
mod render;
mod route;
pub mod status;

pub use cors::{AllowOrigin, Cors, CorsError};
pub use etag::{Encoding, etag, if_none_match};
#[cfg(feature = "openapi")]
pub use openapi::openapi_json;
pub use problem::{Problem, ProblemCode};
pub use read::{BODY_LEN_MAX, ParseError, parse};
pub use render::render;
pub use route::{Call, Face, Resource, Verb, is_no_query, route};
