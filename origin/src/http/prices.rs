//! `GET /api/v1/prices`: the shared body, or 304.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use pricecast_wire::headers::{ClientMaxAge, JSON};
use pricecast_wire::{Encoding, ProblemCode, if_none_match};

use super::negotiate;
use super::respond::Reply;
use crate::snapshot::{Form, Publication};

pub(super) fn reply(
    publication: &Publication,
    request: &HeaderMap,
    max_age: ClientMaxAge,
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
