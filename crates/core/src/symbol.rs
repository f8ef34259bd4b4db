//! The symbols people know: `BTC`, `DOGE`. Exchange spellings stay in the adapters.

use std::fmt;
use std::str::FromStr;

/// Longest symbol, in characters. The longest base code listed on either exchange has 10.
pub const SYMBOL_LEN_MAX: usize = 14;

/// A canonical symbol: 1 to 14 upper-case ASCII letters and digits. Small enough to copy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Every tick is looked up by its symbol more than once: two whole words are compared faster than
// fourteen bytes that lie anywhere.
#[repr(align(8))]
pub struct Symbol {
    // Zero padded, so the derived order is the text's order.
    bytes: [u8; 16],
}

/// Why a text is no symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// Longer than [`SYMBOL_LEN_MAX`].
    #[error("is longer than {SYMBOL_LEN_MAX} characters")]
    TooLong,
    /// A character other than `A-Z` and `0-9`.
    #[error("may hold only letters and digits, e.g. \"BTC\" (no pair such as BTC/USD or BTC-USD)")]
    BadCharacter,
}

impl Symbol {
    /// Reads a canonical symbol as it stands in our own data; no alias, no lower case.
    ///
    /// # Errors
    /// [`SymbolError`] when the text is empty, too long or holds other characters.
    pub fn parse(text: &str) -> Result<Self, SymbolError> {
        if text.is_empty() {
            return Err(SymbolError::Empty);
        }
        let mut bytes = [0; 16];
        let fitting = bytes.get_mut(..text.len()).filter(|fit| fit.len() <= SYMBOL_LEN_MAX);
        let target = fitting.ok_or(SymbolError::TooLong)?;
        target.copy_from_slice(text.as_bytes());
        if !target.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
            return Err(SymbolError::BadCharacter);
        }
        Ok(Self { bytes })
    }

    /// Reads a symbol as people write it: any case, and Kraken's historic `XBT`, `XDG`.
    ///
    /// # Errors
    /// As [`Symbol::parse`].
    pub fn parse_alias(text: &str) -> Result<Self, SymbolError> {
        match text.trim().to_ascii_uppercase().as_str() {
            "XBT" => Self::parse("BTC"),
            "XDG" => Self::parse("DOGE"),
            canonical => Self::parse(canonical),
        }
    }

    /// The text, e.g. `BTC`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.bytes.iter().position(|&b| b == 0).unwrap_or(SYMBOL_LEN_MAX);
        let text = self.bytes.get(..len).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        Self::parse(text)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_survives_and_everything_else_is_refused() {
        for text in ["BTC", "1INCH", "A", "ABCDEFGHIJKLMN"] {
            assert_eq!(Symbol::parse(text).unwrap().as_str(), text);
        }
        for (text, error) in [
            ("", SymbolError::Empty),
            ("ABCDEFGHIJKLMNO", SymbolError::TooLong),
            ("ABCDEFGHIJKLMNOPQ", SymbolError::TooLong),
            ("btc", SymbolError::BadCharacter),
            ("BTC/USD", SymbolError::BadCharacter),
            ("BTC\0", SymbolError::BadCharacter),
            ("É", SymbolError::BadCharacter),
        ] {
            assert_eq!(Symbol::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn people_may_write_lower_case_and_krakens_old_names() {
        for (text, symbol) in [("btc", "BTC"), (" XBT ", "BTC"), ("xdg", "DOGE"), ("Sol", "SOL")] {
            assert_eq!(Symbol::parse_alias(text).unwrap().as_str(), symbol);
        }
    }

    #[test]
    fn symbols_sort_as_their_texts_do() {
        let mut symbols = ["SOL", "BTC", "B", "1INCH"].map(|text| Symbol::parse(text).unwrap());
        symbols.sort();
        assert_eq!(symbols.map(|s| s.to_string()), ["1INCH", "B", "BTC", "SOL"]);
    }
}
