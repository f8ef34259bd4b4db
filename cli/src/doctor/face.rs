//! What an answer with prices says of whoever gave it. Pure: the answers are handed in.

use pricecast_core::poll::{age_on_screen_ms, must_flag};
use pricecast_core::{Snapshot, Source, SourceStatus, UnixMillis};
use pricecast_wire::headers::{EXPOSE_HEADERS, JSON, MARKET_CUSTOM, PRICECAST_MARKET, SECURITY};

use serde::Deserialize;

use super::answer::Answer;
use super::finding::Finding;

/// Which markets will do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Market {
    /// A simulated one too.
    Any,
    /// The exchanges' own alone.
    Real,
}

/// What a body says of its freshness.
#[derive(Deserialize)]
struct Flags {
    mode: String,
    prices: Vec<Flagged>,
}

#[derive(Deserialize)]
struct Flagged {
    symbol: String,
    stale: bool,
    #[serde(rename = "confirmedAt")]
    confirmed_at: u64,
}

/// Clocks that are further apart than this are worth telling: stamps in logs do not fit together.
const CLOCK_APART_MAX_MS: u64 = 1_000;

/// How old its oldest price would be on a screen, by the client rule.
pub(super) fn age_ms(answer: &Answer, prices: &Snapshot) -> Option<u64> {
    let oldest = prices.prices.iter().map(|point| point.confirmed_at).min()?;
    age_of(answer, oldest, pricecast_core::duration_ms(answer.round_trip))
}

/// Whether a shared cache has held it: it says so by an `Age`.
pub(super) fn is_held_by_a_cache(answer: &Answer) -> bool {
    answer.header("age").is_some()
}

fn age_of(answer: &Answer, confirmed_at: UnixMillis, since_sending_ms: u64) -> Option<u64> {
    let age_s = answer.header("age").and_then(|text| text.parse().ok());
    Some(age_on_screen_ms(confirmed_at, answer.pricecast_now()?, age_s, since_sending_ms))
}

/// Whether its prices are fresh, and whose they are.
pub(super) fn freshness(
    of: &'static str,
    answer: &Answer,
    prices: &Snapshot,
    market: Market,
) -> Vec<Finding> {
    let Some(age_ms) = age_ms(answer, prices) else {
        let text = "Pricecast-Now is missing, so no client can tell how old a price is: something between here and the feed removes it";
        return vec![Finding::bad(of, text)];
    };
    let now = answer.pricecast_now().unwrap_or_default();
    // What is told, not what could be worked out from it: that is what a client shows.
    let Ok(told) = serde_json::from_str::<Flags>(&answer.body) else {
        return vec![Finding::bad(of, "its flags cannot be read: this is no body of the contract")];
    };
    let is_lie = |price: &&Flagged| {
        let age_ms = age_of(answer, UnixMillis::from_ms(price.confirmed_at), 0);
        // Behind a shared cache the age is told for the worst case, so that clients flag by themselves.
        !price.stale && !is_held_by_a_cache(answer) && age_ms.is_some_and(must_flag)
    };
    if let Some(lie) = told.prices.iter().find(is_lie) {
        let text = format!(
            "{} is older than 5 s and told as fresh: a cache holds answers for longer than it may (docs/cdn.md)",
            lie.symbol
        );
        return vec![Finding::bad(of, text)];
    }
    let stale: Vec<_> =
        told.prices.iter().filter(|price| price.stale).map(|price| &*price.symbol).collect();
    let mode = told.mode;
    let mut findings = vec![];
    if stale.is_empty() && !must_flag(age_ms) {
        let (count, seq) = (prices.prices.len(), prices.version.seq);
        let text = format!(
            "{count} prices, the oldest {age_ms} ms old on a screen; mode {mode}, seq {seq}"
        );
        findings.push(Finding::good(of, text));
    } else if stale.is_empty() && is_held_by_a_cache(answer) {
        let text = format!(
            "not flagged, but {age_ms} ms old on a screen by the client rule, for the worst case of caches on the way: clients flag it themselves"
        );
        findings.push(Finding::note(of, text));
    } else {
        let which = if stale.is_empty() {
            "nothing is flagged yet".to_owned()
        } else {
            format!("flagged: {}", stale.join(", "))
        };
        let text = format!(
            "{which}; the oldest is {age_ms} ms old on a screen, mode {mode}: look at the origin's /ready and its log for what the exchanges do"
        );
        findings.push(Finding::bad(of, text));
    }
    if !prices.unavailable.is_empty() {
        let names: Vec<_> = prices.unavailable.iter().map(ToString::to_string).collect();
        findings.push(Finding::note(of, format!("without a price: {}", names.join(", "))));
    }
    for source in Source::ALL {
        let report = prices.sources.get(source);
        let status = report.status_at(now);
        if status != SourceStatus::Connected {
            let reason = report.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            findings.push(Finding::note(of, format!("{source} is {status}{reason}")));
        }
    }
    if answer.header(PRICECAST_MARKET) == Some(MARKET_CUSTOM) {
        let text = "the market is a simulated one (Pricecast-Market: custom)";
        findings.push(match market {
            Market::Any => Finding::note(of, text),
            Market::Real => Finding::bad(
                of,
                format!("{text}: look at kraken.url and coinbase.url of the origin"),
            ),
        });
    }
    findings
}

