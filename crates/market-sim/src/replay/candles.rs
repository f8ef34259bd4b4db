//! The CSV of candles: `symbol,interval_s,timestamp,open,high,low,close,volume`.

use super::ReplayError;
use crate::clock::parse_rfc3339_us;
use crate::decimal::Decimal;
use std::path::Path;

const HEADER: &str = "symbol,interval_s,timestamp,open,high,low,close,volume";

/// One candle of one symbol; the four prices share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candle {
    /// Epoch µs of its opening.
    pub(crate) start_us: i64,
    pub(crate) interval_us: i64,
    pub(crate) open: Decimal,
    pub(crate) high: Decimal,
    pub(crate) low: Decimal,
    pub(crate) close: Decimal,
    pub(crate) volume: Decimal,
}

/// Every candle of the file with its symbol (`BTC-USD` becomes `BTC`), in the order of the file.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<(String, Candle)>, ReplayError> {
    let fail = |line: usize, problem: String| ReplayError::Line {
        path: path.to_owned(),
        line: line + 1,
        problem,
    };
    let mut lines = text.lines().enumerate();
    match lines.next() {
        Some((_, header)) if header.trim() == HEADER => {}
        _ => return Err(fail(0, format!("the header must be {HEADER}"))),
    }
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| candle(line).map_err(|problem| fail(index, problem)))
        .collect()
}

fn candle(line: &str) -> Result<(String, Candle), String> {
    let fields: Vec<&str> = line.trim().split(',').collect();
    let [symbol, interval_s, timestamp, open, high, low, close, volume] = fields.as_slice() else {
        return Err(format!("8 fields expected, {} found", fields.len()));
    };
    let number = |text: &str| text.parse::<Decimal>().map_err(|error| error.to_string());
    let interval_s: i64 = interval_s.parse().map_err(|_| "interval_s is not a number")?;
    if !(1..=86_400).contains(&interval_s) {
        return Err(format!("interval_s must be from 1 to 86400, not {interval_s}"));
    }
    let candle = Candle {
        start_us: parse_rfc3339_us(timestamp)
            .ok_or_else(|| format!("\"{timestamp}\" is not a time with a zone"))?,
        interval_us: interval_s * 1_000_000,
        open: number(open)?,
        high: number(high)?,
        low: number(low)?,
        close: number(close)?,
        volume: number(volume)?,
    };
    let symbol = symbol.split(['-', '/']).next().unwrap_or(symbol).to_owned();
    Ok((symbol, with_one_scale(candle)?))
}

fn with_one_scale(candle: Candle) -> Result<Candle, String> {
    let prices = [candle.open, candle.high, candle.low, candle.close];
    let scale = prices.iter().map(|price| price.scale()).max().unwrap_or(0);
    let [open, high, low, close] = prices.map(|price| price.rescaled(scale));
    let within = |price: Decimal| low.units() <= price.units() && price.units() <= high.units();
    if low.units() <= 0 || !within(open) || !within(close) {
        return Err("open and close must lie between low and high, all above 0".to_owned());
    }
    Ok(Candle { open, high, low, close, ..candle })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(line: &str) -> String {
        parse(Path::new("x.csv"), &format!("{HEADER}\n{line}\n")).unwrap_err().to_string()
    }

    #[test]
    fn a_recorded_line_is_read() {
        let line = "BTC-USD,60,2025-06-21 00:00:00+00:00,103243.9,103244,103194.5,103194.6,12.983";
        let candles = parse(Path::new("x.csv"), &format!("{HEADER}\n{line}\n")).unwrap();
        let (symbol, candle) = &candles[0];
        assert_eq!(symbol, "BTC");
        assert_eq!(candle.start_us, 1_750_464_000_000_000);
        assert_eq!(candle.high.to_string(), "103244.0", "one scale for the four prices");
    }

    #[test]
    fn a_bad_line_is_named_with_its_number_and_its_fault() {
        for (line, part) in [
            ("BTC-USD,60", "line 2: 8 fields expected, 2 found"),
            ("BTC-USD,0,2025-06-21 00:00:00+00:00,1,1,1,1,1", "from 1 to 86400"),
            ("BTC-USD,60,yesterday,1,1,1,1,1", "\"yesterday\" is not a time"),
            ("BTC-USD,60,2025-06-21 00:00:00+00:00,1,x,1,1,1", "\"x\" is not a decimal"),
            ("BTC-USD,60,2025-06-21 00:00:00+00:00,3,2,1,1,1", "between low and high"),
            ("BTC-USD,60,2025-06-21 00:00:00+00:00,0,0,0,0,1", "all above 0"),
        ] {
            let error = errors(line);
            assert!(error.contains(part), "{line}: {error}");
        }
        let headless = parse(Path::new("x.csv"), "a,b\n").unwrap_err().to_string();
        assert!(headless.contains("line 1: the header must be symbol,"), "{headless}");
    }
}
