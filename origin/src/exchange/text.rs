//! JSON text that is borrowed from the frame wherever the frame allows it.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
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
#[must_use]
pub fn event_time(raw: &RawValue) -> Option<UnixMillis> {
    let time: Timestamp = unquoted(raw.get()).parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(UnixMillis::from_ms)
}

fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

#[cfg(test)]
mod tests {
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
}
