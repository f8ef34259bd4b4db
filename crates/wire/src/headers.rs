//! Names and values of the headers both faces send. Values are constants and integers only:
//! nothing a client sent is ever written into a header.

/// The sender's clock at sending, in epoch ms: the origin's process clock, or the edge's estimate
/// of it. Every age is measured against it.
pub const PRICECAST_NOW: &str = "pricecast-now";
/// `custom` when the origin's exchange URLs are not the two real ones: a simulated market must
/// never be mistaken for a real one. Absent otherwise.
pub const PRICECAST_MARKET: &str = "pricecast-market";
/// The value of [`PRICECAST_MARKET`].
pub const MARKET_CUSTOM: &str = "custom";
/// Carries the secret shared by edge and origin, on requests from edge to origin only.
pub const PRICECAST_ORIGIN_SECRET: &str = "pricecast-origin-secret";
/// The shortest that secret may be, in bytes. As many hex digits hold 64 bits: at the rate at which
/// one may ask, nobody guesses them.
pub const SECRET_LEN_MIN: usize = 16;
/// W3C trace context, minted by the edge for each origin fetch.
pub const TRACEPARENT: &str = "traceparent";

/// The edge's version, with the status.
pub const PRICECAST_EDGE_VERSION: &str = "pricecast-edge-version";
/// How the edge came by its answer (RFC 9211).
pub const CACHE_STATUS: &str = "cache-status";
/// Where the time went, on answers that are no hit.
pub const SERVER_TIMING: &str = "server-timing";
/// Speaks to Cloudflare's cache in front of the Worker or the origin only; stripped before the client.
pub const CLOUDFLARE_CDN_CACHE_CONTROL: &str = "cloudflare-cdn-cache-control";
/// Its value where such a cache is on. `stale-if-error=0`: without it Cloudflare serves stale on
/// error for ever. The sum of the other two is [`pricecast_core::cache_policy::CDN_HOLD_MS`].
pub const CDN_CACHE_CONTROL: &str = "public, max-age=1, stale-while-revalidate=1, stale-if-error=0";

/// Of bodies with data and of the OpenAPI document.
pub const JSON: &str = "application/json; charset=utf-8";
/// Of every error (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json; charset=utf-8";

/// `Cache-Control` of everything but prices, the status and the OpenAPI document.
pub const NO_STORE: &str = "no-store";
/// `Cache-Control` of the status.
pub const STATUS_CACHE_CONTROL: &str = "public, max-age=5";
/// `Cache-Control` of the OpenAPI document.
pub const OPENAPI_CACHE_CONTROL: &str = "public, max-age=3600";

/// Sent with every response of every status.
pub const SECURITY: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "cross-origin"),
];

/// Methods a resource answers: `Allow` of a 405, and of a preflight.
pub const METHODS: &str = "GET, HEAD, OPTIONS";
/// `Access-Control-Expose-Headers`: the response headers a page may read.
pub const EXPOSE_HEADERS: &str =
    "Age, Cache-Status, ETag, Date, Retry-After, Server-Timing, Pricecast-Now";
/// What the 204 to a preflight says beside `Access-Control-Allow-Origin`.
pub const PREFLIGHT: [(&str, &str); 3] = [
    ("access-control-allow-methods", METHODS),
    ("access-control-allow-headers", "If-None-Match, Cache-Control, Last-Event-ID"),
    ("access-control-max-age", "86400"),
];

/// Off by default: on a custom domain it is usually set for the whole zone.
pub const STRICT_TRANSPORT_SECURITY: &str = "strict-transport-security";

/// How long a client's own cache may keep a body with prices: 0, 1 or 2 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientMaxAge {
    /// Not at all: for iOS apps whose HTTP cache writes every poll to disk.
    NoStore,
    /// One second.
    #[default]
    OneSecond,
    /// Two seconds.
    TwoSeconds,
}

impl ClientMaxAge {
    /// The value for that many seconds; none above 2.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Option<Self> {
        match seconds {
            0 => Some(Self::NoStore),
            1 => Some(Self::OneSecond),
            2 => Some(Self::TwoSeconds),
            _ => None,
        }
    }

    /// H: how far ahead a body must be rendered, so that it is still true when the cache that
    /// holds it gives it out for the last time.
    #[must_use]
    pub const fn hold_ms(self) -> u64 {
        match self {
            Self::NoStore => 0,
            Self::OneSecond => 1_000,
            Self::TwoSeconds => 2_000,
        }
    }

    /// `Cache-Control` of 200 and 304 with prices. Never `s-maxage`, `must-revalidate` or
    /// `proxy-revalidate`: they switch stale-while-revalidate off at Cloudflare.
    #[must_use]
    pub const fn cache_control(self) -> &'static str {
        match self {
            Self::NoStore => NO_STORE,
            Self::OneSecond => "public, max-age=1",
            Self::TwoSeconds => "public, max-age=2",
        }
    }
}
