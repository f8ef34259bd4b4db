//! What requests are answered in every state an isolate can be in.

use pricecast_core::cache_policy::EdgeMillis;
use proptest::prelude::*;

use crate::answer::{Answer, Waited};
use crate::asked::Asked;
use crate::config::EdgeConfig;
use crate::document::Document;
use crate::isolate::{Isolate, Step};
use crate::test_support::{config, raw_copy};

const PRICES: &str = "https://prices.example/api/v1/prices";

fn asked(method: &str, url: &str) -> Asked {
    Asked { method: method.to_owned(), url: url.to_owned(), ..Asked::default() }
}

fn at(ms: u64) -> EdgeMillis {
    EdgeMillis::from_ms(ms)
}

fn step(isolate: &mut Isolate, asked: &Asked, ms: u64) -> Step {
    isolate.step(asked, at(ms), Waited::default())
}

fn answer(isolate: &mut Isolate, asked: &Asked, ms: u64) -> Answer {
    step(isolate, asked, ms).answer.unwrap()
}

/// One that fetched at 10 s of its clock.
fn warm(vars: &[(&str, &str)]) -> Isolate {
    Isolate::with_copy(vars, &raw_copy(0, 10_000))
}

#[test]
fn a_young_copy_is_a_hit_with_at_most_twelve_headers() {
    for vars in [&[][..], &[("CORS_ORIGINS", "https://app.example")]] {
        let mut asked = asked("GET", PRICES);
        asked.origin = Some("https://app.example".to_owned());
        let hit = answer(&mut warm(vars), &asked, 10_500);
        assert_eq!(hit.status, 200);
        assert!(hit.headers.len() <= 12, "{} headers: {:?}", hit.headers.len(), hit.headers);
        assert_eq!(hit.header("cache-control"), Some("public, max-age=1"));
        assert_eq!(hit.header("cache-status"), Some("pricecast; hit"));
        assert_eq!(hit.header("etag"), Some("\"7-1706900000000-0\""));
        assert_eq!(hit.header("pricecast-now"), Some("1706900000500"));
        assert_eq!(hit.header("server-timing"), None);
    }
}

#[test]
fn pricecast_now_is_rounded_up_to_a_tenth_of_a_second() {
    for (ms, now) in
        [(10_000, "1706900000000"), (10_001, "1706900000100"), (10_100, "1706900000100")]
    {
        let hit = answer(&mut warm(&[]), &asked("GET", PRICES), ms);
        assert_eq!(hit.header("pricecast-now"), Some(now), "at {ms}");
    }
}

#[test]
fn a_custom_market_is_passed_on_and_fits_in_twelve_headers() {
    let mut raw = raw_copy(0, 10_000);
    raw.is_custom_market = true;
    let hit = answer(&mut Isolate::with_copy(&[], &raw), &asked("GET", PRICES), 10_000);
    assert_eq!(hit.header("pricecast-market"), Some("custom"));
    assert!(hit.headers.len() <= 12);
}

#[test]
fn between_soft_and_hard_one_refresh_starts_and_everyone_is_served() {
    let mut isolate = warm(&[]);
    let first = step(&mut isolate, &asked("GET", PRICES), 11_001);
    assert!(first.refresh.is_some());
    let status = first.answer.unwrap();
    assert_eq!(status.header("cache-status"), Some("pricecast; hit; ttl=0; detail=revalidating"));
    let second = step(&mut isolate, &asked("GET", PRICES), 11_002);
    assert!(second.refresh.is_none() && second.answer.is_some());
}

