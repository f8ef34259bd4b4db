//! How the command line writes numbers and times.

use pricecast_core::UnixMillis;

/// A number with a comma for each thousand.
pub(crate) fn thousands(count: u64) -> String {
    grouped(&count.to_string())
}

/// Digits with a comma for each thousand.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn instant(at: UnixMillis) -> String {
    let ms = i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or(format!("{ms} ms"), |time| format!("{time:.3}"))
}
