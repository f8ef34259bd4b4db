//! Scripts in virtual time: what is asked when, and what the answers mean.

use bytes::Bytes;

use super::*;
use crate::exchange::coinbase::Failure;

fn at(ms: u64) -> UnixMillis {
    UnixMillis::from_ms(1_000_000 + ms)
}

fn symbols(texts: &[&str]) -> Vec<Symbol> {
    texts.iter().map(|text| Symbol::parse(text).unwrap()).collect()
}

fn schedule(texts: &[&str]) -> Schedule {
    Schedule::new(&symbols(texts), 1_000, at(0))
}

/// A 200 with these products.
fn answer(symbols: &[Symbol]) -> Fetched {
    let products: Vec<_> = symbols
        .iter()
        .map(|s| {
            format!(r#"{{"product_id":"{s}-USD","price":"1.5","price_percentage_change_24h":"0"}}"#)
        })
        .collect();
    Fetched::Body(Bytes::from(format!(r#"{{"products":[{}]}}"#, products.join(","))))
}

/// What happened, with its time.
type Log = Vec<(u64, String)>;

const REFUSED: Fetched = Fetched::Refused { status: 404 };
const FAILED: Fetched = Fetched::Failed(Failure::Timeout);

/// Short names of events.
fn names(events: &[CoinbaseEvent]) -> Vec<String> {
    let name = |event: &CoinbaseEvent| match event {
        CoinbaseEvent::Answered { products, .. } => {
            let texts: Vec<_> = products.iter().map(|p| symbol_of(p).to_string()).collect();
            format!("Answered {}", texts.join(" "))
        }
        CoinbaseEvent::Unsupported(symbol) => format!("Unsupported {symbol}"),
        CoinbaseEvent::Failed(reason) => format!("Failed {reason}"),
        CoinbaseEvent::BreakerOpen(is_open) => format!("BreakerOpen {is_open}"),
    };
    events.iter().map(name).collect()
}

/// Runs the schedule to `until`, each request answered by `venue` after `latency_ms`. Returns
/// what was asked, and what was told, with its time.
fn run(
    schedule: &mut Schedule,
    from: u64,
    until: u64,
    any_live: bool,
    mut venue: impl FnMut(u64, &[Symbol]) -> Fetched,
) -> (Log, Log) {
    const LATENCY_MS: u64 = 50;
    let (mut asked, mut told) = (Vec::new(), Vec::new());
    let mut now = from;
    while now < until {
        match schedule.next(at(now), any_live) {
            Next::Wait(next) => {
                assert!(next > at(now), "no busy loop at {now}");
                now = next.ms_since(at(0));
            }
            Next::Ask(ask) => {
                let texts: Vec<_> = ask.symbols.iter().map(ToString::to_string).collect();
                asked.push((now, texts.join(" ")));
                let fetched = venue(now, &ask.symbols);
                let sent_at = at(now);
                now += LATENCY_MS;
                let events = schedule.handle(at(now), sent_at, &ask, &fetched);
                told.extend(names(&events).into_iter().map(|name| (now, name)));
            }
        }
    }
    (asked, told)
}

fn times(asked: &[(u64, String)]) -> Vec<u64> {
    asked.iter().map(|(ms, _)| *ms).collect()
}

#[test]
fn it_asks_for_all_products_once_per_interval() {
    let mut schedule = schedule(&["BTC", "ETH"]);
    let (asked, told) = run(&mut schedule, 0, 3_500, true, |_, asked| answer(asked));
    assert_eq!(times(&asked), [0, 1_000, 2_000, 3_000]);
    assert!(asked.iter().all(|(_, what)| what == "BTC ETH"));
    assert!(told.iter().all(|(_, what)| what == "Answered BTC ETH"));
}

#[test]
fn an_answer_proves_its_prices_for_the_moment_it_was_asked() {
    let mut schedule = schedule(&["BTC"]);
    let Next::Ask(ask) = schedule.next(at(0), true) else { panic!() };
    let events = schedule.handle(at(800), at(3), &ask, &answer(&ask.symbols));
    let [CoinbaseEvent::Answered { sent_at, products }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*sent_at, at(3));
    assert_eq!(products[0].as_ref().unwrap().price.to_string(), "1.5");
}

#[test]
fn more_than_a_hundred_products_go_in_batches_spread_over_the_interval() {
    let texts: Vec<_> = (0..250).map(|n| format!("S{n}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let mut schedule = schedule(&texts);
    let (asked, _) = run(&mut schedule, 0, 2_000, true, |_, asked| answer(asked));
    let counts: Vec<_> = asked.iter().map(|(ms, what)| (*ms, what.split(' ').count())).collect();
    assert_eq!(
        counts,
        [(0, 100), (333, 100), (666, 50), (999, 100), (1_332, 100), (1_665, 50), (1_998, 100)]
    );
}

#[test]
fn a_slow_answer_delays_the_next_request_and_is_not_made_up_for() {
    let mut schedule = schedule(&["BTC"]);
    let Next::Ask(ask) = schedule.next(at(0), true) else { panic!() };
    schedule.handle(at(2_700), at(0), &ask, &FAILED);
    assert!(matches!(schedule.next(at(2_700), true), Next::Ask(_)));
    assert_eq!(schedule.next(at(2_701), true), Next::Wait(at(3_700)));
}

#[test]
fn a_refused_batch_is_asked_one_by_one_and_only_the_culprit_goes() {
    let mut schedule = schedule(&["BTC", "FOO", "ETH"]);
    let foo = symbols(&["FOO"])[0];
    let venue = |_, asked: &[Symbol]| if asked.contains(&foo) { REFUSED } else { answer(asked) };
    let (asked, told) = run(&mut schedule, 0, 3_000, true, venue);
    assert_eq!(
        asked[..5],
        [
            (0, "BTC FOO ETH".to_owned()),
            (50, "BTC".to_owned()),
            (250, "FOO".to_owned()),
            (450, "ETH".to_owned()),
            (1_000, "BTC ETH".to_owned()),
        ]
    );
    assert_eq!(
        told[..3],
        [
            (100, "Answered BTC".to_owned()),
            (500, "Answered ETH".to_owned()),
            (500, "Unsupported FOO".to_owned()),
        ]
    );
    assert!(told.iter().all(|(_, what)| !what.starts_with("Failed")));
}

#[test]
fn when_every_product_is_refused_it_is_the_service_that_fails() {
    let mut schedule = schedule(&["BTC", "ETH"]);
    let (asked, told) = run(&mut schedule, 0, 120_000, true, |_, _| REFUSED);
    assert!(told.iter().all(|(_, what)| !what.starts_with("Unsupported")), "{told:?}");
    assert!(told.iter().any(|(_, what)| what == "BreakerOpen true"));
    let lone = asked.iter().filter(|(_, what)| !what.contains(' ')).count();
    assert!(lone <= 2 * 3, "{lone} lone requests: one round a minute");
}

#[test]
fn a_refusal_of_us_rather_than_of_a_product_starts_no_round() {
    for status in [401, 403, 451] {
        let mut schedule = schedule(&["BTC", "ETH"]);
        let refused = Fetched::Refused { status };
        let (asked, told) = run(&mut schedule, 0, 900, true, |_, _| refused.clone());
        assert_eq!(times(&asked), [0]);
        assert_eq!(told, [(50, "Failed failing".to_owned())]);
    }
}

#[test]
fn a_product_left_out_three_times_in_a_row_is_unsupported() {
    let mut schedule = schedule(&["BTC", "FOO"]);
    let btc = symbols(&["BTC"]);
    let mut count = 0;
    // Left out twice, there once, then left out for good.
    let venue = |_, asked: &[Symbol]| {
        count += 1;
        if count == 3 { answer(asked) } else { answer(&btc) }
    };
    let (asked, told) = run(&mut schedule, 0, 7_500, true, venue);
    let gone: Vec<_> = told.iter().filter(|(_, what)| what.starts_with("Unsupported")).collect();
    assert_eq!(gone, [&(5_050, "Unsupported FOO".to_owned())]);
    assert_eq!(asked.last().unwrap().1, "BTC");
}

#[test]
fn an_answer_without_any_product_is_a_failure_and_removes_nobody() {
    let mut schedule = schedule(&["BTC", "ETH"]);
    let (_, told) = run(&mut schedule, 0, 4_900, true, |_, _| answer(&[]));
    assert_eq!(told.iter().filter(|(_, what)| what == "Failed failing").count(), 5);
    assert!(told.iter().all(|(_, what)| !what.starts_with("Unsupported")));
}

#[test]
fn an_unlisted_product_is_asked_again_after_ten_minutes_and_taken_back() {
    let mut schedule = schedule(&["BTC", "FOO"]);
    let btc = symbols(&["BTC"]);
    let venue = |now, asked: &[Symbol]| if now < 900_000 { answer(&btc) } else { answer(asked) };
    let (asked, told) = run(&mut schedule, 0, 1_300_000, true, venue);
    let lone: Vec<_> = asked.iter().filter(|(_, what)| what == "FOO").collect();
    assert_eq!(lone.len(), 2, "{lone:?}");
    let back = told.iter().find(|(_, what)| what == "Answered FOO").unwrap();
    assert!((1_200_000..1_205_000).contains(&back.0), "{back:?}");
    assert_eq!(asked.last().unwrap().1, "BTC FOO");
}

#[test]
fn an_alias_a_stranger_and_a_second_row_are_left_alone() {
    let mut schedule = schedule(&["BTC"]);
    let Next::Ask(ask) = schedule.next(at(0), true) else { panic!() };
    let row = |id: &str, price: &str| {
        format!(r#"{{"product_id":"{id}","price":"{price}","price_percentage_change_24h":"0"}}"#)
    };
    let rows =
        [row("BTC-USDC", "9"), row("ETH-USD", "8"), row("BTC-USD", "1"), row("BTC-USD", "2")];
    let body = Bytes::from(format!(r#"{{"products":[{}]}}"#, rows.join(",")));
    let events = schedule.handle(at(50), at(0), &ask, &Fetched::Body(body));
    let [CoinbaseEvent::Answered { products, .. }] = &events[..] else { panic!("{events:?}") };
    let prices: Vec<_> = products.iter().map(|p| p.as_ref().unwrap().price.to_string()).collect();
    assert_eq!(prices, ["1"]);
}

#[test]
fn a_halted_product_is_told_as_refused_and_is_not_unsupported() {
    let mut schedule = schedule(&["BTC"]);
    let body = r#"{"products":[{"product_id":"BTC-USD","price":"1","price_percentage_change_24h":"0","trading_disabled":true}]}"#;
    let halted = Fetched::Body(Bytes::from_static(body.as_bytes()));
    let (_, told) = run(&mut schedule, 0, 5_000, true, |_, _| halted.clone());
    assert!(told.iter().all(|(_, what)| what == "Answered BTC"), "{told:?}");
}

#[test]
fn five_failures_open_the_breaker_for_thirty_seconds_and_three_probes_close_it() {
    let mut schedule = schedule(&["BTC"]);
    let venue = |now, asked: &[Symbol]| if now < 10_000 { FAILED } else { answer(asked) };
    let (asked, told) = run(&mut schedule, 0, 40_000, true, venue);
    assert_eq!(times(&asked)[..5], [0, 1_000, 2_000, 3_000, 4_000]);
    let first_probe = asked[5].0;
    assert!((34_050..34_200).contains(&first_probe), "{first_probe}");
    let breaker: Vec<_> =
        told.iter().filter(|(_, what)| what.starts_with("BreakerOpen")).cloned().collect();
    assert_eq!(breaker[0], (4_050, "BreakerOpen true".to_owned()));
    assert_eq!(breaker[1].1, "BreakerOpen false");
    let probes = asked.iter().filter(|(ms, _)| *ms > 4_000 && *ms < breaker[1].0).count();
    assert_eq!(probes, 3);
    assert_eq!(told[6].1, "Answered BTC", "a probe's answer is data like any other");
}

#[test]
fn while_no_source_is_live_it_probes_every_two_seconds() {
    let mut schedule = schedule(&["BTC"]);
    let (asked, _) = run(&mut schedule, 0, 20_000, false, |_, _| FAILED);
    let probes = times(&asked)[5..].to_vec();
    assert!(probes.len() >= 6, "{probes:?}");
    assert!(probes.windows(2).all(|pair| pair[1] - pair[0] >= 2_000), "{probes:?}");
}

#[test]
fn retry_after_is_honoured_within_bounds_even_while_nothing_is_live() {
    for (retry_after_ms, pause_ms) in
        [(Some(20_000), 20_000), (None, 10_000), (Some(0), 1_000), (Some(86_400_000), 300_000)]
    {
        let mut schedule = schedule(&["BTC"]);
        let Next::Ask(ask) = schedule.next(at(0), false) else { panic!() };
        let limited = Fetched::RateLimited { retry_after_ms };
        let events = schedule.handle(at(50), at(0), &ask, &limited);
        assert_eq!(names(&events), ["Failed rate_limited"]);
        assert_eq!(schedule.next(at(51), false), Next::Wait(at(50 + pause_ms)));
        assert!(matches!(schedule.next(at(50 + pause_ms), false), Next::Ask(_)));
    }
}

#[test]
fn pages_and_errors_with_status_200_are_failures() {
    for body in ["<html>", r#"{"error":"x"}"#, ""] {
        let mut schedule = schedule(&["BTC"]);
        let Next::Ask(ask) = schedule.next(at(0), true) else { panic!() };
        let fetched = Fetched::Body(Bytes::from_static(body.as_bytes()));
        let events = schedule.handle(at(50), at(0), &ask, &fetched);
        assert_eq!(names(&events), ["Failed undecodable"]);
    }
}

/// Products S0, S1, …
fn many(count: usize) -> Vec<Symbol> {
    (0..count).map(|n| Symbol::parse(&format!("S{n}")).unwrap()).collect()
}

fn unsupported(told: &Log) -> usize {
    told.iter().filter(|(_, what)| what.starts_with("Unsupported")).count()
}

fn any_failed(told: &Log) -> bool {
    told.iter().any(|(_, what)| what.starts_with("Failed"))
}

#[test]
fn a_batch_of_unlisted_products_is_unsupported_while_others_are_answered() {
    let all = many(250);
    let mut schedule = Schedule::new(&all, 1_000, at(0));
    let venue = |_, asked: &[Symbol]| {
        let listed: Vec<_> = asked.iter().filter(|s| all[..100].contains(s)).copied().collect();
        answer(&listed)
    };
    let (_, told) = run(&mut schedule, 0, 10_000, true, venue);
    assert_eq!(unsupported(&told), 150);
    assert!(!any_failed(&told), "{told:?}");
}

#[test]
fn empty_answers_to_every_batch_remove_nobody_and_open_the_breaker() {
    let all = many(250);
    let mut schedule = Schedule::new(&all, 1_000, at(0));
    let venue = |now, asked: &[Symbol]| if now < 3_000 { answer(asked) } else { answer(&[]) };
    let (_, told) = run(&mut schedule, 0, 30_000, true, venue);
    assert_eq!(unsupported(&told), 0);
    assert!(told.iter().any(|(_, what)| what == "BreakerOpen true"));
}

#[test]
fn a_batch_refused_product_by_product_is_unsupported_while_others_are_answered() {
    for count in [101, 110, 150] {
        let all = many(count);
        let mut schedule = Schedule::new(&all, 1_000, at(0));
        let refuses = |asked: &[Symbol]| asked.iter().any(|s| all[100..].contains(s));
        let venue = |_, asked: &[Symbol]| if refuses(asked) { REFUSED } else { answer(asked) };
        let (_, told) = run(&mut schedule, 0, 20_000, true, venue);
        assert_eq!(unsupported(&told), count - 100);
        assert!(!any_failed(&told), "{told:?}");
    }
}

#[test]
fn refusals_of_every_batch_remove_nobody_and_open_the_breaker() {
    for count in [101, 110, 150] {
        let all = many(count);
        let mut schedule = Schedule::new(&all, 1_000, at(0));
        let venue = |now, asked: &[Symbol]| if now < 3_000 { answer(asked) } else { REFUSED };
        let (_, told) = run(&mut schedule, 0, 120_000, true, venue);
        assert_eq!(unsupported(&told), 0);
        assert!(told.iter().any(|(_, what)| what == "BreakerOpen true"));
    }
}

#[test]
fn two_refused_batches_both_find_their_culprit_and_the_third_keeps_its_slots() {
    let all = many(250);
    let mut schedule = Schedule::new(&all, 1_000, at(0));
    let culprits = [all[7], all[107]];
    let refuses = |asked: &[Symbol]| asked.iter().any(|s| culprits.contains(s));
    let venue = |_, asked: &[Symbol]| if refuses(asked) { REFUSED } else { answer(asked) };
    let (asked, told) = run(&mut schedule, 0, 60_000, true, venue);
    let gone: Vec<_> = told.iter().filter(|(_, what)| what.starts_with("Unsupported")).collect();
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert!(gone.iter().all(|(ms, _)| *ms < 50_000), "{gone:?}");
    assert!(!any_failed(&told));

    let third: Vec<_> = asked.iter().filter(|(_, what)| what.contains("S249")).collect();
    let longest = third.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
    assert!(longest <= 2_000, "the third batch waited {longest} ms");
    let alone: Vec<_> = asked.iter().filter(|(_, what)| !what.contains(' ')).collect();
    assert_eq!(alone.len(), 200, "each product of the two batches once");
    assert!(alone.windows(2).all(|pair| pair[1].0 - pair[0].0 >= ALONE_EVERY_MS));
}
