//! The little of HTTP/1.1 that is needed, on a socket we own.
//!
//! A framework would hide the socket, and most faults are about the socket: a body cut short, an
//! answer that never comes, a RST. No chunked requests, no trailers, no TLS.

mod connection;
mod failure;
mod request;
mod response;

pub(crate) use connection::{HttpLink, serve};
pub(crate) use failure::failure;
pub(crate) use request::{ParseError, Request, parse};
pub(crate) use response::Response;
