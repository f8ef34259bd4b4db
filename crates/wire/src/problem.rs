//! Errors as clients see them: RFC 9457 problem+json with a stable `code`.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// What went wrong, in a form programs may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemCode {
    /// No such path.
    NotFound,
    /// The path knows no such method.
    MethodNotAllowed,
    /// A query parameter where none is known.
    QueryNotAllowed,
    /// A request with a body, of which none is ever read.
    BodyNotAllowed,
    /// A longer request target than any of ours.
    UriTooLong,
    /// More headers than are read.
    HeadersTooLarge,
    /// More requests or connections from one address than it may have.
    TooManyRequests,
    /// The origin's shared secret is missing or wrong.
    Forbidden,
    /// No price was ever known here.
    NoDataYet,
    /// As many requests or connections as are served at a time.
    Overloaded,
    /// A configuration value is wrong; the detail names it.
    Misconfigured,
    /// A fault of ours.
    Internal,
}

impl ProblemCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::QueryNotAllowed,
        Self::BodyNotAllowed,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::TooManyRequests,
        Self::Forbidden,
        Self::NoDataYet,
        Self::Overloaded,
        Self::Misconfigured,
        Self::Internal,
    ];

    /// Its name in the body's `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::QueryNotAllowed => "query_not_allowed",
            Self::BodyNotAllowed => "body_not_allowed",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::TooManyRequests => "too_many_requests",
            Self::Forbidden => "forbidden",
            Self::NoDataYet => "no_data_yet",
            Self::Overloaded => "overloaded",
            Self::Misconfigured => "misconfigured",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status it is sent with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::QueryNotAllowed => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyNotAllowed => 413,
            Self::UriTooLong => 414,
            Self::TooManyRequests => 429,
            Self::HeadersTooLarge => 431,
            Self::Misconfigured | Self::Internal => 500,
            Self::NoDataYet | Self::Overloaded => 503,
        }
    }

    /// The status's own phrase: the problem's `type` is `about:blank` (RFC 9457 §4.2.1).
    const fn title(self) -> &'static str {
        match self {
            Self::QueryNotAllowed => "Bad Request",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::BodyNotAllowed => "Content Too Large",
            Self::UriTooLong => "URI Too Long",
            Self::TooManyRequests => "Too Many Requests",
            Self::HeadersTooLarge => "Request Header Fields Too Large",
            Self::Misconfigured | Self::Internal => "Internal Server Error",
            Self::NoDataYet | Self::Overloaded => "Service Unavailable",
        }
    }

    /// What it says where nothing more precise is known.
    const fn detail(self) -> &'static str {
        match self {
            Self::NotFound => "There is nothing at this path. Prices are at /api/v1/prices.",
            Self::MethodNotAllowed => "This path answers GET, HEAD and OPTIONS.",
            Self::QueryNotAllowed => "This path takes no query parameters.",
            Self::BodyNotAllowed => "Requests here carry no body.",
            Self::UriTooLong => "At most 2 KiB of path and query are read.",
            Self::HeadersTooLarge => "At most 16 KiB of headers are read.",
            Self::TooManyRequests => "This address asks more than it may.",
            Self::Forbidden => "This service answers its own edge only.",
            Self::NoDataYet => "No price is known here yet.",
            Self::Overloaded => "As many requests as can be served are being served.",
            Self::Misconfigured => "The service is misconfigured.",
            Self::Internal => "The service failed to answer.",
        }
    }

    /// Seconds until another try makes sense: the value of `Retry-After`, on 429 and 503 only.
    #[must_use]
    pub const fn retry_after_s(self) -> Option<u32> {
        match self {
            Self::NoDataYet => Some(2),
            Self::TooManyRequests | Self::Overloaded => Some(1),
            _ => None,
        }
    }

    /// The value of `Allow`, on 405 only.
    #[must_use]
    pub const fn allow(self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed => Some(crate::headers::METHODS),
            _ => None,
        }
    }
}

/// An error as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub code: ProblemCode,
    /// For the person who must act. Never holds what the client sent.
    pub detail: Cow<'static, str>,
}

/// An error (RFC 9457).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Problem))]
pub(crate) struct ProblemBody<'a> {
    /// Always `about:blank`: `code` tells the problems apart.
    r#type: &'a str,
    /// The status's own phrase.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// Stable. More values may be added.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::names::Code))]
    code: &'a str,
    /// For the person who must act.
    detail: &'a str,
}

impl Problem {
    /// A problem that says more than its code does.
    #[must_use]
    pub fn with_detail(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The body, to be sent as [`crate::headers::PROBLEM_JSON`].
    #[must_use]
    pub fn to_json(&self) -> String {
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.code.title(),
            status: self.code.status(),
            code: self.code.as_str(),
            detail: &self.detail,
        };
        // Texts and one integer: this cannot fail.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::with_detail(code, code.detail())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_status_and_its_stable_code() {
        assert_eq!(
            Problem::from(ProblemCode::NoDataYet).to_json(),
            r#"{"type":"about:blank","title":"Service Unavailable","status":503,"code":"no_data_yet","detail":"No price is known here yet."}"#
        );
    }

    #[test]
    fn a_detail_is_escaped() {
        let problem = Problem::with_detail(ProblemCode::Misconfigured, "X = \"a\\b\n\" is no URL");
        let body: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();
        assert_eq!(body["detail"], "X = \"a\\b\n\" is no URL");
    }

    #[test]
    fn only_429_and_503_ask_for_another_try_and_only_a_405_lists_methods() {
        for code in ProblemCode::ALL {
            let may_pass = matches!(code.status(), 429 | 503);
            assert_eq!(code.retry_after_s().is_some(), may_pass, "{code:?}");
            assert_eq!(code.allow().is_some(), code.status() == 405, "{code:?}");
        }
    }
}
