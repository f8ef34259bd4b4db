//! Requests to the Worker, on its own modules: everything between the runtime's request object and
//! its response object. Lines: method, URL, `Origin`, `If-None-Match`, and a byte for the time.
#![no_main]
#![allow(dead_code, reason = "the parts of these modules that only the runtime calls")]

#[path = "../../edge/src/answer.rs"]
mod answer;
#[path = "../../edge/src/asked.rs"]
mod asked;
#[path = "../../edge/src/clock.rs"]
mod clock;
#[path = "../../edge/src/config.rs"]
mod config;
#[path = "../../edge/src/health.rs"]
mod health;
#[path = "../../edge/src/isolate.rs"]
mod isolate;
#[path = "../../edge/src/kept.rs"]
mod kept;
#[path = "../../edge/src/origin.rs"]
mod origin;
#[path = "../../edge/src/test_support.rs"]
mod test_support;

use answer::{Answer, Waited};
use asked::Asked;
use isolate::Isolate;
use libfuzzer_sys::fuzz_target;
use pricecast_core::cache_policy::EdgeMillis;
use pricecast_wire::{Face, if_none_match, is_no_query, route};

const FETCHED_MS: u64 = 10_000;
const AGES_MS: [u64; 6] = [0, 500, 1_500, 2_500, 5_000, 60_000];

fn isolate(has_copy: bool) -> Isolate {
    let vars = [("CORS_ORIGINS", "https://app.example")];
    if has_copy {
        Isolate::with_copy(&vars, &test_support::raw_copy(0, FETCHED_MS))
    } else {
        Isolate::cold(&vars)
    }
}

/// One request that has waited for as long as any may.
fn ask(asked: &Asked, has_copy: bool, age_ms: u64) -> Option<Answer> {
    let waited = Waited { ms: 1_000, has_waited: true, ..Waited::default() };
    let step = isolate(has_copy).step(asked, EdgeMillis::from_ms(FETCHED_MS + age_ms), waited);
    let is_served = step.answer.as_ref().is_none_or(|a| matches!(a.status, 200 | 304 | 503));
    assert!(is_served || step.refresh.is_none(), "a refused request leads to a fetch");
    step.answer
}

fn check(answer: &Answer, asked: &Asked) {
    assert!(matches!(answer.status, 200 | 204 | 304 | 400 | 404 | 405 | 503), "{}", answer.status);
    assert!(answer.header("cache-control").is_some());
    assert_eq!(answer.body.is_none(), matches!(answer.status, 204 | 304));
    for (name, value) in &answer.headers {
        assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}: {value:?}");
    }
    // Nothing of a request comes back but an origin that is on the list.
    let allowed = answer.header("access-control-allow-origin");
    assert!(allowed.is_none_or(|value| value == "https://app.example"));
    assert!(allowed.is_none() || asked.origin.as_deref() == allowed);
}

fuzz_target!(|data: &[u8]| {
    let Some((&how, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.splitn(4, '\n').map(str::to_owned);
    let asked = Asked {
        method: lines.next().unwrap_or_default(),
        url: lines.next().unwrap_or_default(),
        origin: lines.next().filter(|line| !line.is_empty()),
        if_none_match: lines.next(),
    };
    let (has_copy, age_ms) = (how & 1 == 1, AGES_MS[usize::from(how >> 1) % AGES_MS.len()]);
    let answer = ask(&asked, has_copy, age_ms).expect("after a second everyone is answered");
    check(&answer, &asked);
    assert_eq!(ask(&asked, has_copy, age_ms), Some(answer.clone()), "not the same twice");

    let (_, path, query) = asked.url_parts();
    let routed = route(Face::Edge, &asked.method, path, query);
    assert_eq!(routed.is_ok(), matches!(answer.status, 200 | 204 | 304 | 503));
    if is_no_query(query.unwrap_or_default()) {
        assert_eq!(routed, route(Face::Edge, &asked.method, path, None));
    }
    if let Some(header) = &asked.if_none_match {
        let tag = answer.header("etag").unwrap_or("\"1-1-0\"");
        assert!(if_none_match(&format!("{tag}, {header}"), tag));
        let _ = if_none_match(header, tag);
    }
});
