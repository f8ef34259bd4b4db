//! Decimals as whole numbers of units, so that a price on the wire is exact text.
//!
//! Floats appear only inside the random walk; whatever leaves it is rounded to units once.

use std::fmt;
use std::str::FromStr;

/// A decimal: `units × 10^-scale`. The scale is part of the value: `117354.0` keeps its zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

/// The text was not a decimal number of a sane size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a decimal number, e.g. 67432.1")]
pub struct NotADecimal(String);

/// Largest scale accepted: keeps every product below within `i128`.
const MAX_SCALE: u32 = 18;

impl Decimal {
    /// `units × 10^-scale`; `scale` is capped at 18.
    #[must_use]
    pub fn new(units: i128, scale: u32) -> Self {
        Self { units, scale: scale.min(MAX_SCALE) }
    }

    /// Zero with `scale` decimals.
    #[must_use]
    pub fn zero(scale: u32) -> Self {
        Self::new(0, scale)
    }

    /// The float rounded to `scale` decimals; not-a-number becomes zero.
    #[must_use]
    pub fn from_f64(value: f64, scale: u32) -> Self {
        let factor = pow10(scale) as f64;
        Self::new(round_to_i128(value * factor), scale)
    }

    /// Units of the last decimal.
    #[must_use]
    pub fn units(self) -> i128 {
        self.units
    }

    /// Number of decimals.
    #[must_use]
    pub fn scale(self) -> u32 {
        self.scale
    }

    /// Nearest float, for statistics only.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.units as f64 / pow10(self.scale) as f64
    }

    /// The same value with `scale` decimals, rounded half away from zero.
    #[must_use]
    pub fn rescaled(self, scale: u32) -> Self {
        let scale = scale.min(MAX_SCALE);
        let units = if scale >= self.scale {
            self.units.saturating_mul(pow10(scale - self.scale))
        } else {
            div_round(self.units, pow10(self.scale - scale))
        };
        Self { units, scale }
    }

    /// Without trailing zeros after the point, as Coinbase writes (`69870`, not `69870.00`).
    #[must_use]
    pub fn trimmed(self) -> Self {
        let mut out = self;
        while out.scale > 0 && out.units % 10 == 0 {
            out.units /= 10;
            out.scale -= 1;
        }
        out
    }

    /// `self − other`, with the larger scale of the two.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self::new(self.rescaled(scale).units.saturating_sub(other.rescaled(scale).units), scale)
    }

    /// `self × numerator / denominator`, same scale, rounded. A denominator of 0 leaves it as it is.
    #[must_use]
    pub fn times_ratio(self, numerator: i128, denominator: i128) -> Self {
        if denominator == 0 {
            return self;
        }
        Self { units: div_round(self.units.saturating_mul(numerator), denominator), ..self }
    }

    /// Percent by which `self` differs from `base`, with `scale` decimals; zero for a zero base.
    #[must_use]
    pub fn percent_above(self, base: Self, scale: u32) -> Self {
        let common = self.scale.max(base.scale);
        let (now, then) = (self.rescaled(common).units, base.rescaled(common).units);
        if then == 0 {
            return Self::zero(scale);
        }
        let numerator = now.saturating_sub(then).saturating_mul(100).saturating_mul(pow10(scale));
        Self::new(div_round(numerator, then), scale)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let whole = self.units.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{whole}");
        }
        let unit = pow10(self.scale).unsigned_abs();
        let width = self.scale as usize;
        write!(f, "{sign}{}.{:0width$}", whole / unit, whole % unit)
    }
}

impl FromStr for Decimal {
    type Err = NotADecimal;

    /// Reads `-1.90`, `61858` and `1e-8`; keeps trailing zeros.
    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        parse(text).ok_or_else(|| NotADecimal(text.chars().take(40).collect()))
    }
}

fn parse(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    if digits.len() > 30 || exponent.abs() > 30 {
        return None;
    }
    let magnitude: i128 = format!("{whole}{fraction}").parse().ok()?;
    let units = if negative { -magnitude } else { magnitude };
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    match u32::try_from(scale) {
        Ok(scale) if scale <= MAX_SCALE => Some(Decimal { units, scale }),
        Ok(_) => None,
        Err(_) => {
            let shift = scale.unsigned_abs();
            (shift <= MAX_SCALE).then_some(())?;
            Some(Decimal { units: units.checked_mul(pow10(shift))?, scale: 0 })
        }
    }
}

/// `10^exponent`, saturating far beyond any scale used here.
pub(crate) fn pow10(exponent: u32) -> i128 {
    10_i128.checked_pow(exponent).unwrap_or(i128::MAX)
}

/// Integer division rounded half away from zero.
pub(crate) fn div_round(numerator: i128, denominator: i128) -> i128 {
    if denominator == 0 {
        return 0;
    }
    let (n, d) =
        if denominator < 0 { (-numerator, -denominator) } else { (numerator, denominator) };
    let half = d / 2;
    if n >= 0 { n.saturating_add(half) / d } else { n.saturating_sub(half) / d }
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted here")]
fn round_to_i128(value: f64) -> i128 {
    value.round() as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn text_survives_a_round_trip_with_its_zeros() {
        for text in ["0.00044780", "117354.0", "-1.90", "61858", "0.1234567", "-0.5"] {
            assert_eq!(dec(text).to_string(), text);
        }
    }

    #[test]
    fn exponents_are_written_out() {
        assert_eq!(dec("1e-8").to_string(), "0.00000001");
        assert_eq!(dec("2.5E3").to_string(), "2500");
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["", "-", ".5", "NaN", "1,5", "0x10", "1e99", "1 "] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn percent_is_rounded_half_away_from_zero() {
        assert_eq!(dec("83744.3").percent_above(dec("84173.6"), 2).to_string(), "-0.51");
        assert_eq!(dec("65972.9").percent_above(dec("61560.8"), 2).to_string(), "7.17");
        assert_eq!(dec("1").percent_above(dec("0"), 2).to_string(), "0.00");
    }

    #[test]
    fn rescaling_rounds_and_trimming_drops_only_zeros_after_the_point() {
        assert_eq!(dec("1.005").rescaled(2).to_string(), "1.01");
        assert_eq!(dec("-1.005").rescaled(2).to_string(), "-1.01");
        assert_eq!(dec("69870.00").trimmed().to_string(), "69870");
        assert_eq!(dec("0.10").trimmed().to_string(), "0.1");
        assert_eq!(dec("1.5").minus(dec("0.25")).to_string(), "1.25");
    }
}
