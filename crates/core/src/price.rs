//! Exact decimals. A price keeps the digits its exchange sent, trailing zeros included, and is
//! never a float; so what we publish is what was said.

use std::fmt;

use rust_decimal::Decimal;

/// Longest decimal text read, in bytes.
const TEXT_LEN_MAX: usize = 40;
/// Most significant digits kept. Kraken sends up to 12, Coinbase percentages up to 15.
const SIGNIFICANT_DIGITS_MAX: u32 = 18;
/// Most digits after the point.
const SCALE_MAX: u32 = 18;
/// One hundred per cent in basis points.
const BASIS_POINTS: i64 = 10_000;

/// Why a text is no usable decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a plain or scientific decimal number (`NaN`, `""`, `1,5`, `1_000`, `.5`).
    #[error("is not a decimal number")]
    NotANumber,
    /// More digits than any real quote has; cutting them would invent a price.
    #[error("has more digits than are kept exactly")]
    TooLong,
    /// Zero or negative where only a price above zero makes sense.
    #[error("is not above zero")]
    NotPositive,
}

/// Reads `-?digits[.digits][e±digits]` exactly: nothing rounded, nothing dropped.
fn parse_exact(text: &str) -> Result<Decimal, DecimalError> {
    if text.len() > TEXT_LEN_MAX {
        return Err(DecimalError::TooLong);
    }
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => {
            (digits, exponent.parse::<i32>().map_err(|_| DecimalError::NotANumber)?)
        }
        None => (text, 0),
    };
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(DecimalError::NotANumber),
        None => (unsigned, ""),
    };
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leading_zero {
        return Err(DecimalError::NotANumber);
    }
    let mut mantissa: i64 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(DecimalError::NotANumber);
        }
        mantissa = mantissa
            .checked_mul(10)
            .and_then(|m| m.checked_add(i64::from(byte - b'0')))
            .ok_or(DecimalError::TooLong)?;
    }
    if mantissa >= 10_i64.pow(SIGNIFICANT_DIGITS_MAX) {
        return Err(DecimalError::TooLong);
    }
    if unsigned.len() != digits.len() {
        mantissa = -mantissa;
    }
    let fraction_len = i32::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
    scale(mantissa, fraction_len.saturating_sub(exponent))
}

/// `mantissa × 10^-scale`, where a negative scale becomes zeros before the point.
fn scale(mantissa: i64, scale: i32) -> Result<Decimal, DecimalError> {
    match u32::try_from(scale) {
        Ok(scale) if scale <= SCALE_MAX => Ok(Decimal::new(mantissa, scale)),
        Ok(_) => Err(DecimalError::TooLong),
        Err(_) => {
            let zeros = scale.unsigned_abs();
            10_i64
                .checked_pow(zeros)
                .and_then(|factor| mantissa.checked_mul(factor))
                .filter(|m| m.abs() < 10_i64.pow(SIGNIFICANT_DIGITS_MAX))
                .map(|m| Decimal::new(m, 0))
                .ok_or(DecimalError::TooLong)
        }
    }
}

/// A price above zero in the quote currency (US dollars), with the exchange's own digits.
///
/// Equality and order are numeric: `1.5 == 1.50`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(Decimal);

impl Price {
    /// Reads a price exactly, keeping trailing zeros; an exponent is resolved (`1e-8`).
    ///
    /// # Errors
    /// [`DecimalError`] when it is no number, not above zero, or has too many digits.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let value = parse_exact(text)?;
        let is_positive = !value.is_zero() && value.is_sign_positive();
        is_positive.then_some(Self(value)).ok_or(DecimalError::NotPositive)
    }

    /// Whether `self` lies within `basis_points` of `reference`, the bound itself included.
    #[must_use]
    pub fn is_within_bp(self, reference: Self, basis_points: u32) -> bool {
        let distance = (self.0 - reference.0).abs();
        let allowed = reference.0.checked_mul(Decimal::from(basis_points));
        let scaled = distance.checked_mul(Decimal::from(BASIS_POINTS));
        matches!((scaled, allowed), (Some(scaled), Some(allowed)) if scaled <= allowed)
    }

    /// Whether `self` is `reference` with its decimal point moved: within `basis_points` of
    /// `reference × 10ⁿ` for some n ≠ 0.
    #[must_use]
    pub fn is_decimal_shift_of(self, reference: Self, basis_points: u32) -> bool {
        let shifted_up_from = |low: Decimal, high: Decimal| {
            let mut shifted = low;
            while let Some(next) = shifted.checked_mul(Decimal::TEN) {
                shifted = next;
                let allowed = shifted.checked_mul(Decimal::from(basis_points));
                let distance = (high - shifted).abs().checked_mul(Decimal::from(BASIS_POINTS));
                if matches!((distance, allowed), (Some(d), Some(a)) if d <= a) {
                    return true;
                }
                if shifted > high {
                    return false;
                }
            }
            false
        };
        if self.0 > reference.0 {
            shifted_up_from(reference.0, self.0)
        } else {
            shifted_up_from(self.0, reference.0)
        }
    }

    /// `|self − other|` in basis points of `other`, rounded down; `u32::MAX` when beyond.
    #[must_use]
    pub fn distance_bp(self, other: Self) -> u32 {
        (self.0 - other.0)
            .abs()
            .checked_mul(Decimal::from(BASIS_POINTS))
            .and_then(|scaled| scaled.checked_div(other.0))
            .and_then(|bp| u32::try_from(bp.trunc()).ok())
            .unwrap_or(u32::MAX)
    }
}

