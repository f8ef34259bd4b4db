//! Which request asks for what: exact paths, three methods, no query. Shared by both faces, so
//! that what the edge refuses is what the origin would refuse.

use crate::problem::ProblemCode;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The origin service, asked by the Worker.
    Origin,
    /// The origin service, asked by a zone's cache: its key has no query, so a query says nothing.
    OriginOfCdn,
    /// The Worker.
    Edge,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The prices.
    Prices,
    /// How well they were kept fresh.
    Status,
    /// Whether the process runs.
    Live,
    /// Whether it can serve fresh prices, and why not.
    Ready,
    /// The OpenAPI document.
    OpenApi,
    /// The edge's own view of itself.
    Health,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 6] =
        [Self::Prices, Self::Status, Self::Live, Self::Ready, Self::OpenApi, Self::Health];

    /// Its paths; the first is the one to document.
    #[must_use]
    pub const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Prices => &["/api/v1/prices", "/v1/prices"],
            Self::Status => &["/api/v1/status"],
            Self::Live => &["/live"],
            Self::Ready => &["/ready"],
            Self::OpenApi => &["/openapi.json"],
            Self::Health => &["/health"],
        }
    }

    /// Whether `face` serves it.
    #[must_use]
    pub const fn is_served_by(self, face: Face) -> bool {
        match self {
            Self::Prices | Self::Status => true,
            Self::Live | Self::Ready | Self::OpenApi => !matches!(face, Face::Edge),
            Self::Health => matches!(face, Face::Edge),
        }
    }
}

/// What is wanted of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The representation.
    Get,
    /// Its headers: those of GET, without a body.
    Head,
    /// A CORS preflight, answered 204.
    Options,
}

/// A request that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is asked for.
    pub resource: Resource,
    /// What is wanted of it.
    pub verb: Verb,
}

/// Understands a request. `path` is taken as it stands (no decoding, no trailing slash); `query`
/// is what follows the first `?`, `None` without one.
///
/// # Errors
/// 404 for an unknown path, then 405 for a method it does not know, then 400 for a query
/// parameter of the prices or the status. Other resources ignore theirs, and [`Face::OriginOfCdn`] ignores all.
pub fn route(
    face: Face,
    method: &str,
    path: &str,
    query: Option<&str>,
) -> Result<Call, ProblemCode> {
    let resource = Resource::ALL
        .into_iter()
        .find(|resource| resource.is_served_by(face) && resource.paths().contains(&path))
        .ok_or(ProblemCode::NotFound)?;
    let verb = match method {
        "GET" => Verb::Get,
        "HEAD" => Verb::Head,
        "OPTIONS" => Verb::Options,
        _ => return Err(ProblemCode::MethodNotAllowed),
    };
    let is_held = matches!(resource, Resource::Prices | Resource::Status);
    let is_query_judged = is_held && face != Face::OriginOfCdn;
    if is_query_judged && !is_no_query(query.unwrap_or_default()) {
        return Err(ProblemCode::QueryNotAllowed);
    }
    Ok(Call { resource, verb })
}

/// Whether a query string counts as none: no parameter at all, names starting `__cf_` (Cloudflare
/// adds them to challenged requests), and a single `_=<digits>`, which is what React Native's
/// fetch makes of `cache: "no-store"` (whatwg-fetch 3.6.20).
#[must_use]
pub fn is_no_query(query: &str) -> bool {
    let mut parameters = query.split('&').filter(|p| !p.is_empty() && !p.starts_with("__cf_"));
    parameters.next().is_none_or(is_cache_buster) && parameters.next().is_none()
}

