//! What who asks for the status is answered.

use pricecast_core::UnixMillis;
use pricecast_core::cache_policy::{EdgeMillis, Settled};

use crate::answer::{Answer, Waited};
use crate::asked::Asked;
use crate::document::Document;
use crate::isolate::{Isolate, Step};
use crate::kept::RawCopy;
use crate::test_support::{NOW, raw_copy};

const BODY: &str = r#"{"generatedAt":"2026-11-21T22:40:03.100Z"}"#;
/// Waited for as long as anyone does.
const WAITED: Waited = Waited { ms: 1_000, has_waited: true, began_cold: true, has_started: true };

fn asked(path: &str) -> Asked {
    let url = format!("https://prices.example{path}");
    Asked { method: "GET".to_owned(), url, ..Asked::default() }
}

fn step(isolate: &mut Isolate, ms: u64) -> Step {
    isolate.step(&asked("/api/v1/status"), EdgeMillis::from_ms(ms), Waited::default())
}

fn waited_for(isolate: &mut Isolate, ms: u64) -> Answer {
    let asked = asked("/api/v1/status");
    isolate.step(&asked, EdgeMillis::from_ms(ms), WAITED).answer.unwrap()
}

/// Takes what the origin sent `origin_ms` after its zero, asked at `sent_ms`.
fn fetch(isolate: &mut Isolate, origin_ms: u64, sent_ms: u64) {
    let raw = RawCopy {
        sent_at: EdgeMillis::from_ms(sent_ms),
        origin_sent_at: UnixMillis::from_ms(NOW + origin_ms),
        is_custom_market: true,
        body: BODY.to_owned(),
    };
    let cache = &mut isolate.held.of(Document::Status).cache;
    let mut flight = cache.begin_refresh(raw.sent_at);
    let read = raw.read(Document::Status, 0).unwrap();
    let settled = cache.settle_fetch(&mut flight, raw.sent_at, Some(read), 0.0);
    assert!(matches!(settled, Settled::Adopted { .. }));
}

#[test]
fn a_report_is_given_as_it_came_for_ten_seconds_and_refreshed_behind_for_ten_more() {
    let mut isolate = Isolate::cold(&[]);
    fetch(&mut isolate, 0, 10_000);
    for (ms, cache_status, starts) in [
        (10_000, "pricecast; hit", false),
        (20_000, "pricecast; hit", false),
        (20_001, "pricecast; hit; ttl=0; detail=revalidating", true),
        (30_000, "pricecast; hit; ttl=0; detail=revalidating", false),
    ] {
        let Step { answer, refresh, hot, .. } = step(&mut isolate, ms);
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_deref()), (200, Some(BODY)));
        assert_eq!(answer.header("cache-status"), Some(cache_status), "at {ms}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=5"));
        assert_eq!(answer.header("etag"), Some("\"1706900000000\""));
        assert_eq!(answer.header("pricecast-market"), Some("custom"));
        assert_eq!(answer.header("pricecast-edge-version"), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(refresh.map(|(document, _)| document), starts.then_some(Document::Status));
        assert!(hot.is_none(), "that place is the prices'");
        if starts {
            // As if it went on; the next that asks need not begin another one.
            isolate.held.of(Document::Status).cache.begin_refresh(EdgeMillis::from_ms(29_999));
        }
    }
}

#[test]
fn an_older_report_is_waited_for_and_given_where_no_origin_answers() {
    let mut isolate = Isolate::cold(&[]);
    fetch(&mut isolate, 0, 10_000);
    let late = step(&mut isolate, 30_001);
    assert!(late.answer.is_none() && late.refresh.is_some());
    let last = waited_for(&mut isolate, 31_001);
    assert_eq!(last.header("cache-status"), Some("pricecast; hit; ttl=-1; detail=last-known"));
    assert_eq!(last.body.as_deref(), Some(BODY));
}

#[test]
fn where_none_was_ever_known_the_answer_is_503_after_waiting() {
    let mut isolate = Isolate::cold(&[]);
    let first = step(&mut isolate, 0);
    assert!(first.answer.is_none() && first.is_cold);
    let none = waited_for(&mut isolate, 1_000);
    assert_eq!((none.status, none.header("retry-after")), (503, Some("2")));
    assert_eq!(none.header("cache-control"), Some("no-store"));
    let body = none.body.unwrap();
    assert!(
        body.contains("no_data_yet") && body.contains("No status is known here yet."),
        "{body}"
    );
}

#[test]
fn prices_and_status_are_held_each_by_itself() {
    let mut isolate = Isolate::with_copy(&[], &raw_copy(0, 10_000));
    assert!(step(&mut isolate, 10_000).answer.is_none(), "no status yet");
    fetch(&mut isolate, 0, 10_000);
    let prices = isolate.step(&asked("/v1/prices"), EdgeMillis::from_ms(10_500), Waited::default());
    let prices = prices.answer.unwrap();
    assert!(prices.body.unwrap().contains("\"prices\""));
    assert_eq!(prices.headers.iter().find(|(name, _)| *name == "pricecast-edge-version"), None);
}

#[test]
fn a_cache_in_front_is_told_no_more_than_everyone() {
    let mut isolate = Isolate::cold(&[("CACHE_IN_FRONT", "on")]);
    fetch(&mut isolate, 0, 10_000);
    let answer = step(&mut isolate, 15_000).answer.unwrap();
    assert_eq!(answer.header("cache-control"), Some("public, max-age=5"));
    assert_eq!(answer.header("cloudflare-cdn-cache-control"), None);
    assert_eq!(answer.header("cache-status"), Some("pricecast; hit"));
}

#[test]
fn the_later_report_stays_whatever_the_clocks_of_two_origins_say() {
    let mut isolate = Isolate::cold(&[]);
    fetch(&mut isolate, 60_000, 10_000);
    fetch(&mut isolate, 0, 21_000);
    let answer = step(&mut isolate, 21_000).answer.unwrap();
    assert_eq!(answer.header("etag"), Some("\"1706900000000\""));
}

#[test]
fn who_knows_it_is_told_so() {
    let mut isolate = Isolate::cold(&[]);
    fetch(&mut isolate, 0, 10_000);
    let mut asked = asked("/api/v1/status");
    asked.if_none_match = Some("W/\"1706900000000\"".to_owned());
    let known = isolate.step(&asked, EdgeMillis::from_ms(10_000), Waited::default());
    let known = known.answer.unwrap();
    assert_eq!((known.status, known.body), (304, None));
}
