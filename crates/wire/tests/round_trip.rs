//! What one side renders the other reads and renders again, at any later moment, to the byte.

mod support;

use pricecast_core::UnixMillis;
use pricecast_wire::{BODY_LEN_MAX, Encoding, ParseError, etag, parse, render};
use proptest::prelude::*;
use support::{any_snapshot, at, degraded, fallback, live};

/// The fixed body of `live()` with one piece of text replaced.
fn live_with(from: &str, to: &str) -> String {
    let body = render(&live(), at(0));
    assert!(body.contains(from), "{from} does not occur");
    body.replacen(from, to, 1)
}

#[test]
fn a_tag_changes_exactly_when_a_flag_flips() {
    let snapshot = live();
    for (offset_ms, k) in [(0, 0), (3_999, 0), (4_000, 1), (4_100, 2), (4_500, 3), (5_000, 5)] {
        let expected = format!("\"1706890000123-18231-{k}\"");
        assert_eq!(etag(&snapshot, at(offset_ms), Encoding::Identity), expected, "{offset_ms}");
    }
    assert_eq!(etag(&snapshot, at(0), Encoding::Gzip), "\"1706890000123-18231-0-gz\"");
}

#[test]
fn known_snapshots_come_back_as_they_were() {
    for snapshot in [live(), fallback(), degraded()] {
        assert_eq!(parse(render(&snapshot, at(0)).as_bytes()).unwrap(), snapshot);
    }
}

