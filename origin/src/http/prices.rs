//! `GET /api/v1/prices`: the shared body, or 304.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pricecast_wire::headers::{self as wire, ClientMaxAge, JSON};
use pricecast_wire::{Encoding, ProblemCode, if_none_match};

use super::negotiate;
use super::respond::Reply;
use crate::config::Delivery;
use crate::snapshot::{Form, Publication};

const CLOUDFLARE_CDN_CACHE_CONTROL: HeaderName =
    HeaderName::from_static(wire::CLOUDFLARE_CDN_CACHE_CONTROL);
const CDN_CACHE_CONTROL: HeaderValue = HeaderValue::from_static(wire::CDN_CACHE_CONTROL);

pub(super) fn reply(
    publication: &Publication,
    request: &HeaderMap,
    max_age: ClientMaxAge,
    delivery: Delivery,
) -> Reply {
    let form = match negotiate::encoding(request) {
        Encoding::Identity => publication.identity(),
        Encoding::Gzip => publication.gzip(),
    };
    let mut reply = if is_known(request, form) {
        Reply::new(StatusCode::NOT_MODIFIED, max_age.cache_control())
    } else {
        let reply = Reply::new(StatusCode::OK, max_age.cache_control());
        let mut reply = reply.with_body(JSON, form.body());
        if form.encoding() == Encoding::Gzip {
            reply.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        reply
    };
    if delivery != Delivery::Worker {
        reply.headers.insert(CLOUDFLARE_CDN_CACHE_CONTROL, CDN_CACHE_CONTROL);
    }
    reply.headers.insert(header::ETAG, form.etag_header().clone());
    reply.headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    reply
}

pub(super) fn no_data_yet() -> Reply {
    Reply::problem(ProblemCode::NoDataYet.into())
}

/// Whether any `If-None-Match` line names the form's tag.
fn is_known(request: &HeaderMap, form: &Form) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter();
    lines.filter_map(|line| line.to_str().ok()).any(|line| if_none_match(line, form.etag()))
}
