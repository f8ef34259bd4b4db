//! `GET /api/v1/status`: the report of the last five seconds, or 304.

use http::HeaderMap;
use pricecast_wire::headers::STATUS_CACHE_CONTROL;
use pricecast_wire::{Problem, ProblemCode};

use super::respond::Reply;
use crate::form::Forms;

pub(super) fn reply(report: Option<&Forms>, request: &HeaderMap) -> Reply {
    match report {
        Some(report) => Reply::unless_known(report, request, STATUS_CACHE_CONTROL),
        None => Reply::problem(Problem::with_detail(
            ProblemCode::NoDataYet,
            "Nothing has been measured here yet.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;

    const STATUS: &str = "/api/v1/status";
    const SECRET: &str = "a-secret-of-this-test";

    #[tokio::test]
    async fn a_report_may_be_kept_for_five_seconds_and_is_known_by_its_tag() {
        let site = Fixture::new().published();
        let answer = site.get(STATUS).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), "public, max-age=5");
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        let tag = answer.header("etag").to_owned();
        assert_eq!((tag.as_str(), &answer.body[..]), ("\"1706900000000\"", &b"{}"[..]));
        let known = site.ask("GET", STATUS, &[("if-none-match", &tag)]).await;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
        assert_eq!(known.header("cache-control"), "public, max-age=5");
        assert_eq!(known.header("etag"), tag);
        let zipped = site.ask("GET", STATUS, &[("accept-encoding", "gzip")]).await;
        assert_eq!(zipped.header("content-encoding"), "gzip");
        assert_ne!(zipped.header("etag"), tag);
    }

    #[tokio::test]
    async fn what_is_no_report_is_not_to_be_kept() {
        let site = Fixture::new().published();
        for (method, target, status) in
            [("GET", "/api/v1/status?a=1", 400), ("POST", STATUS, 405), ("OPTIONS", STATUS, 204)]
        {
            let answer = site.ask(method, target, &[]).await;
            assert_eq!(answer.status, status, "{method} {target}");
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {target}");
        }
        let cold = Fixture::new().get(STATUS).await;
        assert_eq!((cold.status.as_u16(), cold.header("retry-after")), (503, "2"));
        assert_eq!(cold.header("cache-control"), "no-store");
    }

    #[tokio::test]
    async fn it_is_told_to_those_who_may_have_the_prices_and_to_no_others() {
        let site = Fixture::with(&format!("access.secrets = [\"{SECRET}\"]")).published();
        assert_eq!(site.get(STATUS).await.status, 403);
        let asked = [("pricecast-origin-secret", SECRET)];
        assert_eq!(site.ask("GET", STATUS, &asked).await.status, 200);
    }

    #[tokio::test]
    async fn a_zones_cache_in_front_is_told_nothing_of_its_own() {
        let site = Fixture::with("http.delivery = \"cdn\"").published();
        let answer = site.get(STATUS).await;
        assert_eq!(answer.header("cache-control"), "public, max-age=5");
        assert_eq!(answer.header("cloudflare-cdn-cache-control"), "");
    }
}
