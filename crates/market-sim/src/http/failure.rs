//! Answers that are no answer: what both faces send for `429`, `cloudflare-1015`, `5xx`, `html`
//! and `refuse`.

use super::Response;
use crate::fault::{Fault, FaultBoard};
use crate::market::Venue;

/// An error page as a proxy in front of either exchange writes it.
const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n\
    <body bgcolor=\"white\">\r\n<center><h1>502 Bad Gateway</h1></center>\r\n\
    <hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";

/// Cloudflare's page for an address that asked too often.
/// <https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/error-1015/> (2026-11)
const BANNED: &str = "<!DOCTYPE html>\n<html lang=\"en-US\">\n\
    <head><title>Access denied | Cloudflare used to restrict access</title></head>\n\
    <body><h1>Error 1015</h1><h2>You are being rate limited</h2></body>\n</html>\n";

/// The failure to send instead of an answer, if an active fault demands one.
pub(crate) fn failure(board: &FaultBoard, venue: Venue) -> Option<Response> {
    let find = |fault| board.find(venue, fault).map(|active| &active.spec);
    if let Some(status) = find(Fault::Refuse).and_then(|spec| spec.status) {
        return Some(Response::new(status, "text/plain", "refused\n"));
    }
    if let Some(spec) = find(Fault::TooManyRequests) {
        let seconds = spec.retry_after_s.unwrap_or(5);
        let response = Response::json(429, r#"{"message":"Public rate limit exceeded"}"#);
        return Some(response.with("retry-after", seconds.to_string()));
    }
    if let Some(spec) = find(Fault::Banned) {
        let seconds = spec.retry_after_s.unwrap_or(30);
        let response = Response::new(429, "text/html; charset=UTF-8", BANNED);
        return Some(response.with("retry-after", seconds.to_string()));
    }
    if let Some(spec) = find(Fault::ServerError) {
        let body = r#"{"error":"unavailable","code":14,"message":"upstream unavailable"}"#;
        return Some(Response::json(spec.status.unwrap_or(503), body));
    }
    let spec = find(Fault::Html)?;
    Some(Response::new(spec.status.unwrap_or(200), "text/html; charset=UTF-8", HTML))
}