#[test]
fn beyond_hard_a_request_waits_and_after_a_second_gets_the_last_known_truthfully() {
    let mut isolate = warm(&[]);
    let first = step(&mut isolate, &asked("GET", PRICES), 16_000);
    assert!(first.refresh.is_some() && first.answer.is_none());
    let waited = Waited { ms: 1_000, has_waited: true, has_started: true, began_cold: false };
    let last = isolate.step(&asked("GET", PRICES), at(17_000), waited).answer.unwrap();
    assert_eq!(last.status, 200);
    assert_eq!(last.header("cache-status"), Some("pricecast; hit; ttl=-1; detail=last-known"));
    assert_eq!(last.header("server-timing"), Some("wait;dur=1000"));
    assert!(
        last.body.unwrap().contains(r#""stale":true,"freshUntil":1706900005000,"mode":"frozen""#)
    );
}

#[test]
fn a_cold_isolate_answers_503_only_after_waiting() {
    let mut isolate = Isolate::cold(&[]);
    assert!(step(&mut isolate, &asked("GET", PRICES), 0).answer.is_none());
    let waited = Waited { ms: 1_000, has_waited: true, ..Waited::default() };
    let none = isolate.step(&asked("GET", PRICES), at(1_000), waited).answer.unwrap();
    assert_eq!(none.status, 503);
    assert_eq!(none.header("retry-after"), Some("2"));
    assert_eq!(none.header("cache-control"), Some("no-store"));
    assert_eq!(none.header("content-type"), Some("application/problem+json; charset=utf-8"));
    assert!(none.body.unwrap().contains(r#""code":"no_data_yet""#));
}

#[test]
fn a_body_that_a_client_may_hold_is_rendered_for_the_end_of_that_time() {
    for (hold_s, shown_stale_from) in [("0", 15_000), ("1", 14_000), ("2", 13_000)] {
        let mut isolate = warm(&[("CLIENT_MAX_AGE_S", hold_s)]);
        let waited = Waited { ms: 1_000, has_waited: true, ..Waited::default() };
        for (ms, stale) in [(shown_stale_from - 1, false), (shown_stale_from, true)] {
            let page = isolate.step(&asked("GET", PRICES), at(ms), waited).answer.unwrap();
            let flag = format!(r#""stale":{stale},"freshUntil""#);
            assert!(page.body.unwrap().contains(&flag), "{hold_s} s at {ms}");
        }
    }
}

#[test]
fn the_callers_own_copy_is_confirmed_by_304_until_a_flag_flips() {
    let mut isolate = warm(&[]);
    let mut asked = asked("GET", PRICES);
    asked.if_none_match = Some(r#"W/"7-1706900000000-0""#.to_owned());
    let known = answer(&mut isolate, &asked, 10_000);
    assert_eq!((known.status, known.body.as_deref()), (304, None));
    assert_eq!(known.header("etag"), Some("\"7-1706900000000-0\""));
    assert_eq!(known.header("cache-control"), Some("public, max-age=1"));
    let waited = Waited { ms: 1_000, has_waited: true, ..Waited::default() };
    assert_eq!(isolate.step(&asked, at(14_000), waited).answer.unwrap().status, 200);
}

#[test]
fn a_hit_may_be_repeated_until_soft_age_or_the_next_flip() {
    let mut isolate = warm(&[]);
    let hot = step(&mut isolate, &asked("GET", PRICES), 10_000).hot.unwrap();
    assert_eq!(hot.until, at(11_000), "soft age");
    // Sent when its prices were confirmed 3.6 s ago: they flip 0.4 s later in a body for H = 1 s.
    let mut raw = raw_copy(0, 10_000);
    raw.origin_sent_at = raw.origin_sent_at.plus_ms(3_600);
    let mut isolate = Isolate::with_copy(&[], &raw);
    let hot = step(&mut isolate, &asked("GET", PRICES), 10_000).hot.unwrap();
    assert_eq!(hot.until, at(10_400), "next flip");
    assert_eq!(hot.answer.status, 200);
}

#[test]
fn an_answer_given_while_a_refresh_is_under_way_may_be_repeated_until_its_end() {
    let mut isolate = warm(&[]);
    let first = step(&mut isolate, &asked("GET", PRICES), 11_001);
    assert!(first.refresh.is_some());
    let hot = first.hot.unwrap();
    assert_eq!(hot.until, at(12_000), "hard age");
    assert_eq!(
        hot.answer.header("cache-status"),
        Some("pricecast; hit; ttl=0; detail=revalidating")
    );
    assert_eq!(step(&mut isolate, &asked("GET", PRICES), 12_001).hot, None);
}

#[test]
fn what_a_header_or_query_shaped_is_not_repeated_to_others() {
    let mut known = asked("GET", PRICES);
    known.if_none_match = Some("*".to_owned());
    let hot = step(&mut warm(&[]), &known, 10_000).hot.unwrap();
    assert_eq!(hot.answer.status, 200, "the 200 is kept, not this caller's 304");

    let busted = asked("GET", &format!("{PRICES}?_=1"));
    assert_eq!(step(&mut warm(&[]), &busted, 10_000).hot, None);

    let mut listed = asked("GET", PRICES);
    listed.origin = Some("https://app.example".to_owned());
    let vars = [("CORS_ORIGINS", "https://app.example")];
    assert_eq!(step(&mut warm(&vars), &listed, 10_000).hot, None);
    let hot = step(&mut warm(&vars), &asked("GET", PRICES), 10_000).hot.unwrap();
    assert!(!hot.is_for_any_origin);
}

#[test]
fn what_is_not_served_is_refused_without_a_fetch() {
    for (method, url, status, code) in [
        ("GET", "https://p.example/", 404, "not_found"),
        ("GET", "https://p.example/openapi.json", 404, "not_found"),
        ("GET", "https://p.example/.pricecast/production/v1/snap", 404, "not_found"),
        ("POST", PRICES, 405, "method_not_allowed"),
        ("GET", "https://p.example/v1/prices?symbol=BTC", 400, "query_not_allowed"),
    ] {
        let step = step(&mut Isolate::cold(&[]), &asked(method, url), 0);
        assert!(step.refresh.is_none());
        let refused = step.answer.unwrap();
        assert_eq!(refused.status, status, "{method} {url}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert_eq!(refused.header("allow").is_some(), status == 405);
        assert!(refused.body.unwrap().contains(&format!("\"code\":\"{code}\"")));
    }
}

#[test]
fn a_preflight_says_who_may_ask_what() {
    let mut preflight = asked("OPTIONS", PRICES);
    preflight.origin = Some("https://app.example".to_owned());
    let any = answer(&mut Isolate::cold(&[]), &preflight, 0);
    assert_eq!((any.status, any.body.as_deref()), (204, None));
    assert_eq!(any.header("access-control-allow-origin"), Some("*"));
    assert_eq!(any.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(any.header("access-control-max-age"), Some("86400"));
    assert_eq!(any.header("vary"), None);
    let listed =
        answer(&mut Isolate::cold(&[("CORS_ORIGINS", "https://b.example")]), &preflight, 0);
    assert_eq!(listed.header("access-control-allow-origin"), None);
    assert_eq!(listed.header("vary"), Some("Origin"));
}

#[test]
fn a_cache_in_front_is_told_its_own_lifetime() {
    let vars = [("CACHE_IN_FRONT", "on")];
    let hit = answer(&mut warm(&vars), &asked("GET", PRICES), 10_000);
    assert_eq!(
        hit.header("cloudflare-cdn-cache-control"),
        Some("public, max-age=1, stale-while-revalidate=1, stale-if-error=0")
    );
}

#[test]
fn a_wrong_configuration_is_a_500_that_names_the_variable() {
    let problem = EdgeConfig::load(|_| None, []).err().unwrap();
    let told = Answer::misconfigured(&problem, &asked("GET", PRICES));
    assert_eq!(told.status, 500);
    assert_eq!(told.header("cache-control"), Some("no-store"));
    assert!(told.body.unwrap().contains("ORIGIN_URLS is not set"));
}

#[test]
fn health_tells_cold_ok_and_stale_and_never_starts_a_refresh() {
    let health = asked("GET", "https://p.example/health");
    for (mut isolate, ms, status) in
        [(Isolate::cold(&[]), 0, "cold"), (warm(&[]), 10_000, "ok"), (warm(&[]), 15_000, "stale")]
    {
        let step = step(&mut isolate, &health, ms);
        assert!(step.refresh.is_none());
        let answer = step.answer.unwrap();
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body: serde_json::Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
        assert_eq!(body["status"], status);
        if status != "cold" {
            assert_eq!(body["copy"]["ageMs"], ms - 10_000);
            assert_eq!(body["copy"]["dataAgeMs"], ms - 10_000);
            assert_eq!(body["copy"]["clockSkewed"], true, "its clock says 1970");
            assert_eq!(body["origin"]["reachable"], true);
        }
    }
}

fn any_config() -> impl Strategy<Value = EdgeConfig> {
    ("[012]", prop::bool::ANY, prop::bool::ANY, prop::bool::ANY).prop_map(
        |(max_age, is_listed, in_front, hsts)| {
            let switch = if in_front { "on" } else { "off" };
            let origins = if is_listed { "https://app.example" } else { "*" };
            let hsts = if hsts { "300" } else { "0" };
            config(&[
                ("CLIENT_MAX_AGE_S", max_age.as_str()),
                ("CORS_ORIGINS", origins),
                ("CACHE_IN_FRONT", switch),
                ("HSTS_MAX_AGE_S", hsts),
            ])
        },
    )
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let method =
        prop_oneof![Just("GET".to_owned()), Just("HEAD".to_owned()), "[A-Z]{0,9}", "\\PC{0,9}"];
    let path = prop_oneof![
        Just("/api/v1/prices".to_owned()),
        Just("/v1/prices".to_owned()),
        Just("/health".to_owned()),
        "/\\PC{0,40}",
        "\\PC{0,9}",
    ];
    let query = prop_oneof![Just(String::new()), "\\?_=[0-9]{0,14}", "\\?\\PC{0,40}"];
    let origin = prop_oneof![Just("https://app.example".to_owned()), "\\PC{0,30}"];
    let if_none_match = prop_oneof![Just("*".to_owned()), "[\",W/* 0-9-]{0,60}", "\\PC{0,30}"];
    (method, path, query, prop::option::of(origin), prop::option::of(if_none_match)).prop_map(
        |(method, path, query, origin, if_none_match)| Asked {
            method,
            url: format!("https://p.example{path}{query}"),
            origin,
            if_none_match,
        },
    )
}

proptest! {
    #[test]
    fn no_request_in_any_state_panics_or_lacks_an_explicit_cache_control(
        config in any_config(), asked in any_asked(), has_copy: bool, now in 0_u64..80_000,
        ms in 0_u64..1_500, has_waited: bool, began_cold: bool, has_started: bool,
    ) {
        let mut isolate = Isolate::new(config, 1);
        if has_copy {
            let raw = raw_copy(0, 10_000);
            let read = raw.read(Document::Prices, isolate.held.prices.cache.policy().hold_ms).unwrap();
            let mut flight = isolate.held.prices.cache.begin_refresh(raw.sent_at);
            isolate.held.prices.cache.settle_fetch(&mut flight, raw.sent_at, Some(read), 0.5);
        }
        let waited = Waited { ms, has_waited, began_cold, has_started };
        let Step { answer, hot, .. } = isolate.step(&asked, at(now), waited);
        if let Some(answer) = answer {
            prop_assert!(answer.header("cache-control").is_some(), "{answer:?}");
            let is_error = answer.status >= 400;
            prop_assert_eq!(is_error, answer.header("content-type")
                .is_some_and(|kind| kind.starts_with("application/problem+json")));
            prop_assert!(!is_error || answer.header("cache-control") == Some("no-store"));
            for (name, value) in &answer.headers {
                prop_assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}: {value}");
            }
            let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), answer.headers.len(), "a header is set twice");
        }
        if let Some(hot) = hot {
            prop_assert_eq!(hot.answer.status, 200);
            prop_assert!(hot.until <= hot.copy.sent_at.plus_ms(isolate.held.prices.cache.policy().hard_ms));
        }
    }
}
