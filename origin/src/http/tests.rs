//! The whole face without a socket: one request in, one response out.

use axum::body::Body;
use http::header::{self, HeaderMap};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tower::ServiceExt as _;

use super::*;
use crate::supervise::Task;
use crate::test_support;

pub(super) const PRICES: &str = "/api/v1/prices";

pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(super) struct Fixture {
    router: Router,
    pub(super) clock: Clock,
    store: Arc<Store>,
    board: Arc<Board>,
}

impl Fixture {
    pub(super) fn with(toml: &str) -> Self {
        let file = crate::config::FileText { name: "test", text: toml };
        let config = Config::load(Some(file), []).unwrap();
        let clock = Clock::start();
        let store = Arc::new(Store::new(config.http.hold_ms()));
        let metrics = Arc::new(Metrics::default());
        let state = Arc::new(Health::default());
        let board = Arc::new(Board::default());
        let (held, told) = (Arc::clone(&store), Arc::clone(&board));
        let site = Site::new(&config, clock.clone(), held, metrics, state, told);
        Self { router: router(Arc::new(site)), clock, store, board }
    }

    pub(super) fn new() -> Self {
        Self::with("")
    }

    pub(super) fn published(self) -> Self {
        let now = self.clock.now();
        self.store.publish(test_support::snapshot(3, now), now);
        self.board.put("{}".to_owned(), test_support::at(0));
        self
    }

    pub(super) async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(super) async fn get(&self, uri: &str) -> Answer {
        self.ask("GET", uri, &[]).await
    }
}

