//! `GET /api/v1/prices`: the shared body, or 304.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use pricecast_wire::ProblemCode;
use pricecast_wire::headers::{self as wire, ClientMaxAge};

use super::respond::Reply;
use crate::config::Delivery;
use crate::snapshot::Publication;

const CLOUDFLARE_CDN_CACHE_CONTROL: HeaderName =
    HeaderName::from_static(wire::CLOUDFLARE_CDN_CACHE_CONTROL);
const CDN_CACHE_CONTROL: HeaderValue = HeaderValue::from_static(wire::CDN_CACHE_CONTROL);

pub(super) fn reply(
    publication: &Publication,
    request: &HeaderMap,
    max_age: ClientMaxAge,
    delivery: Delivery,
) -> Reply {
    let mut reply = Reply::unless_known(publication.forms(), request, max_age.cache_control());
    if delivery != Delivery::Worker {
        reply.headers.insert(CLOUDFLARE_CDN_CACHE_CONTROL, CDN_CACHE_CONTROL);
    }
    reply
}

pub(super) fn no_data_yet() -> Reply {
    Reply::problem(ProblemCode::NoDataYet.into())
}
