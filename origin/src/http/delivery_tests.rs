//! The face behind a zone's cache (`http.delivery`).

use super::tests::{Fixture, PRICES};

#[tokio::test]
async fn a_zones_cache_is_told_how_long_it_may_hold_an_answer_and_may_ask_with_any_query() {
    let site = Fixture::with("http.delivery = \"cdn\"").published();
    let told = "public, max-age=1, stale-while-revalidate=1, stale-if-error=0";
    for target in [PRICES.to_owned(), format!("{PRICES}?symbol=BTC")] {
        let answer = site.get(&target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("cache-control"), "public, max-age=1");
        assert_eq!(answer.header("cloudflare-cdn-cache-control"), told);
    }
    let known = site.ask("GET", PRICES, &[("if-none-match", "*")]).await;
    assert_eq!(known.status, 304);
    assert_eq!(known.header("cloudflare-cdn-cache-control"), told);
    for target in ["/ready", "/nowhere"] {
        assert_eq!(site.get(target).await.header("cloudflare-cdn-cache-control"), "", "{target}");
    }
}

#[tokio::test]
async fn the_clock_is_told_ahead_by_what_a_zones_cache_may_hide() {
    for (delivery, ahead_ms) in [("worker", 0), ("cdn", 500), ("tiered-cdn", 2_250)] {
        let site = Fixture::with(&format!("http.delivery = \"{delivery}\"")).published();
        let before_ms = site.clock.now().as_ms();
        let told_ms: u64 = site.get(PRICES).await.header("pricecast-now").parse().unwrap();
        let span_ms = before_ms + ahead_ms..=site.clock.now().as_ms() + ahead_ms;
        assert!(span_ms.contains(&told_ms), "{delivery}: {told_ms} in {span_ms:?}");
    }
}
