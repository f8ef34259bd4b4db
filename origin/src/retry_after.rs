//! `Retry-After` (RFC 9110 §10.2.3), in seconds or as a date.

use http::HeaderValue;
use pricecast_core::UnixMillis;

/// How long the header asks to wait from `now`, in ms; 0 if that moment has passed, `None` if
/// there is no readable header.
#[must_use]
pub fn wait_ms(header: Option<&HeaderValue>, now: UnixMillis) -> Option<u64> {
    let text = header?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let at = UnixMillis::from_ms(u64::try_from(date.as_millisecond()).ok()?);
    Some(at.ms_since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_none() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let date_ms = 784_111_777_000;
        let now = UnixMillis::from_ms(date_ms - 30_000);
        for (text, expected) in [
            ("120", Some(120_000)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30_000)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999", None),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            let header = HeaderValue::from_str(text).unwrap();
            assert_eq!(wait_ms(Some(&header), now), expected, "{text:?}");
        }
        assert_eq!(wait_ms(None, now), None);
    }
}
