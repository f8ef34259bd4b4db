//! `Accept-Encoding` (RFC 9110 §12.5.3), as far as two codings need it.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use pricecast_wire::Encoding;

/// gzip where the client takes it at least as gladly as the bare body.
pub(super) fn encoding(headers: &HeaderMap) -> Encoding {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for (coding, weight) in values.flat_map(|value| value.split(',')).map(weighted) {
        let slot = match coding {
            "gzip" | "x-gzip" => &mut gzip,
            "*" => &mut any,
            "identity" => &mut identity,
            _ => continue,
        };
        slot.get_or_insert(weight);
    }
    let gzip = gzip.or(any).unwrap_or(0);
    if gzip > 0 && gzip >= identity.unwrap_or(0) { Encoding::Gzip } else { Encoding::Identity }
}

/// A coding and its weight in thousandths. An unreadable weight refuses the coding.
fn weighted(item: &str) -> (&str, u32) {
    let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
    let parameters = parameters.trim();
    let weight = match parameters.strip_prefix("q=").or_else(|| parameters.strip_prefix("Q=")) {
        Some(text) => thousandths(text).unwrap_or(0),
        None => 1_000,
    };
    (coding.trim(), weight)
}

fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_valid = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    let fraction: u32 =
        if is_valid { format!("{fraction:0<3}").parse().ok()? } else { return None };
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_sent_only_to_those_who_want_it() {
        use Encoding::{Gzip, Identity};
        for (accepts, expected) in [
            ("", Identity),
            ("gzip", Gzip),
            ("br, gzip;q=0.5", Gzip),
            ("gzip;q=0", Identity),
            ("gzip; q=0.001", Gzip),
            ("*", Gzip),
            ("*;q=0", Identity),
            ("gzip;q=0, *", Identity),
            ("identity, gzip;q=0.5", Identity),
            ("identity;q=0.5, gzip;q=0.5", Gzip),
            ("identity", Identity),
            ("br", Identity),
            ("gzip;q=2", Identity),
            ("gzip;q=nonsense", Identity),
            ("gzip;q=0.1234", Identity),
            (",,;;", Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(accepts).unwrap());
            assert_eq!(encoding(&headers), expected, "{accepts:?}");
        }
        assert_eq!(encoding(&HeaderMap::new()), Identity);
    }
}
