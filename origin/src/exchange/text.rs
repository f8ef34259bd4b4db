//! JSON text that is borrowed from the frame wherever the frame allows it.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use pricecast_core::UnixMillis;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// A JSON string, copied only if it holds escapes (`"BTC\/USD"` is as valid as `"BTC/USD"`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// The digits of a JSON number, or of a string that holds one: exchanges have sent both for the
/// same field. Whatever else it is comes out as it stands and is refused by the normaliser.
#[must_use]
pub fn number_text(raw: &RawValue) -> &str {
    unquoted(raw.get())
}

/// An RFC 3339 time with any number of fractional digits; `None` if it is not readable.
///
/// Every tick carries one. A general parser, which also knows calendars, zones and other notations,
/// takes five times as long.
#[must_use]
pub fn event_time(raw: &RawValue) -> Option<UnixMillis> {
    let rest = &mut unquoted(raw.get()).as_bytes();
    let year = i16::from(two_digits(rest)?) * 100 + i16::from(two_digits(rest)?);
    let month = two_digits_after(rest, b'-')?;
    let day = two_digits_after(rest, b'-')?;
    let hour = two_digits_after(rest, b'T')?;
    let minute = two_digits_after(rest, b':')?;
    let second = two_digits_after(rest, b':')?;
    let ms = fraction_ms(rest)?;
    let ahead_of_utc_s = offset_s(rest)?;
    // A leap second is told as the second before it.
    let second = if second == 60 { 59 } else { second };
    let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let seconds = Offset::UTC.to_timestamp(local).ok()?.as_second() - ahead_of_utc_s;
    u64::try_from(seconds * 1_000 + ms).ok().map(UnixMillis::from_ms)
}

fn two_digits_after(rest: &mut &[u8], mark: u8) -> Option<i8> {
    *rest = rest.strip_prefix(&[mark])?;
    two_digits(rest)
}

fn two_digits(rest: &mut &[u8]) -> Option<i8> {
    let (&[tens, units], after) = rest.split_first_chunk()?;
    *rest = after;
    let digit = |byte: u8| byte.is_ascii_digit().then(|| (byte - b'0').cast_signed());
    Some(digit(tens)? * 10 + digit(units)?)
}

/// What follows the seconds, in whole milliseconds.
fn fraction_ms(rest: &mut &[u8]) -> Option<i64> {
    let Some(fraction) = rest.strip_prefix(b".") else { return Some(0) };
    let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = fraction.split_at(len);
    *rest = after;
    let padded = digits.iter().chain(b"00").take(3);
    (len > 0).then(|| padded.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0')))
}

/// All that is left: `Z`, or how far the clock is ahead of UTC.
fn offset_s(rest: &mut &[u8]) -> Option<i64> {
    let (sign, after) = rest.split_first()?;
    *rest = after;
    let offset_s = match sign {
        b'Z' => 0,
        b'+' | b'-' => {
            let (hours, minutes) = (two_digits(rest)?, two_digits_after(rest, b':')?);
            let ahead_s = i64::from(hours) * 3_600 + i64::from(minutes) * 60;
            let is_real = hours < 24 && minutes < 60;
            is_real.then_some(if *sign == b'+' { ahead_s } else { -ahead_s })?
        }
        _ => return None,
    };
    rest.is_empty().then_some(offset_s)
}

fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn escapes_are_resolved_and_plain_text_is_borrowed() {
        let plain: Text<'_> = serde_json::from_str(r#""BTC/USD""#).unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("BTC/USD")));
        let escaped: Text<'_> = serde_json::from_str(r#""BTC\/USD""#).unwrap();
        assert_eq!(escaped.as_str(), "BTC/USD");
    }

    #[test]
    fn numbers_keep_their_digits_whether_quoted_or_not() {
        for (json, text) in [
            ("117354.0", "117354.0"),
            (r#""0.00044780""#, "0.00044780"),
            ("1e-8", "1e-8"),
            ("true", "true"),
        ] {
            assert_eq!(number_text(raw(json)), text);
        }
    }

    #[test]
    fn times_with_three_six_and_nine_digits_are_read_and_others_are_none() {
        for json in [
            r#""2026-09-25T17:48:26.844Z""#,
            r#""2026-09-25T17:48:26.844359Z""#,
            r#""2026-09-25T17:48:26.844359566Z""#,
            r#""2026-09-25T19:48:26.844+02:00""#,
        ] {
            assert_eq!(
                event_time(raw(json)),
                Some(UnixMillis::from_ms(1_790_358_506_844)),
                "{json}"
            );
        }
        for json in [r#""yesterday""#, "1790358506", r#""""#, r#""1950-01-01T00:00:00Z""#, "{}"] {
            assert_eq!(event_time(raw(json)), None, "{json}");
        }
    }

    #[test]
    fn leap_seconds_daylight_saving_and_the_year_2038_are_times_like_any_other() {
        for (json, ms) in [
            // The leap second at the end of 2016 is told as the second before it.
            (r#""2016-12-31T23:59:59.500Z""#, 1_483_228_799_500),
            (r#""2016-12-31T23:59:60.500Z""#, 1_483_228_799_500),
            (r#""2017-01-01T00:00:00Z""#, 1_483_228_800_000),
            // An hour that is there twice in New York, by its offset.
            (r#""2026-11-01T01:30:00-04:00""#, 1_793_511_000_000),
            (r#""2026-11-01T01:30:00-05:00""#, 1_793_514_600_000),
            // One second either side of what fits into 31 bits; what fits into 32.
            (r#""2038-01-19T03:14:07Z""#, 2_147_483_647_000),
            (r#""2038-01-19T03:14:08Z""#, 2_147_483_648_000),
            (r#""2106-02-07T06:28:16Z""#, 4_294_967_296_000),
        ] {
            assert_eq!(event_time(raw(json)), Some(UnixMillis::from_ms(ms)), "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_instant_in_any_offset_is_read_as_itself(
            ms in 0..7_258_118_400_000_i64, offset_min in -14 * 60..=14 * 60_i32,
        ) {
            let instant = Timestamp::from_millisecond(ms).unwrap();
            let offset = Offset::from_seconds(offset_min * 60).unwrap();
            let json = format!("\"{}\"", instant.display_with_offset(offset));
            let expected = UnixMillis::from_ms(ms.unsigned_abs());
            proptest::prop_assert_eq!(event_time(raw(&json)), Some(expected), "{}", json);
        }

        #[test]
        fn days_and_hours_that_are_none_are_refused_and_others_read_as_a_general_parser_does(
            text in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,9})?(Z|[+-][01][0-9]:[0-6][0-9])?Z?",
        ) {
            let parsed = text.parse::<Timestamp>().ok();
            let expected = parsed.map(|at| UnixMillis::from_ms(at.as_millisecond().unsigned_abs()));
            proptest::prop_assert_eq!(event_time(raw(&format!("\"{text}\""))), expected, "{}", text);
        }
    }
}