/// Whether its headers are those of the contract.
pub(super) fn headers(of: &'static str, answer: &Answer) -> Finding {
    let is = |name: &'static str, wanted: &str| {
        (answer.header(name) != Some(wanted))
            .then(|| format!("{name} is {}, not {wanted:?}", shown(answer.header(name))))
    };
    let mut wrong: Vec<String> =
        SECURITY.into_iter().filter_map(|(name, value)| is(name, value)).collect();
    wrong.extend(is("content-type", JSON));
    let cache_control = answer.header("cache-control").unwrap_or_default();
    if !matches!(cache_control, "no-store" | "public, max-age=1" | "public, max-age=2") {
        wrong.push(format!(
            "cache-control is {}, not \"public, max-age=1\"",
            shown(answer.header("cache-control"))
        ));
    }
    match answer.header("etag") {
        Some(tag) if !tag.starts_with("W/") => {}
        tag => wrong.push(format!(
            "etag is {}, not a strong one (on a zone: Respect Strong ETags)",
            shown(tag)
        )),
    }
    if answer.header("access-control-allow-origin").is_some() {
        wrong.extend(is("access-control-expose-headers", EXPOSE_HEADERS));
    }
    if let Some(cookie) = answer.header("set-cookie") {
        wrong.push(format!(
            "set-cookie is there ({:?}): no shared cache keeps such an answer",
            cookie.split('=').next().unwrap_or_default()
        ));
    }
    if wrong.is_empty() {
        Finding::good(of, "as promised")
    } else {
        Finding::bad(of, format!("{}; something on the way changes them", wrong.join("; ")))
    }
}

/// How far the feed's clock is from ours.
pub(super) fn clock(of: &'static str, answer: &Answer) -> Option<Finding> {
    let theirs = answer.pricecast_now()?;
    let half = pricecast_core::duration_ms(answer.round_trip) / 2;
    let ours: UnixMillis = answer.came_at.minus_ms(half);
    let apart_ms = ours.ms_since(theirs).max(theirs.ms_since(ours));
    let uncertain = if half > 0 { format!(", give or take {half} ms") } else { String::new() };
    Some(if apart_ms > CLOCK_APART_MAX_MS {
        Finding::note(
            of,
            format!(
                "its clock and this machine's are {apart_ms} ms apart{uncertain}: ages are not affected, but stamps in logs do not fit together; behind a cache it is told ahead on purpose. Look at NTP on both"
            ),
        )
    } else {
        Finding::good(of, format!("{apart_ms} ms from this machine's{uncertain}"))
    })
}

