//! What a scrape tells while sources fail and come back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::time::Duration;

use market_sim::{Fault, Target};
use support::{Origin, live};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const AGE_KRAKEN: &str = "pricecast_price_age_seconds{symbol=\"BTC\",source=\"kraken\"}";
const AGE_COINBASE: &str = "pricecast_price_age_seconds{symbol=\"BTC\",source=\"coinbase\"}";
const UP_KRAKEN: &str = "pricecast_source_up{source=\"kraken\"}";
const UP_COINBASE: &str = "pricecast_source_up{source=\"coinbase\"}";
const LAST_COINBASE: &str = "pricecast_source_last_message_timestamp_seconds{source=\"coinbase\"}";
const FAILOVERS: &str = "pricecast_failovers_total";
const BREAKER: &str = "pricecast_breaker_state";
const ANSWERED: &str = "pricecast_http_request_duration_seconds_count{resource=\"prices\"}";
const SERVED: &str = "pricecast_end_to_end_age_seconds_count";
const SERVED_FRESH: &str = "pricecast_end_to_end_age_seconds_bucket{le=\"5.0\"}";

/// Asks for prices and scrapes until the metric is as it should be; panics after `within`.
async fn until(origin: &Origin, name: &str, within: Duration, is_so: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + within;
    loop {
        let _ = origin.prices().await;
        let value = origin.metric(name).await;
        if is_so(value) {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is {value} after {within:?}");
        sleep(support::LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn a_scrape_tells_of_a_silent_kraken_a_failing_coinbase_and_krakens_return() {
    let (sim, origin, _state) = live().await;
    until(&origin, UP_COINBASE, 5 * SECOND, |up| up == 1.0).await;
    assert_eq!(origin.metric(UP_KRAKEN).await, 1.0);
    assert_eq!((origin.metric(FAILOVERS).await, origin.metric(BREAKER).await), (0.0, 0.0));
    until(&origin, "pricecast_divergence_bps{symbol=\"BTC\"}", 5 * SECOND, |bp| bp > 0.0).await;
    let answered = origin.metric(ANSWERED).await;
    assert!(answered >= 1.0 && origin.metric(SERVED).await >= 1.0);
    assert_eq!(origin.metric(SERVED).await, origin.metric(SERVED_FRESH).await);

    sim.fault(Target::Kraken, Fault::Silence).unwrap();
    until(&origin, FAILOVERS, 8 * SECOND, |failovers| failovers == 5.0).await;
    until(&origin, UP_KRAKEN, 8 * SECOND, |up| up == 0.0).await;
    assert!(origin.metric(AGE_KRAKEN).await > 2.0, "its own, and not that of the price in service");
    until(&origin, AGE_COINBASE, 5 * SECOND, |age| age > 0.0 && age < 2.5).await;
    assert_eq!(origin.metric("pricecast_divergence_bps{symbol=\"BTC\"}").await, 0.0);

    assert!(origin.metric(LAST_COINBASE).await > 1.7e9, "seconds since 1970");
    sim.fault(Target::Coinbase, Fault::ServerError).unwrap();
    until(&origin, BREAKER, 15 * SECOND, |state| state == 2.0).await;
    until(&origin, AGE_COINBASE, 10 * SECOND, |age| age > 5.0).await;
    assert_eq!(origin.metric(UP_COINBASE).await, 0.0);
    until(&origin, SERVED, 5 * SECOND, |_| true).await;
    let (served, fresh) = (origin.metric(SERVED).await, origin.metric(SERVED_FRESH).await);
    assert!(served > fresh, "what nobody confirms grows old, and that shows: {served}, {fresh}");

    sim.clear();
    until(&origin, UP_KRAKEN, 40 * SECOND, |up| up == 1.0).await;
    assert!(origin.metric(ANSWERED).await > answered);
    origin.end().await.unwrap();
}