#[test]
fn what_a_later_version_may_add_is_ignored() {
    for (from, to) in [
        (r#"{"prices":"#, r#"{"news":{"a":[1,null]},"prices":"#),
        (r#"{"symbol":"BTC","#, r#"{"symbol":"BTC","volume":null,"#),
        (r#""coinbase":{"status""#, r#""binance":{"status":"connected"},"coinbase":{"status""#),
        (r#""status":"connected""#, r#""status":"connected","since":1"#),
        (r#""mode":"live""#, r#""mode":"splendid""#),
        (r#""symbol":"BTC""#, r#""symbol":"\u0042TC""#),
    ] {
        let body = live_with(from, to);
        assert_eq!(parse(body.as_bytes()).unwrap(), live(), "{to}");
    }
}

#[test]
fn an_unknown_reason_is_none_and_an_unknown_status_is_stale() {
    let body = render(&fallback(), at(0)).replace("silent", "on_strike");
    let mut expected = fallback();
    expected.sources.kraken.reason = None;
    assert_eq!(parse(body.as_bytes()).unwrap(), expected);
    let body = body.replace(r#""status":"stale""#, r#""status":"asleep""#);
    assert_eq!(parse(body.as_bytes()).unwrap(), expected);
}

#[test]
fn a_body_that_would_make_us_say_something_untrue_is_refused() {
    let cases: &[(&str, &str, &str)] = &[
        (r#""price":67432.15"#, r#""price":null"#, "price of BTC is not a decimal number"),
        (r#""price":67432.15"#, r#""price":"67432.15""#, "price of BTC is not a decimal number"),
        (r#""price":67432.15"#, r#""price":0"#, "price of BTC is not above zero"),
        (r#""price":67432.15"#, r#""price":-1"#, "price of BTC is not above zero"),
        (
            r#""price":67432.15"#,
            r#""price":1e400"#,
            "price of BTC has more digits than are kept exactly",
        ),
        (r#""price":67432.15,"#, "", "the body is not of the contract's shape"),
        (r#""change24h":2.34"#, r#""change24h":[]"#, "change24h of BTC is not a decimal number"),
        (
            r#""source":"kraken""#,
            r#""source":"bazaar""#,
            "BTC comes from \"bazaar\", which this version does not know: update it",
        ),
        (
            r#""symbol":"BTC""#,
            r#""symbol":"btc""#,
            "symbol \"btc\" may hold only letters and digits, e.g. \"BTC\" (no pair such as BTC/USD or BTC-USD)",
        ),
        (r#""symbol":"ETH""#, r#""symbol":"BTC""#, "BTC is listed more than once"),
        (r#""unavailable":[]"#, r#""unavailable":["BTC"]"#, "BTC is listed more than once"),
        (r#""seq":18231"#, r#""seq":9007199254740992"#, "seq is 9007199254740992, above 2^53 - 1"),
        (r#""seq":18231"#, r#""seq":-1"#, "the body is not of the contract's shape"),
        (
            r#""timestamp":1706900000000"#,
            r#""timestamp":1.5"#,
            "the body is not of the contract's shape",
        ),
        (
            r#""confirmedAt":1706900000000"#,
            r#""confirmedAt":18446744073709551615"#,
            "confirmedAt is 18446744073709551615, above 2^53 - 1",
        ),
        (r#""stale":false"#, r#""stale":"no""#, "the body is not of the contract's shape"),
        ("}}}", "}}", "the body is not of the contract's shape"),
    ];
    for (from, to, message) in cases {
        let error = parse(live_with(from, to).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), *message, "{to}");
    }
    let empty = render(&live(), at(0));
    let (start, end) = (empty.find('[').unwrap(), empty.find(']').unwrap());
    let empty = format!("{}{}", &empty[..=start], &empty[end..]);
    assert!(matches!(parse(empty.as_bytes()), Err(ParseError::NoPrices)));
}

#[test]
fn a_body_of_the_greatest_length_is_read_and_a_longer_one_is_refused() {
    let mut body = render(&live(), at(0));
    body.push_str(&" ".repeat(BODY_LEN_MAX - body.len()));
    assert_eq!(parse(body.as_bytes()).unwrap(), live());
    body.push(' ');
    let error = parse(body.as_bytes()).unwrap_err();
    assert!(matches!(error, ParseError::TooLong { len } if len == BODY_LEN_MAX + 1));
}

proptest! {
    #[test]
    fn a_body_read_and_rendered_at_any_later_moment_is_what_the_origin_would_render_then(
        snapshot in any_snapshot(), first in -20_000_i64..10_000, later in 0_i64..30_000,
    ) {
        let relayed = parse(render(&snapshot, at(first)).as_bytes()).unwrap();
        prop_assert_eq!(
            render(&relayed, at(first + later)), render(&snapshot, at(first + later))
        );
        prop_assert_eq!(
            etag(&relayed, at(first + later), Encoding::Identity),
            etag(&snapshot, at(first + later), Encoding::Identity)
        );
    }

    #[test]
    fn a_body_stays_the_same_to_the_byte_until_its_next_flip_and_differs_then_in_its_tag(
        snapshot in any_snapshot(), offset_ms in -20_000_i64..10_000,
    ) {
        let now = at(offset_ms);
        let body = render(&snapshot, now);
        let tag = etag(&snapshot, now, Encoding::Identity);
        let relayed = parse(body.as_bytes()).unwrap();
        prop_assert_eq!(relayed.next_flip(now), snapshot.next_flip(now));
        let flip = snapshot.next_flip(now).unwrap_or(UnixMillis::from_ms(1 << 53));
        prop_assert_eq!(render(&relayed, flip.minus_ms(1)), body);
        if snapshot.next_flip(now).is_some() {
            prop_assert_ne!(etag(&relayed, flip, Encoding::Identity), tag);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_real_body_makes_the_reader_panic_or_the_renderer_disagree(
        snapshot in any_snapshot(), position in any::<prop::sample::Index>(), byte: u8,
        cut in any::<prop::sample::Index>(), truncate: bool,
    ) {
        let mut body = render(&snapshot, at(0)).into_bytes();
        let position = position.index(body.len());
        body[position] = byte;
        if truncate {
            body.truncate(cut.index(body.len()));
        }
        if let Ok(damaged) = parse(&body) {
            let again = parse(render(&damaged, at(0)).as_bytes()).unwrap();
            prop_assert_eq!(render(&again, at(0)), render(&damaged, at(0)));
        }
    }
}