fn is_cache_buster(parameter: &str) -> bool {
    parameter
        .strip_prefix("_=")
        .is_some_and(|value| !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_that_says_nothing_counts_as_none() {
        for (query, none) in [
            ("", true),
            ("_=1706900000000", true),
            ("_=0", true),
            ("__cf_chl_tk=abc", true),
            ("__cf_chl_tk=abc&__cf_x", true),
            ("__cf_chl_tk=abc&_=1", true),
            ("_=", false),
            ("_", false),
            ("_=1a", false),
            ("_=-1", false),
            ("_=1&_=2", false),
            ("_=1&symbol=BTC", false),
            ("symbol=BTC", false),
            ("%5F=1", false),
            ("_cf_x=1", false),
            ("a", false),
            ("=", false),
            ("_=1?", false),
        ] {
            assert_eq!(is_no_query(query), none, "{query:?}");
        }
    }

    #[test]
    fn each_face_serves_its_own_paths_exactly() {
        use Face::{Edge, Origin, OriginOfCdn};
        for (face, path, resource) in [
            (Edge, "/api/v1/prices", Ok(Resource::Prices)),
            (Edge, "/v1/prices", Ok(Resource::Prices)),
            (Origin, "/v1/prices", Ok(Resource::Prices)),
            (Edge, "/api/v1/status", Ok(Resource::Status)),
            (Origin, "/api/v1/status", Ok(Resource::Status)),
            (Edge, "/v1/status", Err(ProblemCode::NotFound)),
            (Edge, "/health", Ok(Resource::Health)),
            (Origin, "/health", Err(ProblemCode::NotFound)),
            (Origin, "/ready", Ok(Resource::Ready)),
            (OriginOfCdn, "/ready", Ok(Resource::Ready)),
            (OriginOfCdn, "/health", Err(ProblemCode::NotFound)),
            (Edge, "/ready", Err(ProblemCode::NotFound)),
            (Edge, "/openapi.json", Err(ProblemCode::NotFound)),
            (Edge, "/api/v1/prices/", Err(ProblemCode::NotFound)),
            (Edge, "/API/v1/prices", Err(ProblemCode::NotFound)),
            (Edge, "//api/v1/prices", Err(ProblemCode::NotFound)),
            (Edge, "/api/v1/%70rices", Err(ProblemCode::NotFound)),
            (Edge, "", Err(ProblemCode::NotFound)),
        ] {
            let routed = route(face, "GET", path, None).map(|call| call.resource);
            assert_eq!(routed, resource, "{face:?} {path}");
        }
    }

    #[test]
    fn the_path_is_judged_before_the_method_and_the_method_before_the_query() {
        for (method, path, query, expected) in [
            ("POST", "/nowhere", Some("a=1"), Err(ProblemCode::NotFound)),
            ("POST", "/v1/prices", Some("a=1"), Err(ProblemCode::MethodNotAllowed)),
            ("get", "/v1/prices", None, Err(ProblemCode::MethodNotAllowed)),
            ("GET", "/v1/prices", Some("a=1"), Err(ProblemCode::QueryNotAllowed)),
            ("GET", "/api/v1/status", Some("a=1"), Err(ProblemCode::QueryNotAllowed)),
            ("GET", "/v1/prices", Some(""), Ok(Verb::Get)),
            ("HEAD", "/v1/prices", None, Ok(Verb::Head)),
            ("OPTIONS", "/v1/prices", None, Ok(Verb::Options)),
            ("GET", "/health", Some("a=1"), Ok(Verb::Get)),
        ] {
            let routed = route(Face::Edge, method, path, query).map(|call| call.verb);
            assert_eq!(routed, expected, "{method} {path} {query:?}");
        }
    }

    #[test]
    fn a_zones_cache_may_ask_with_any_query() {
        for query in [None, Some(""), Some("a=1"), Some("_=1&_=2")] {
            let routed = route(Face::OriginOfCdn, "GET", "/v1/prices", query);
            assert_eq!(
                routed,
                Ok(Call { resource: Resource::Prices, verb: Verb::Get }),
                "{query:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(method in "\\PC{0,9}", path in "\\PC{0,30}", query in "\\PC{0,60}") {
            let _ = route(Face::Edge, &method, &path, Some(&query));
            let _ = route(Face::Origin, "GET", "/v1/prices", Some(&query));
        }
    }
}