#[tokio::test]
async fn prices_are_answered_with_everything_a_cache_and_a_client_need() {
    let site = Fixture::new().published();
    for path in [PRICES, "/v1/prices", "/api/v1/prices?", "/api/v1/prices?_=1706900000000"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "public, max-age=1");
        assert_eq!(answer.header("etag"), "\"7-3-0\"");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert!(answer.header("pricecast-now").parse::<u64>().unwrap() > 1_706_900_000_000);
        assert_eq!(answer.header("pricecast-market"), "");
        assert_eq!(answer.header("strict-transport-security"), "");
        assert!(String::from_utf8(answer.body).unwrap().contains(r#""price":65000.10,"#));
    }
}

#[tokio::test]
async fn the_max_age_and_the_market_follow_the_configuration() {
    for (seconds, value) in [(0, "no-store"), (2, "public, max-age=2")] {
        let toml = format!(
            "http.client_max_age_s = {seconds}\nhttp.hsts = true\nkraken.url = \"ws://127.0.0.1:1/v2\""
        );
        let answer = Fixture::with(&toml).published().get(PRICES).await;
        assert_eq!(answer.header("cache-control"), value);
        assert_eq!(answer.header("pricecast-market"), "custom");
        assert!(!answer.header("strict-transport-security").is_empty());
    }
}

#[tokio::test]
async fn a_known_tag_is_answered_304_however_it_is_written() {
    let site = Fixture::new().published();
    for (tag, status) in [
        ("\"7-3-0\"", 304),
        ("W/\"7-3-0\"", 304),
        ("\"old\", W/\"7-3-0\"", 304),
        ("*", 304),
        ("\"7-2-0\"", 200),
        ("7-3-0", 200),
        ("\"7-3-0-gz\"", 200),
    ] {
        let answer = site.ask("GET", PRICES, &[("if-none-match", tag)]).await;
        assert_eq!(answer.status, status, "{tag}");
        assert_eq!(answer.header("etag"), "\"7-3-0\"");
        assert_eq!(answer.header("cache-control"), "public, max-age=1");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert!(!answer.header("pricecast-now").is_empty());
        assert_eq!(answer.body.is_empty(), status == 304);
    }
}

#[tokio::test]
async fn whoever_takes_gzip_gets_it_under_its_own_tag() {
    use std::io::Read as _;
    let site = Fixture::new().published();
    let plain = site.get(PRICES).await;
    let answer = site.ask("GET", PRICES, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("etag"), "\"7-3-0-gz\"");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let known = [("accept-encoding", "gzip"), ("if-none-match", "W/\"7-3-0-gz\"")];
    let again = site.ask("GET", PRICES, &known).await;
    assert_eq!((again.status.as_u16(), again.header("content-encoding")), (304, ""));
}

#[tokio::test]
async fn head_says_what_get_would_without_a_body() {
    let site = Fixture::new().published();
    for path in [PRICES, "/live", "/ready", "/openapi.json", "/nowhere"] {
        let (get, head) = (site.get(path).await, site.ask("HEAD", path, &[]).await);
        assert_eq!(get.status, head.status);
        assert!(head.body.is_empty());
        let mut without_clock = [get.headers, head.headers];
        for headers in &mut without_clock {
            headers.remove("pricecast-now");
        }
        assert_eq!(without_clock[0], without_clock[1], "{path}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_204() {
    let answer = Fixture::new().ask("OPTIONS", PRICES, &[("origin", "https://app.example")]).await;
    assert_eq!(answer.status, 204);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    assert_eq!(answer.header("access-control-max-age"), "86400");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn only_listed_pages_are_echoed_and_the_answer_varies_by_them() {
    let site = Fixture::with("http.cors_origins = [\"https://app.example\"]").published();
    for (origin, echoed) in
        [("https://app.example", "https://app.example"), ("https://evil.example", "")]
    {
        let answer = site.ask("GET", PRICES, &[("origin", origin)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), echoed);
        let vary: Vec<_> = answer.headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Accept-Encoding", "Origin"]);
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_a_problem_with_its_code() {
    let site = Fixture::new().published();
    for (method, uri, status, code) in [
        ("GET", "/", 404, "not_found"),
        ("GET", "/api/v1/prices/", 404, "not_found"),
        ("GET", "//api/v1/prices", 404, "not_found"),
        ("GET", "/api/v1/prices%2f", 404, "not_found"),
        ("GET", "/api/v1/prices;x", 404, "not_found"),
        ("GET", "/API/v1/prices", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
        ("POST", PRICES, 405, "method_not_allowed"),
        ("BREW", "/live", 405, "method_not_allowed"),
        ("GET", "/api/v1/prices?symbol=BTC", 400, "query_not_allowed"),
        ("GET", "/api/v1/prices?_=1&x", 400, "query_not_allowed"),
    ] {
        let answer = site.ask(method, uri, &[]).await;
        assert_eq!(answer.status, status, "{method} {uri}");
        assert_eq!(answer.header("content-type"), "application/problem+json; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.json()["code"], code);
        assert_eq!(answer.header("allow").is_empty(), status != 405);
    }
}

#[tokio::test]
async fn before_the_first_price_it_is_503_and_never_an_empty_list() {
    let answer = Fixture::new().get(PRICES).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "no_data_yet");
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn without_the_secret_every_path_but_the_probes_is_forbidden() {
    let site = Fixture::with("access.secrets = [\"secret-of-yesterday\", \"secret-of-tomorrow\"]")
        .published();
    for path in [PRICES, "/v1/prices", "/openapi.json", "/nowhere", "/api/v1/prices?x=1"] {
        for sent in [
            &[][..],
            &[("pricecast-origin-secret", "secret-of-yesterda")],
            &[("pricecast-origin-secret", "")],
        ] {
            let answer = site.ask("GET", path, sent).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()["code"].as_str()),
                (403, Some("forbidden"))
            );
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
    let twice = [
        ("pricecast-origin-secret", "secret-of-yesterday"),
        ("pricecast-origin-secret", "secret-of-yesterday"),
    ];
    assert_eq!(site.ask("GET", PRICES, &twice).await.status, 403);
    for secret in ["secret-of-yesterday", "secret-of-tomorrow"] {
        let answer = site.ask("GET", PRICES, &[("pricecast-origin-secret", secret)]).await;
        assert_eq!(answer.status, 200);
    }
    for path in ["/live", "/ready"] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn ready_gives_its_reasons() {
    let site = Fixture::new();
    let answer = site.get("/ready").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0]["code"], "no_prices");
    assert!(!answer.header("retry-after").is_empty());
    let now = site.clock.now();
    site.store.publish(test_support::snapshot(1, now.minus_ms(60_000)), now);
    let answer = site.get("/ready").await;
    assert_eq!(answer.json()["reasons"][0]["code"], "nothing_fresh");
    site.store.publish(test_support::snapshot(2, now), now);
    let answer = site.get("/ready").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["market"], "real");
    assert_eq!(site.get("/live").await.status, 200);
}

#[tokio::test]
async fn an_unwritable_state_dir_a_failed_task_and_a_custom_market_show_in_ready() {
    let state = Health::default();
    assert!(!state.note_state_write(true), "no news");
    assert!(state.note_state_write(false), "news");
    state.note_failure(Task::Coinbase, test_support::at(1));
    state.note_failure(Task::Kraken, test_support::at(0));
    let snapshot = test_support::snapshot(1, test_support::at(0));
    let reply = health::ready(Some(&snapshot), test_support::at(0), &state, false);
    assert_eq!(reply.status, 200);
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let codes: Vec<_> = body["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
    assert_eq!(codes, ["task_restarting", "state_dir_unwritable", "custom_market"]);
}

#[tokio::test]
async fn the_document_lists_the_paths_that_answer_and_no_others() {
    let site = Fixture::new().published();
    let answer = site.get("/openapi.json").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=3600");
    let document = answer.json();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let answer = site.ask(&method.to_uppercase(), path, &[]).await;
            assert!(answer.status.is_success(), "{method} {path}");
        }
    }
    let listed: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    for resource in Resource::ALL.into_iter().filter(|r| r.is_served_by(Face::Origin)) {
        assert!(resource.paths().iter().all(|path| listed.iter().any(|l| l == path)));
    }
}

#[tokio::test]
async fn a_request_larger_than_any_of_ours_is_refused() {
    let site = Fixture::new().published();
    let long = "x".repeat(17 * 1_024);
    let answer = site.ask("GET", PRICES, &[("x-long", &long)]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["code"].as_str()),
        (431, Some("headers_too_large"))
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    for headers in [[("content-length", "5")], [("transfer-encoding", "chunked")]] {
        let answer = site.ask("GET", PRICES, &headers).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str()),
            (413, Some("body_not_allowed"))
        );
    }
    assert_eq!(site.ask("GET", PRICES, &[("content-length", "0")]).await.status, 200);
}

#[tokio::test]
async fn nothing_a_client_sends_comes_back_in_a_header() {
    let site = Fixture::with("http.cors_origins = [\"https://app.example\"]").published();
    let canary = "canary-7f3a";
    for name in [
        "origin",
        "host",
        "x-forwarded-host",
        "x-forwarded-for",
        "x-original-url",
        "forwarded",
        "x-http-method-override",
        "traceparent",
        "tracestate",
        "if-none-match",
        "range",
        "accept",
        "accept-encoding",
        "accept-language",
        "cookie",
        "authorization",
        "referer",
        "via",
    ] {
        let clean = site.get(PRICES).await;
        let answer = site.ask("GET", PRICES, &[(name, canary)]).await;
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.body, clean.body, "{name}");
        for (header, value) in &answer.headers {
            assert!(!value.to_str().unwrap().contains(canary), "{name} came back in {header}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_request_makes_it_panic_and_every_answer_says_how_it_may_be_cached(
        method in "(GET|HEAD|POST|OPTIONS|[A-Z]{1,8})",
        path in "(/api/v1/prices|/v1/prices|/live|/ready|/openapi.json|/[!-~&&[^#?]]{0,30})",
        query in "(|\\?|\\?_=[0-9]{0,4}|\\?[!-~&&[^#]]{0,30})",
        headers in proptest::collection::vec(
            (
                "(if-none-match|accept-encoding|origin|traceparent|content-length|pricecast-origin-secret|x-[a-z]{1,9})",
                proptest::collection::vec(any::<u8>().prop_filter("value", |b| *b >= 32 && *b != 127 || *b == 9), 0..60),
            ),
            0..6,
        ),
        has_data in any::<bool>(),
        has_secret in any::<bool>(),
    ) {
        let toml = if has_secret { "access.secrets = [\"secret-of-yesterday\"]" } else { "" };
        let fixture = Fixture::with(toml);
        let fixture = if has_data { fixture.published() } else { fixture };
        let mut request = Request::builder().method(method.as_str()).uri(format!("{path}{query}"));
        for (name, value) in &headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        // What is no URI or no header never reaches us: hyper answers it.
        if let Ok(request) = request.body(Body::empty()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let answer = runtime.block_on(fixture.send(request));
            let status = answer.status.as_u16();
            prop_assert!((200..500).contains(&status) || status == 503, "{status}");
            prop_assert!(!answer.header("cache-control").is_empty());
            prop_assert!(!answer.header("pricecast-now").is_empty());
            prop_assert_eq!(answer.header("x-content-type-options"), "nosniff");
            if status >= 400 {
                prop_assert_eq!(answer.header("cache-control"), "no-store");
            }
        }
    }
}