/// A signed change over a rolling 24 hours, in per cent (2.34 means +2.34 %).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChangePct(Decimal);

impl ChangePct {
    /// Reads a percentage exactly. One trailing `%` is accepted: Coinbase's published schema
    /// shows it, though its answers do not carry it.
    ///
    /// # Errors
    /// [`DecimalError`] when it is no number or has too many digits.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        parse_exact(text.strip_suffix('%').unwrap_or(text)).map(Self)
    }
}

/// A traded volume in units of the coin. Only ever compared for equality.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Volume(Decimal);

impl Volume {
    /// Reads a volume exactly.
    ///
    /// # Errors
    /// [`DecimalError`] when it is no number or has too many digits.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        parse_exact(text).map(Self)
    }
}

macro_rules! print_as_decimal {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
print_as_decimal!(Price, ChangePct, Volume);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(text: &str) -> Price {
        Price::parse(text).unwrap()
    }

    #[test]
    fn the_exchanges_digits_come_out_as_they_went_in() {
        for text in ["67432.15", "117354.0", "0.00044780", "61858", "1", "999999999999999999"] {
            assert_eq!(price(text).to_string(), text);
        }
        for text in ["-1.90", "0.00", "-0.28225832119521", "7.17"] {
            assert_eq!(ChangePct::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ChangePct::parse("9.43%").unwrap().to_string(), "9.43");
    }

    #[test]
    fn exponents_are_resolved_to_plain_notation() {
        for (text, plain) in
            [("1e-8", "0.00000001"), ("1.50E+2", "150"), ("1.505e2", "150.5"), ("2E3", "2000")]
        {
            assert_eq!(price(text).to_string(), plain);
        }
    }

    #[test]
    fn what_is_no_price_is_refused_with_its_reason() {
        use DecimalError::{NotANumber, NotPositive, TooLong};
        for (text, error) in [
            ("", NotANumber),
            ("NaN", NotANumber),
            ("Infinity", NotANumber),
            ("1,5", NotANumber),
            ("1_000", NotANumber),
            (".5", NotANumber),
            ("5.", NotANumber),
            ("007", NotANumber),
            ("+1", NotANumber),
            ("--1", NotANumber),
            ("1e", NotANumber),
            ("0x10", NotANumber),
            (" 1", NotANumber),
            ("1.2.3", NotANumber),
            ("0", NotPositive),
            ("0.000", NotPositive),
            ("-1", NotPositive),
            ("1e400", TooLong),
            ("1e-400", TooLong),
            ("1234567890123456789", TooLong),
            ("0.1234567890123456789", TooLong),
            ("1e2147483647", TooLong),
            ("1e-2147483648", TooLong),
            ("00000000000000000000000000000000000000000", TooLong),
        ] {
            assert_eq!(Price::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_distance_at_the_bound_is_within_and_beyond_it_is_not() {
        for (a, b, bp, within) in [
            ("110", "100", 1_000, true),
            ("110.01", "100", 1_000, false),
            ("90", "100", 1_000, true),
            ("89.99", "100", 1_000, false),
            ("100", "100", 0, true),
            ("999999999999999999", "0.000000000000000001", 1_000, false),
        ] {
            assert_eq!(price(a).is_within_bp(price(b), bp), within, "{a} of {b}");
        }
    }

    #[test]
    fn a_moved_decimal_point_is_recognised_in_both_directions() {
        for (a, b, shifted) in [
            ("674321.5", "67432.15", true),
            ("6743.215", "67432.15", true),
            ("0.00067432", "67432.15", true),
            ("687000", "67432.15", true),
            ("688000", "67432.15", false),
            ("67432.15", "67432.15", false),
            ("60000", "67432.15", false),
            ("26972.86", "67432.15", false),
        ] {
            assert_eq!(price(a).is_decimal_shift_of(price(b), 200), shifted, "{a} of {b}");
        }
    }

    #[test]
    fn distance_is_told_in_whole_basis_points() {
        assert_eq!(price("100.25").distance_bp(price("100")), 25);
        assert_eq!(price("100.2599").distance_bp(price("100")), 25);
        assert_eq!(price("999999999999").distance_bp(price("0.0000001")), u32::MAX);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_and_what_it_reads_it_reads_again(text in "\\PC{0,44}") {
            if let Ok(price) = Price::parse(&text) {
                prop_assert_eq!(Price::parse(&price.to_string()), Ok(price));
            }
        }

        #[test]
        fn number_like_texts_are_read_or_refused_but_never_changed(
            text in "-?[0-9]{1,20}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"
        ) {
            if let Ok(change) = ChangePct::parse(&text) {
                let again = change.to_string();
                prop_assert_eq!(ChangePct::parse(&again), Ok(change));
                if !text.contains(['e', 'E']) {
                    prop_assert_eq!(again.trim_start_matches('-'), text.trim_start_matches('-'));
                }
            }
        }

        #[test]
        fn comparisons_never_panic(
            a in 1..i64::MAX, a_scale in 0..=18_u32, b in 1..i64::MAX, b_scale in 0..=18_u32,
        ) {
            let (a, b) = (Price(Decimal::new(a, a_scale)), Price(Decimal::new(b, b_scale)));
            let _ = (a.is_within_bp(b, 200), a.is_decimal_shift_of(b, 200), a.distance_bp(b));
            prop_assert!(a.is_within_bp(a, 0));
        }
    }
}