fn shown(header: Option<&str>) -> String {
    header.map_or("missing".to_owned(), |value| format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::super::finding::Verdict;
    use super::*;

    const NOW: u64 = 1_706_900_000_000;
    type Changed = (&'static str, Option<&'static str>);

    fn answer(confirmed_at: u64, stale: bool, changed: &[Changed]) -> Answer {
        let body = format!(
            r#"{{"prices":[{{"symbol":"BTC","price":1.5,"change24h":0,"source":"kraken","asOf":{confirmed_at},"confirmedAt":{confirmed_at},"stale":{stale},"uncertain":false}}],"timestamp":{confirmed_at},"stale":{stale},"freshUntil":{},"mode":"live","seq":1,"epoch":7,"pollAfterMs":2500,"unavailable":[],"sources":{{"kraken":{{"status":"connected","lastUpdate":{NOW}}},"coinbase":{{"status":"connected","lastUpdate":{NOW}}}}}}}"#,
            confirmed_at + 5_000
        );
        let mut headers = HeaderMap::new();
        let now = NOW.to_string();
        let all = SECURITY.into_iter().chain([
            ("content-type", JSON),
            ("cache-control", "public, max-age=1"),
            ("etag", "\"1\""),
            ("pricecast-now", now.as_str()),
        ]);
        for (name, value) in all {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        for &(name, value) in changed {
            match value {
                Some(value) => headers.insert(name, HeaderValue::from_static(value)),
                None => headers.remove(name),
            };
        }
        let round_trip = Duration::from_millis(50);
        Answer { status: 200, headers, body, round_trip, came_at: UnixMillis::from_ms(NOW + 25) }
    }

    /// The sentences of what must be mended.
    fn bad(answer: &Answer, market: Market) -> Vec<String> {
        let prices = answer.prices().unwrap();
        let mut all = freshness("prices", answer, &prices, market);
        all.push(headers("headers", answer));
        all.retain(|finding| finding.verdict == Verdict::Bad);
        all.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn what_keeps_every_promise_is_not_blamed() {
        for answer in [
            answer(NOW - 1_000, false, &[]),
            answer(NOW - 4_949, false, &[]),
            answer(NOW - 1_000, false, &[("cache-control", Some("no-store"))]),
            answer(NOW - 1_000, false, &[("cache-control", Some("public, max-age=2"))]),
            answer(NOW - 3_900, false, &[("age", Some("0"))]),
            answer(NOW - 4_000, false, &[("age", Some("2"))]),
        ] {
            assert_eq!(bad(&answer, Market::Real), [""; 0]);
        }
    }

    #[test]
    fn each_broken_promise_has_its_sentence() {
        for (answer, sentence) in [
            (answer(NOW - 5_000, false, &[]), "BTC is older than 5 s and told as fresh"),
            (answer(NOW - 4_950, false, &[]), "nothing is flagged yet; the oldest is 5000 ms old"),
            (answer(NOW - 5_000, true, &[]), "flagged: BTC; the oldest is 5050 ms old"),
            (answer(NOW - 4_000, true, &[]), "flagged: BTC; the oldest is 4050 ms old"),
            (answer(NOW, false, &[("pricecast-now", None)]), "Pricecast-Now is missing"),
            (answer(NOW, false, &[("etag", None)]), "etag is missing, not a strong one"),
            (answer(NOW, false, &[("etag", Some("W/\"1\""))]), "not a strong one"),
            (answer(NOW, false, &[("cache-control", Some("max-age=9"))]), "is \"max-age=9\", not"),
            (answer(NOW, false, &[("referrer-policy", None)]), "referrer-policy is missing"),
            (
                answer(NOW, false, &[("set-cookie", Some("__cf=1"))]),
                "set-cookie is there (\"__cf\")",
            ),
            (answer(NOW, false, &[("pricecast-market", Some("custom"))]), "is a simulated one"),
        ] {
            let told = bad(&answer, Market::Real);
            assert_eq!(told.len(), 1, "{sentence}: {told:?}");
            assert!(told[0].contains(sentence), "{sentence}: {told:?}");
        }
        let simulated = answer(NOW, false, &[("pricecast-market", Some("custom"))]);
        assert_eq!(bad(&simulated, Market::Any), [""; 0]);
    }

    #[test]
    fn clocks_a_second_apart_pass_and_further_apart_are_told() {
        for (came_ms, verdict) in
            [(1_025, Verdict::Good), (1_026, Verdict::Note), (0, Verdict::Good)]
        {
            let came_at = UnixMillis::from_ms(NOW + came_ms);
            let answer = Answer { came_at, ..answer(NOW, false, &[]) };
            assert_eq!(clock("clock", &answer).unwrap().verdict, verdict, "{came_ms}");
        }
    }
}
